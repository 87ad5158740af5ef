-- message.sql: published values, and updates; see runtime/run/update.h.

-- name: run_values
-- What a run has published: all names with their newest value (name NULL), or one; no row when there is no such run
-- or no such value.
-- params: tenant int4, run int8, name text
WITH RECURSIVE names AS (
    (SELECT j.name FROM journal j
      WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.kind = 21 AND j.name > 'publish.' AND $3::text IS NULL
      ORDER BY j.name LIMIT 1)
     UNION ALL
    SELECT (SELECT j.name FROM journal j
             WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.kind = 21 AND j.name > n.name
             ORDER BY j.name LIMIT 1)
      FROM names n WHERE n.name IS NOT NULL),
wanted AS (SELECT n.name FROM names n WHERE n.name IS NOT NULL
            UNION ALL SELECT 'publish.' || $3 WHERE $3::text IS NOT NULL),
found AS (
    SELECT substr(w.name, 9) AS name, v.seq AS step,
           convert_from(substr(CASE WHEN get_byte(v.out, 0) = 2 THEN reeve_journal_out($1, v.out) ELSE v.out END, 2),
                        'UTF8')::jsonb->'published' AS value
      FROM wanted w
     CROSS JOIN LATERAL (SELECT j.seq, j.out FROM journal j
                          WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.kind = 21 AND j.name = w.name
                          ORDER BY j.seq DESC LIMIT 1) v)
SELECT CASE WHEN $3::text IS NULL
            THEN jsonb_build_object('run', 'r_' || r.id, 'status', r.status, 'values',
                     (SELECT coalesce(jsonb_object_agg(f.name, jsonb_build_object('value', f.value, 'step', f.step)), '{}')
                        FROM found f))
            ELSE (SELECT jsonb_build_object('run', 'r_' || r.id, 'status', r.status, 'name', f.name,
                             'value', f.value, 'step', f.step) FROM found f) END
  FROM run r
 WHERE r.tenant_id = $1 AND r.id = $2 AND ($3::text IS NULL OR EXISTS (SELECT FROM found));

-- name: run_update_look
-- What must be known to accept an update: how the run stands, `deaf`: its plan is over, what its version takes, what came under that id before.
-- params: tenant int4, run int8, id text
SELECT jsonb_build_object('status', r.status, 'error', r.error_text,
           'deaf', r.error_code IS NOT NULL OR r.status IN ('executing', 'reviewing', 'compensating'), 'agent', r.agent, 'version', p.version,
           'updates', coalesce(p.manifest->'updates', '{}'),
           'digest', (SELECT encode(u.digest, 'hex') FROM run_update u
                       WHERE u.tenant_id = $1 AND u.run_id = $2 AND u.id = $3),
           'open', (SELECT count(*) FROM run_signal s WHERE s.tenant_id = $1 AND s.run_id = $2
                       AND s.consumed_seq IS NULL AND starts_with(s.name, '$update.')))
  FROM run r JOIN plan_source p ON p.tenant_id = r.tenant_id AND p.hash = r.plan_hash
 WHERE r.tenant_id = $1 AND r.id = $2;

-- name: run_update_put
-- params: tenant int4, run int8[], id text[], signal int8[], name text[], digest bytea[], by text[]
INSERT INTO run_update (tenant_id, run_id, id, signal, name, digest, sent_by)
SELECT $1, r.run, r.id, r.signal, r.name, r.digest, r.by
  FROM unnest($2::int8[], $3::text[], $4::int8[], $5::text[], $6::bytea[], $7::text[])
       AS r(run, id, signal, name, digest, by);

-- name: run_update_get
-- params: tenant int4, run int8, id text
SELECT run_update_shown($1, u) FROM run_update u WHERE u.tenant_id = $1 AND u.run_id = $2 AND u.id = $3;

-- name: run_updates
-- All of a run, the newest first.
-- params: tenant int4, run int8, limit int4
SELECT jsonb_build_object('run', 'r_' || r.id, 'items', (
           SELECT coalesce(jsonb_agg(run_update_shown($1, u) ORDER BY u.signal DESC), '[]')
             FROM (SELECT * FROM run_update x WHERE x.tenant_id = $1 AND x.run_id = $2
                    ORDER BY x.signal DESC LIMIT $3) AS u))
  FROM run r WHERE r.tenant_id = $1 AND r.id = $2;

-- name: run_once_look
-- What was asked under that key, and the answer; no row: nothing.
-- params: tenant int4, by text, key text
SELECT encode(o.digest, 'hex'), o.answer FROM run_once o WHERE o.tenant_id = $1 AND o.asked_by = $2 AND o.key = $3;

-- name: run_once_put
-- params: tenant int4, by text[], key text[], digest bytea[], answer jsonb[]
INSERT INTO run_once (tenant_id, asked_by, key, digest, answer)
SELECT $1, r.by, r.key, r.digest, r.answer
  FROM unnest($2::text[], $3::text[], $4::bytea[], $5::jsonb[]) AS r(by, key, digest, answer);

-- name: run_once_answer
-- The whole of the answer, which is known only after.
-- params: tenant int4, by text, key text, answer jsonb
UPDATE run_once SET answer = $4 WHERE tenant_id = $1 AND asked_by = $2 AND key = $3 RETURNING 1;
