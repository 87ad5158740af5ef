-- dead.sql: runs that did not end well; see the function run_dead_letters and runtime/run/fork.h.

-- name: run_dead
-- The newest first, one a row; `revived`: also those that another run goes on for, or a person has settled; `run`:
-- only that one, however it is.
-- params: tenant int4, class text, before int8, limit int4, agent text, error text, revived bool, run int8
SELECT d.id, jsonb_build_object('run', 'r_' || d.id, 'agent', d.agent, 'version', d.version, 'status', d.status,
           'error_code', d.error_code, 'error', d.error_text, 'class', d.class, 'attempts', d.attempts,
           'steps', d.steps, 'business_key', d.business_key, 'ended_at', d.ended_at, 'revived', 'r_' || d.revived,
           'input', d.input, 'message', d.message, 'effects_standing', run_effects_standing($1, d.id),
           'settled', run_settled_shown($1, d.id))
  FROM run_dead_letters($1) AS d
 WHERE ($2::text IS NULL OR d.class = $2) AND ($3::int8 IS NULL OR d.id < $3)
   AND ($5::text IS NULL OR d.agent = $5) AND ($6::text IS NULL OR d.error_code = $6)
   AND ($7 OR $8::int8 IS NOT NULL OR (d.revived IS NULL AND run_settled_shown($1, d.id) IS NULL)) AND ($8::int8 IS NULL OR d.id = $8)
 ORDER BY d.id DESC LIMIT $4;

-- name: run_dead_page
-- The same as one document.
-- params: tenant int4, class text, before int8, limit int4, agent text, error text, revived bool
SELECT jsonb_build_object('items', coalesce(jsonb_agg(jsonb_build_object('id', x.id::text, 'run', 'r_' || x.id,
           'agent', x.agent, 'version', x.version, 'status', x.status, 'error_code', x.error_code, 'error', x.error_text,
           'class', x.class, 'attempts', x.attempts, 'steps', x.steps, 'business_key', x.business_key,
           'ended_at', x.ended_at, 'revived', 'r_' || x.revived, 'input', x.input, 'message', x.message,
           'effects_standing', run_effects_standing($1, x.id), 'settled', run_settled_shown($1, x.id))
           ORDER BY x.id DESC), '[]'))
  FROM (SELECT * FROM run_dead_letters($1) AS d
         WHERE ($2::text IS NULL OR d.class = $2) AND ($3::int8 IS NULL OR d.id < $3)
           AND ($5::text IS NULL OR d.agent = $5) AND ($6::text IS NULL OR d.error_code = $6)
           AND ($7 OR (d.revived IS NULL AND run_settled_shown($1, d.id) IS NULL))
         ORDER BY d.id DESC LIMIT $4) AS x;

-- name: run_dead_table
-- The same for people.
-- params: tenant int4, class text, before int8, limit int4, agent text, error text, revived bool
SELECT 'r_' || d.id AS run, d.agent, d.status, d.class, d.attempts, left(CASE WHEN d.class = 'standing' THEN (
                SELECT count(*) || CASE count(*) WHEN 1 THEN ' effect stands (' ELSE ' effects stand (' END
                       || string_agg(coalesce(e.one->>'connector', e.one->>'action'), ', ') || '); '
                  FROM jsonb_array_elements(run_effects_standing($1, d.id)) AS e(one)) ELSE '' END || d.error_text, 120) AS error,
       coalesce((d.message->>'kind') || ' ' || (d.message->>'name'), '') AS message, 'r_' || d.revived AS revived,
       to_char(d.ended_at, 'YYYY-MM-DD HH24:MI:SS') AS ended
  FROM run_dead_letters($1) AS d
 WHERE ($2::text IS NULL OR d.class = $2) AND ($3::int8 IS NULL OR d.id < $3)
   AND ($5::text IS NULL OR d.agent = $5) AND ($6::text IS NULL OR d.error_code = $6)
   AND ($7 OR (d.revived IS NULL AND run_settled_shown($1, d.id) IS NULL))
 ORDER BY d.id DESC LIMIT $4;

-- name: run_dead_message
-- What a run took at that step, and whether it was an update.
-- params: tenant int4, run int8, step int4
SELECT s.id, starts_with(s.name, '$update.') FROM run_signal s
 WHERE s.tenant_id = $1 AND s.run_id = $2 AND s.consumed_seq = $3 AND s.name NOT IN ('$cancel', '$budget');

-- name: run_settle
-- No row: nothing of it stands, another run goes on for it, or somebody was first.
-- params: tenant int4, run int8, person text, reason text
INSERT INTO run_settled (tenant_id, run_id, person, reason)
SELECT $1, r.id, $3, $4 FROM run r
 WHERE r.tenant_id = $1 AND r.id = $2 AND r.status = 'failed' AND run_stands($1, r.id)
   AND NOT EXISTS (SELECT FROM run_revival v WHERE v.tenant_id = $1 AND v.of_run = r.id)
ON CONFLICT DO NOTHING RETURNING run_id;
