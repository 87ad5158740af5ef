-- 0351_run_search: questions that read more than they show, found by `reeve bench search`.
--   older   numbers of runs sort by time: those that are too young are not read one by one.  An hour is left for clocks
--           of nodes that differ from the database's.
--   stuck   the few that run_stuck gives are looked up by their numbers, however many the planner thinks they are
--   key     a key, or a beginning of one, that few runs have is asked of its index, alone or with other filters;
--           without, the newest runs are read through for fifty that may all be old.  The index counts 50,000 in
--           some milliseconds, and 5,000 runs are looked up in as many.  ("+ 0": not in the order of another index.)
--   agent and status, agent and error: of runs that did not end well there is an index
CREATE INDEX run_agent_unwell ON run (tenant_id, agent, status, id, error_code)
    WHERE status IN ('failed', 'cancelled', 'compensated', 'diverged');

-- run_find is changed in its places, as other migrations left it.
DO $do$
DECLARE
    body    text := pg_get_functiondef('run_find'::regproc);
    changes text[] := ARRAY[
        ARRAY[$$rows := 'run_stuck($1) AS k JOIN run r ON r.id = k.id';$$,
              $$rule := rule || ' AND r.id = ANY (ARRAY(SELECT k.id FROM run_stuck($1) AS k))';$$],
        ARRAY[$$rule := rule || ' AND r.created_at < (SELECT clock_timestamp()) - make_interval(secs => $9)';$$,
              $$rule := rule || ' AND r.created_at < (SELECT clock_timestamp()) - make_interval(secs => $9)
                 AND r.id < (SELECT reeve_run_bound(clock_timestamp() - make_interval(secs => $9) + interval ''1 hour''))';$$],
        ARRAY[$$rule := rule || ' AND r.business_key ~>=~ $6 AND r.business_key ~<~ ($6 || chr(1114111))';$$,
              $$rule := rule || ' AND r.business_key ~>=~ $6 AND r.business_key ~<~ ($6 || chr(1114111))';
        DECLARE
            few   bigint := (SELECT count(*) FROM (SELECT FROM run k WHERE k.tenant_id = of_tenant
                                AND k.business_key ~>=~ (filter->>'key') AND k.business_key ~<~ ((filter->>'key') || chr(1114111))
                              LIMIT 50000) AS x);
            alone boolean := word IS NULL AND kind IS NULL AND who IS NULL
                AND concat(filter->>'agent', filter->>'error', filter->>'older', filter->>'runs') = '';
        BEGIN
            IF few < 5000 OR few < 50000 AND alone THEN
                rule := rule || ' AND r.id = ANY (ARRAY(SELECT k.id FROM run k WHERE k.tenant_id = $1 AND k.business_key ~>=~ $6
                    AND k.business_key ~<~ ($6 || chr(1114111)) AND k.id < coalesce($8, 9223372036854775807)'
                    || CASE WHEN alone THEN ' ORDER BY k.id + 0 DESC LIMIT $11))' ELSE '))' END;
            END IF;
        END;$$]];
    change  text[];
BEGIN
    FOREACH change SLICE 1 IN ARRAY changes LOOP
        IF strpos(body, change[1]) = 0 THEN
            RAISE EXCEPTION 'run_find has no "%"', change[1];
        END IF;
        body := replace(body, change[1], change[2]);
    END LOOP;
    EXECUTE body;
END $do$;
