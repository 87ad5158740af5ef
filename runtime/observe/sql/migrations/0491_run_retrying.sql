-- 0491_run_retrying: a run that tries something again is retrying, not only one whose exception an earlier run failed
-- at: its plan waits before the next attempt of ctx:retry (waiting_on "retry"; the entry of the wait says which attempt,
-- and after what), or a connector answered "not yet".

-- Both functions are changed in their places, as other migrations left them.
DO $do$
DECLARE
    changes text[] := ARRAY[
        ARRAY['run_find', $$IF kind NOT IN ('approval', 'timer',$$, $$IF kind NOT IN ('approval', 'timer', 'retry',$$],
        ARRAY['run_find', $$' AND r.attempt > 0 AND r.status NOT IN ' || closed$$,
              $$' AND (r.attempt > 0 OR r.waiting_on = ''retry'' OR (r.waiting_on = ''effect'' AND EXISTS (SELECT FROM effect_intent i
                WHERE i.tenant_id = $1 AND i.run_id = r.id AND i.state = ''retry''))) AND r.status NOT IN ' || closed$$],
        ARRAY['run_look', $$WHEN s.attempt > 0 THEN 'retrying'$$,
              $$WHEN s.attempt > 0 OR s.waiting_on = 'retry' OR (s.waiting_on = 'effect' AND EXISTS (SELECT FROM effect_intent i
                WHERE i.tenant_id = of_tenant AND i.run_id = s.id AND i.state = 'retry')) THEN 'retrying'$$],
        ARRAY['run_look', $$WHEN s.waiting_on IN ('timer', 'effect')$$,
              $$WHEN s.waiting_on = 'retry' THEN (SELECT concat('retry: attempt ', (e.said->'retry'->>'attempt')::int + 1, ' after ',
                      e.said->'retry'->>'code', ', at ' || to_char(s.wake_at, 'YYYY-MM-DD HH24:MI:SS'))
                  FROM journal j CROSS JOIN LATERAL run_step_said(of_tenant, j.out) AS e(said)
                 WHERE j.tenant_id = of_tenant AND j.run_id = s.id AND j.seq = s.steps)
            WHEN s.waiting_on IN ('timer', 'effect')$$]];
    change  text[];
    body    text;
BEGIN
    FOREACH change SLICE 1 IN ARRAY changes LOOP
        body := pg_get_functiondef(change[1]::regproc);
        IF strpos(body, change[2]) = 0 THEN
            RAISE EXCEPTION '% has no "%"', change[1], change[2];
        END IF;
        EXECUTE replace(body, change[2], change[3]);
    END LOOP;
END $do$;
