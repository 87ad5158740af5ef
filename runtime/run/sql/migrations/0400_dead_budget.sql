-- 0400_dead_budget: the function of 0323; a raise of the budget that was not needed is no unread message.

-- Dead letters: runs that did not end well, and runs that are over with a message that nobody read.
--   class     what kind of thing stopped it, from its error code:
--               budget      a limit of the manifest, or a cap
--               plan        the plan itself: a mistake in it, or an answer that it did not expect
--               permission  the policy said no
--               books       the books said no, or somebody else was first
--               passing     something was away; another time it may be there
--               version     the journal and the plan do not agree
--               unread      the run is over, and nobody has read the message
--   attempts  runs for the same business that ended like this, up to this one
--   message   what it took last, or has not read
--   revived   the run that goes on for it
CREATE OR REPLACE FUNCTION run_dead_letters(in_tenant int)
RETURNS TABLE (id bigint, agent text, version text, status text, error_code text, error_text text, class text,
               attempts bigint, steps int, business_key text, ended_at timestamptz, revived bigint, input jsonb,
               message jsonb)
LANGUAGE sql STABLE AS $f$
SELECT d.id, d.agent, p.version, d.status, d.error_code, d.error_text,
       CASE WHEN d.unread THEN 'unread'
            WHEN d.status = 'diverged' THEN 'version'
            WHEN d.error_code = 'limit' THEN 'budget'
            WHEN d.error_code = 'denied' THEN 'permission'
            WHEN d.error_code IN ('conflict', 'not_found') THEN 'books'
            WHEN d.error_code IN ('unavailable', 'timeout', 'interrupted', 'io') THEN 'passing'
            ELSE 'plan' END,
       (SELECT count(*) FROM run e WHERE e.tenant_id = in_tenant AND e.business_key = d.business_key AND e.id < d.id
           AND e.status IN ('failed', 'compensated', 'diverged')) + 1,
       d.steps, d.business_key, d.changed_at,
       (SELECT v.run_id FROM run_revival v WHERE v.tenant_id = in_tenant AND v.of_run = d.id),
       i.input - 'trace', m.message
  FROM (SELECT r.*, false AS unread FROM run r
         WHERE r.tenant_id = in_tenant AND r.status IN ('failed', 'compensated', 'diverged')
         UNION ALL
        SELECT r.*, true FROM run r
          JOIN (SELECT DISTINCT s.run_id FROM run_signal s
                 WHERE s.tenant_id = in_tenant AND s.consumed_seq IS NULL AND s.name NOT IN ('$cancel', '$budget')) u ON u.run_id = r.id
         WHERE r.tenant_id = in_tenant AND r.status IN ('done', 'cancelled')) d
 CROSS JOIN LATERAL run_given(in_tenant, d.id, d.input) AS i
  LEFT JOIN plan_source p ON p.tenant_id = in_tenant AND p.hash = d.plan_hash
  LEFT JOIN LATERAL (
       SELECT jsonb_build_object('kind', CASE WHEN starts_with(s.name, '$update.') THEN 'update' ELSE 'signal' END,
                  'name', regexp_replace(s.name, '^\$update\.', ''), 'body', s.body, 'sent_by', s.sent_by,
                  'sent_at', s.sent_at, 'step', s.consumed_seq) AS message
         FROM run_signal s
        WHERE s.tenant_id = in_tenant AND s.run_id = d.id AND s.name NOT IN ('$cancel', '$budget')
          AND (s.consumed_seq IS NULL OR NOT d.unread)
        ORDER BY s.consumed_seq DESC NULLS LAST, s.id LIMIT 1) m ON true
$f$;
