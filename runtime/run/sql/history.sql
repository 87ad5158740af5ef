-- history.sql: a run as a document, for whoever looks at it afterwards.

-- name: run_history
-- A run as one document without its journal, see runtime/run/history.h.
-- params: tenant int4, run int8
SELECT jsonb_build_object('run', 'r_' || r.id, 'agent', r.agent, 'owner', coalesce(a.owner, 'operator'),
           'plan', encode(r.plan_hash, 'hex'), 'source', p.source, 'input', i.input,
           'created_us', (extract(epoch FROM r.created_at) * 1000000)::int8, 'depth', r.depth,
           'parent', coalesce(r.parent, 0), 'budget', i.budget, 'status', r.status, 'error_code', r.error_code, 'error_text', r.error_text, 'result', x.result,
           'dropped', reeve_journal_dropped($1, r.id))
  FROM run r
  JOIN plan_source p ON p.tenant_id = r.tenant_id AND p.hash = r.plan_hash
 CROSS JOIN LATERAL run_given($1, r.id, r.input) AS i
  LEFT JOIN agent a ON a.tenant_id = r.tenant_id AND a.name = r.agent
  LEFT JOIN run_result x ON x.tenant_id = r.tenant_id AND x.run_id = r.id
 WHERE r.tenant_id = $1 AND r.id = $2;

-- name: run_history_page
-- What comes after step `after`: at most `limit` entries of together not much more than `bytes`; the last one says
-- whether there may be more.
-- params: tenant int4, run int8, after int4, limit int4, bytes int8
SELECT p.seq, p.kind, p.name, p.digest, CASE WHEN p.large IS NOT NULL THEN reeve_journal_out($1, p.out) ELSE p.out END,
       p.n = $4 OR p.upto >= $5
  FROM (SELECT s.*, row_number() OVER w AS n, sum(coalesce(s.large, length(s.out))) OVER w AS upto
          FROM (SELECT j.seq, j.kind, j.name, j.digest, j.out,
                       CASE WHEN get_byte(j.out, 0) = 2
                            THEN (SELECT b.size FROM blob b WHERE b.tenant_id = $1 AND b.hash = substr(j.out, 2, 32)) END AS large
                  FROM journal j WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.seq > $3
                 ORDER BY j.seq LIMIT $4) AS s
        WINDOW w AS (ORDER BY s.seq)) AS p
 WHERE p.upto - coalesce(p.large, length(p.out)) < $5
 ORDER BY p.seq;

-- name: run_history_known
-- What a document does not say of itself, see rv_history_redact: the people who had to do with the run, and the ids that
-- reeve made for it and for its updates; an asker's own id is none of these.
-- params: tenant int4, run int8
SELECT jsonb_build_object(
    'people', (SELECT coalesce(jsonb_agg(p.name ORDER BY p.name), '[]') FROM person p
                WHERE p.tenant_id = $1 AND p.name IN (
                    SELECT s.sent_by FROM run_signal s WHERE s.tenant_id = $1 AND s.run_id = $2
                     UNION SELECT u.sent_by FROM run_update u WHERE u.tenant_id = $1 AND u.run_id = $2
                     UNION SELECT v.person FROM approval a JOIN approval_vote v ON v.tenant_id = $1 AND v.approval_id = a.id
                            WHERE a.tenant_id = $1 AND a.run_id = $2
                     UNION SELECT i.outcome->>'person' FROM effect_intent i WHERE i.tenant_id = $1 AND i.run_id = $2
                     UNION SELECT a.owner FROM agent a WHERE a.tenant_id = $1 AND a.name = r.agent
                     UNION SELECT regexp_replace(run_begun_by($1, r.id, r.parent), '^person:', ''))),
    'ids', (SELECT coalesce(jsonb_agg(m.id ORDER BY m.id), '[]')
              FROM (SELECT u.id FROM run_update u WHERE u.tenant_id = $1 AND u.run_id = $2 AND u.id = 'u_' || u.signal
                     UNION ALL
                    SELECT 'r_' || c.id FROM run c WHERE c.tenant_id = $1 AND c.parent = $2) AS m))
  FROM run r WHERE r.tenant_id = $1 AND r.id = $2;
