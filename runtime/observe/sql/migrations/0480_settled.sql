-- 0480_settled: runs with something they could not take back that a person has dealt with, outside: who, when and how.
-- What stands stands (run_effects_standing); it only calls nobody any more.
CREATE TABLE run_settled (
    tenant_id int NOT NULL, run_id bigint NOT NULL,
    person text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, run_id)
);

-- The function of 0460, without those.
CREATE OR REPLACE FUNCTION run_left_standing(of_tenant int) RETURNS TABLE (id bigint) LANGUAGE sql STABLE AS
$f$
    SELECT r.id
      FROM (SELECT DISTINCT c.run_id FROM journal c WHERE c.tenant_id = of_tenant AND c.kind = 10 OFFSET 0) AS c
      JOIN run r ON r.tenant_id = of_tenant AND r.id = c.run_id AND r.status = 'failed'
     WHERE run_stands(of_tenant, r.id)
       AND NOT EXISTS (SELECT FROM run_revival v WHERE v.tenant_id = of_tenant AND v.of_run = r.id)
       AND NOT EXISTS (SELECT FROM run_settled s WHERE s.tenant_id = of_tenant AND s.run_id = r.id)
$f$;

-- {"by", "at", "reason"}; NULL: nobody has dealt with it.
CREATE FUNCTION run_settled_shown(of_tenant int, of_run bigint) RETURNS jsonb LANGUAGE sql STABLE AS
$f$
    SELECT jsonb_build_object('by', s.person, 'at', s.at, 'reason', s.reason)
      FROM run_settled s WHERE s.tenant_id = of_tenant AND s.run_id = of_run
$f$;
