-- 0034_run_standing: how runs stand, in the words people ask by.
--   since     when it could move, NULL while it cannot: the conditions of the statement runs_due
--   roles     who is still missing on its open approvals
--   retry     an earlier run failed at the same exception, and this one is open
--   standing  over: its status; stuck: it could have moved for a minute; retrying; else its status
-- A journal entry has no time of its own, so a run that works on long without a change of status looks
-- stuck, too, after `changed_at`.
CREATE FUNCTION run_standing(tenant int)
RETURNS TABLE (id bigint, agent text, status text, waiting_on text, wake_at timestamptz, business_key text,
               parent bigint, steps int, error_code text, error_text text, created_at timestamptz,
               changed_at timestamptz, is_over boolean, roles text[], since timestamptz, retry boolean,
               standing text)
LANGUAGE sql STABLE AS $f$
SELECT s.id, s.agent, s.status, s.waiting_on, s.wake_at, s.business_key, s.parent, s.steps, s.error_code,
       s.error_text, s.created_at, s.changed_at, s.is_over, s.roles, s.since, s.retry,
       CASE WHEN s.is_over THEN s.status
            WHEN s.since < clock_timestamp() - interval '1 minute' THEN 'stuck'
            WHEN s.retry THEN 'retrying' ELSE s.status END
  FROM (
    SELECT r.*, o.is_over, p.roles,
           CASE WHEN o.is_over THEN NULL
                WHEN r.status <> 'waiting' THEN r.changed_at
                WHEN r.wake_at <= clock_timestamp() THEN greatest(r.changed_at, r.wake_at)
                WHEN r.waiting_on = 'approval' AND p.open = 0 THEN greatest(r.changed_at, p.decided_at)
                WHEN r.waiting_on = 'signal' THEN (
                    SELECT greatest(r.changed_at, min(g.sent_at)) FROM run_signal g
                      JOIN journal j ON j.tenant_id = g.tenant_id AND j.run_id = g.run_id AND j.seq = r.steps
                     WHERE g.tenant_id = r.tenant_id AND g.run_id = r.id AND g.consumed_seq IS NULL
                       AND g.name = convert_from(substr(j.out, 2), 'UTF8')::jsonb->>'name'
                    HAVING count(*) > 0)
           END AS since,
           NOT o.is_over AND r.business_key IS NOT NULL AND EXISTS (
               SELECT FROM run e WHERE e.tenant_id = r.tenant_id AND e.business_key = r.business_key
                  AND e.id < r.id AND e.status = 'failed') AS retry
      FROM run r
     CROSS JOIN LATERAL (SELECT r.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged') AS is_over) o
      LEFT JOIN LATERAL (
           SELECT count(*) FILTER (WHERE a.status = 'requested') AS open, max(a.decided_at) AS decided_at,
                  (SELECT array_agg(DISTINCT w.role ORDER BY w.role) FROM (
                      SELECT t.value->>'role' AS role
                        FROM approval b CROSS JOIN LATERAL jsonb_array_elements(b.stages) AS t
                       WHERE b.tenant_id = r.tenant_id AND b.run_id = r.id AND b.status = 'requested'
                         AND coalesce((t.value->>'n')::int, 1) > (
                             SELECT count(*) FROM approval_vote v
                              WHERE v.tenant_id = b.tenant_id AND v.approval_id = b.id AND v.decision = 'approve'
                                AND (v.role = t.value->>'role'
                                     OR (left(v.role, 1) = '[' AND v.role::jsonb ? (t.value->>'role'))))) w) AS roles
             FROM approval a
            WHERE a.tenant_id = r.tenant_id AND a.run_id = r.id
              AND r.status = 'waiting' AND r.waiting_on = 'approval') p ON true
     WHERE r.tenant_id = $1) s
$f$;
