-- 0370_run_begun_by: who began a run, for whoever else wants its key and for the people who decide which of the two has
-- it: "r_1" that started it, "exception" where one was found, or the principal who asked ("person:clerk").  The decision
-- about run.start is the first record of a run, so the index of records by run gives it at once; NULL without one.
CREATE FUNCTION run_begun_by(of_tenant int, of_run bigint, of_parent bigint) RETURNS text
LANGUAGE sql STABLE AS
$f$
    SELECT CASE WHEN of_parent IS NOT NULL THEN 'r_' || of_parent
                ELSE (SELECT CASE WHEN a.body::jsonb->>'principal' = 'system:orchestrator' THEN 'exception'
                             ELSE a.body::jsonb->>'principal' END
                        FROM audit_record a
                       WHERE a.tenant_id = of_tenant AND a.run_id = of_run AND a.step = 0 AND a.kind = 'decision'
                         AND a.body::jsonb->>'action' = 'run.start' LIMIT 1) END
$f$;
