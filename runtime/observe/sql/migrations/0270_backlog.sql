-- 0270_backlog: what waits, of all companies together, for the figures that an operator's monitor reads.
-- Each number is counted up to `most` by an index, so that a reading costs little on the largest database; a number that
-- reaches `most` means "so many or more".
CREATE FUNCTION reeve_backlog(most int) RETURNS TABLE (name text, kind text, value bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT 'runs_open', w.kind, count(*)
      FROM (SELECT CASE WHEN r.status = 'waiting' THEN coalesce(r.waiting_on, 'nothing') ELSE 'nothing' END AS kind
              FROM run r WHERE r.status NOT IN ('done','failed','cancelled','compensated','diverged')
             LIMIT most) w
     GROUP BY w.kind
    UNION ALL
    SELECT 'runs_dead', '', count(*)
      FROM (SELECT FROM run r WHERE r.status IN ('failed', 'compensated', 'diverged') LIMIT most) w
    UNION ALL
    SELECT 'approvals_waiting', '', count(*)
      FROM (SELECT FROM approval a WHERE a.status = 'requested' LIMIT most) w
    UNION ALL
    SELECT 'approvals_oldest_seconds', '',
           coalesce(max(extract(epoch FROM clock_timestamp() - w.requested_at)), 0)::bigint
      FROM tenant t
      CROSS JOIN LATERAL (SELECT a.requested_at FROM approval a
                           WHERE a.tenant_id = t.tenant_id AND a.status = 'requested'
                           ORDER BY a.requested_at LIMIT 1) w
    UNION ALL
    SELECT 'exceptions_open', '', count(*)
      FROM (SELECT FROM exception e WHERE e.state = 'open' LIMIT most) w
    UNION ALL
    SELECT 'effects_open', w.state, count(*)
      FROM (SELECT i.state FROM effect_intent i WHERE i.state NOT IN ('done', 'failed') LIMIT most) w
     GROUP BY w.state
    UNION ALL
    SELECT 'hook_deliveries_waiting', '', count(*)
      FROM (SELECT FROM hook_delivery d WHERE d.status = 'pending' LIMIT most) w
    UNION ALL
    SELECT 'hook_deliveries_late_seconds', '',
           greatest(0, extract(epoch FROM clock_timestamp() - min(d.next_at)))::bigint
      FROM hook_delivery d WHERE d.status = 'pending'
    UNION ALL
    SELECT 'schedules_late_seconds', '',
           greatest(0, extract(epoch FROM clock_timestamp() - min(s.due_at)))::bigint
      FROM schedule s WHERE s.status = 'active'
    UNION ALL
    SELECT 'schedules_paused', '', count(*)
      FROM (SELECT FROM schedule s WHERE s.status = 'paused' LIMIT most) w
$$;
