-- 0361_run_asked_to_stop: a run that was asked to stop more than a minute ago and has not is stuck, whatever it does
-- or waits for.  As for the statement runs_due: its end has no reason yet, and no effect outside is about to tell it.
CREATE OR REPLACE FUNCTION run_stuck(of_tenant int) RETURNS TABLE (id bigint) LANGUAGE sql STABLE AS
$f$
    SELECT r.id FROM run r
     WHERE r.tenant_id = of_tenant AND r.status IN ('created', 'planning', 'executing', 'reviewing', 'compensating')
       AND r.changed_at < (SELECT clock_timestamp() - interval '1 minute')
     UNION ALL
    SELECT r.id FROM run r
     WHERE r.tenant_id = of_tenant AND r.status = 'waiting'
       AND r.wake_at < (SELECT clock_timestamp() - interval '1 minute')
       AND r.changed_at < (SELECT clock_timestamp() - interval '1 minute')
     UNION ALL
    SELECT r.id
      FROM (SELECT w.id FROM run w -- two indexes beside each other, before any row is looked at
             WHERE w.tenant_id = of_tenant AND w.status = 'waiting' AND w.waiting_on = 'approval'
               AND NOT EXISTS (SELECT FROM approval a WHERE a.tenant_id = of_tenant AND a.run_id = w.id
                                  AND a.status = 'requested')
            OFFSET 0) AS w
      JOIN run r ON r.tenant_id = of_tenant AND r.id = w.id
     WHERE (r.wake_at IS NULL OR r.wake_at >= (SELECT clock_timestamp() - interval '1 minute'))
       AND r.changed_at < (SELECT clock_timestamp() - interval '1 minute')
       AND NOT EXISTS (SELECT FROM approval a WHERE a.tenant_id = of_tenant AND a.run_id = r.id
                          AND a.decided_at > (SELECT clock_timestamp() - interval '1 minute'))
     UNION ALL
    SELECT r.id
      FROM (SELECT DISTINCT g.run_id FROM run_signal g -- each run once, however many signals it has
             WHERE g.tenant_id = of_tenant AND g.consumed_seq IS NULL AND g.name <> '$cancel'
               AND g.sent_at < (SELECT clock_timestamp() - interval '1 minute')) AS u
      JOIN run r ON r.tenant_id = of_tenant AND r.id = u.run_id
      JOIN journal j ON j.tenant_id = of_tenant AND j.run_id = r.id AND j.seq = r.steps
     WHERE r.status = 'waiting' AND r.waiting_on IN ('signal', 'budget')
       AND (r.wake_at IS NULL OR r.wake_at >= (SELECT clock_timestamp() - interval '1 minute'))
       AND r.changed_at < (SELECT clock_timestamp() - interval '1 minute')
       AND EXISTS (SELECT FROM run_signal g
                    WHERE g.tenant_id = of_tenant AND g.run_id = r.id AND g.consumed_seq IS NULL
                      AND g.sent_at < (SELECT clock_timestamp() - interval '1 minute')
                      AND g.name = run_step_said(of_tenant, j.out)->>'name')
     UNION ALL
    SELECT r.id FROM run_signal g JOIN run r ON r.tenant_id = of_tenant AND r.id = g.run_id
     WHERE g.tenant_id = of_tenant AND g.name = '$cancel' AND g.consumed_seq IS NULL
       AND g.sent_at < (SELECT clock_timestamp() - interval '1 minute')
       AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged') AND r.error_code IS NULL
       AND NOT EXISTS (SELECT FROM effect_intent i WHERE i.tenant_id = of_tenant AND i.run_id = r.id
                          AND i.cancel IS NOT NULL AND i.state NOT IN ('done', 'failed'))
$f$;

-- `since` of such a run is when it was asked, if it could not have moved before.
DO $do$
DECLARE
    changes text[] := ARRAY[
        ARRAY[$$CASE WHEN o.is_over THEN NULL$$, $$CASE WHEN o.is_over THEN NULL ELSE least(e.stop_at, CASE$$],
        ARRAY[$$END AS since$$, $$END) END AS since$$],
        ARRAY[$$AS is_over) o$$, $$AS is_over) o
      LEFT JOIN LATERAL (
           SELECT min(g.sent_at) AS stop_at FROM run_signal g
            WHERE g.tenant_id = r.tenant_id AND g.run_id = r.id AND g.name = '$cancel' AND g.consumed_seq IS NULL
              AND NOT o.is_over AND r.error_code IS NULL
              AND NOT EXISTS (SELECT FROM effect_intent i WHERE i.tenant_id = r.tenant_id AND i.run_id = r.id
                                 AND i.cancel IS NOT NULL AND i.state NOT IN ('done', 'failed'))) e ON true$$]];
    change  text[];
    body    text := pg_get_functiondef('run_look'::regproc);
BEGIN
    FOREACH change SLICE 1 IN ARRAY changes LOOP
        IF strpos(body, change[1]) = 0 THEN
            RAISE EXCEPTION 'run_look has no "%"', change[1];
        END IF;
        body := replace(body, change[1], change[2]);
    END LOOP;
    EXECUTE body;
END $do$;
