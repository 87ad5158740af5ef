-- 0360_run_people: a run that waits for a key which people are asked about waits for people, too: it is found among
-- those that do, by the role that decides, and says whom it asks.

-- Both functions are changed in their places, as other migrations left them.
DO $do$
DECLARE
    changes text[] := ARRAY[
        ARRAY['run_find', $$rule := rule || ' AND r.status = ''waiting'' AND r.waiting_on = $4';$$,
              $$rule := rule || ' AND r.status = ''waiting'' AND ' || CASE WHEN coalesce(kind, 'approval') <> 'approval'
            THEN 'r.waiting_on = $4'
            ELSE 'r.waiting_on IN ($4, ''lock'') AND (r.waiting_on = $4 OR EXISTS (SELECT FROM approval a
                WHERE a.tenant_id = $1 AND a.run_id = r.id AND a.status = ''requested''))' END;$$],
        ARRAY['run_look', $$r.status = 'waiting' AND r.waiting_on = 'approval') p ON true$$,
              $$r.status = 'waiting' AND r.waiting_on IN ('approval', 'lock')) p ON true$$],
        ARRAY['run_look', $$WHEN s.roles IS NOT NULL THEN s.waiting_on$$,
              $$WHEN s.roles IS NOT NULL AND s.waiting_on = 'approval' THEN s.waiting_on$$],
        ARRAY['run_look', $$h.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')))$$,
              $$h.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')),
                  'asked of ' || array_to_string(s.roles, ' + '))$$]];
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
