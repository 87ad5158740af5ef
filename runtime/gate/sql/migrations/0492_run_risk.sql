-- 0492: what a run has used so far has its points of risk, too: {"calls", "tokens", "risk"?, "money"? {currency: minor}}.
-- The function is that of 0230, with that.

CREATE OR REPLACE FUNCTION run_cost(of_tenant int, of_run bigint) RETURNS jsonb LANGUAGE sql STABLE AS
$f$
    WITH acted AS (SELECT run_step_said(of_tenant, k.out) AS body FROM journal k
                    WHERE k.tenant_id = of_tenant AND k.run_id = of_run AND k.kind = 7)
    SELECT jsonb_build_object('calls', count(*) FILTER (WHERE u.kind IN (1, 2) AND NOT coalesce(u.body ? 'budget', false)),
               'tokens', coalesce(sum((u.body->'usage'->>'tokens')::bigint) FILTER (WHERE u.kind = 2), 0))
           || coalesce((SELECT jsonb_build_object('risk', sum((a.body->>'risk')::bigint)) FROM acted AS a
                         WHERE a.body ? 'risk' HAVING count(*) > 0), '{}')
           || coalesce((SELECT jsonb_build_object('money', jsonb_object_agg(m.currency, m.minor)) FROM (
                  SELECT a.body->'money'->>'currency' AS currency, sum((a.body->'money'->>'minor')::bigint) AS minor
                    FROM acted AS a WHERE a.body->'money' IS NOT NULL GROUP BY 1) AS m HAVING count(*) > 0), '{}')
      FROM (SELECT j.kind, CASE WHEN j.kind = 2 OR (j.kind = 1 AND octet_length(j.out) < 1000) THEN run_step_said(of_tenant, j.out) END AS body
              FROM journal j WHERE j.tenant_id = of_tenant AND j.run_id = of_run) AS u
$f$;
