-- effect.sql: intents of external effects, and the connectors they go through.

-- name: effect_load
-- params: tenant int4, run int8, seq int4
SELECT i.key, i.action, i.connector, i.args, i.state, i.attempt, i.looks, i.until, i.cancel, i.outcome,
       c.id, c.kind, c.target, c.reconcile, c.settings, c.secret, c.enabled, clock_timestamp(),
       (SELECT run_trace_id($1, r.id, g.input) FROM run r CROSS JOIN LATERAL run_given($1, r.id, r.input) AS g
         WHERE r.tenant_id = $1 AND r.id = i.run_id)
  FROM effect_intent i LEFT JOIN connector c ON c.tenant_id = $1 AND c.name = i.connector
 WHERE i.tenant_id = $1 AND i.run_id = $2 AND i.seq = $3;

-- name: effect_now
-- What the transaction that moves an intent finds: it must be what the mover has seen.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object('state', i.state, 'attempt', i.attempt, 'looks', i.looks) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args)
  JOIN effect_intent i ON i.tenant_id = $1 AND i.run_id = (u.args->>'run')::int8 AND i.seq = (u.args->>'seq')::int4;

-- name: effect_intend
-- params: tenant int4, run int8[], seq int4[], key text[], action text[], connector text[], args jsonb[]
INSERT INTO effect_intent (tenant_id, run_id, seq, key, action, connector, args)
SELECT $1, r.run, r.seq, r.key, r.action, r.connector, r.args
  FROM unnest($2::int8[], $3::int4[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
       AS r(run, seq, key, action, connector, args);

-- name: effect_move
-- params: tenant int4, run int8[], seq int4[], state text[], attempt int4[], looks int4[], until timestamptz[], cancel text[], outcome jsonb[]
UPDATE effect_intent i
   SET state = r.state, attempt = r.attempt, looks = r.looks, until = r.until, cancel = coalesce(r.cancel, i.cancel),
       outcome = CASE WHEN i.cancel IS NULL THEN r.outcome ELSE jsonb_build_object('cancel', i.cancel) || r.outcome END,
       changed_at = clock_timestamp()
  FROM unnest($2::int8[], $3::int4[], $4::text[], $5::int4[], $6::int4[], $7::timestamptz[], $8::text[], $9::jsonb[])
       AS r(run, seq, state, attempt, looks, until, cancel, outcome)
 WHERE i.tenant_id = $1 AND i.run_id = r.run AND i.seq = r.seq;

-- name: effect_log_append
-- params: tenant int4, run int8[], seq int4[], n int8[], what text[], detail jsonb[]
INSERT INTO effect_log (tenant_id, run_id, seq, n, what, detail)
SELECT $1, r.run, r.seq, r.n, r.what, r.detail
  FROM unnest($2::int8[], $3::int4[], $4::int8[], $5::text[], $6::jsonb[]) AS r(run, seq, n, what, detail);

-- name: effect_wake
-- A run that waits for an effect, and its outcome is there already: a person's word, asked with the run's wait
-- (the word itself wakes, too, effect_resolve, whichever is the later), or what the node that drove the company
-- before brings after the run has begun to wait on another one.
-- params: tenant int4, run int8[]
UPDATE run r SET wake_at = clock_timestamp()
  FROM unnest($2::int8[]) AS e(run)
 WHERE r.tenant_id = $1 AND r.id = e.run AND r.status = 'waiting'
   AND r.waiting_on IN ('effect', 'intent')
   AND NOT EXISTS (SELECT FROM effect_intent i
                    WHERE i.tenant_id = $1 AND i.run_id = r.id AND i.state NOT IN ('done', 'failed'));

-- name: effect_resolve
-- A person says what became of an effect of which nothing else knows.  Only what waits for one, or would come
-- to one: an attempt may still be on its way, so it must be over.
-- params: tenant int4, run int8, seq int4, state text, outcome jsonb, n int8, detail jsonb
WITH told AS (
    UPDATE effect_intent i
       SET state = $4, outcome = $5::jsonb || jsonb_build_object('key', i.key, 'attempts', i.attempt)
               || CASE WHEN i.cancel IS NULL THEN '{}' ELSE jsonb_build_object('cancel', i.cancel) END,
           until = NULL, changed_at = clock_timestamp()
     WHERE i.tenant_id = $1 AND i.run_id = $2 AND i.seq = $3
       AND (i.state IN ('person', 'unclear') OR (i.state = 'attempting' AND i.until < clock_timestamp()))
    RETURNING i.run_id, i.seq, i.key, i.connector, i.action
), logged AS (
    INSERT INTO effect_log (tenant_id, run_id, seq, n, what, detail)
    SELECT $1, t.run_id, t.seq, $6, 'resolve', $7 FROM told t
), woken AS (
    UPDATE run r SET wake_at = clock_timestamp() FROM told t
     WHERE r.tenant_id = $1 AND r.id = t.run_id AND r.status = 'waiting' AND r.waiting_on IN ('effect', 'intent')
)
SELECT t.key, t.connector, t.action FROM told t
 WHERE pg_notify('reeve_wake', $1::text)::text IS NOT NULL; -- to who drives the company: always true

-- name: effect_state
-- params: tenant int4, run int8, seq int4
SELECT i.state FROM effect_intent i WHERE i.tenant_id = $1 AND i.run_id = $2 AND i.seq = $3;

-- name: effect_list
-- params: tenant int4, state text, limit int4
SELECT 'r_' || i.run_id || ':' || i.seq AS intent, i.state, i.action, i.connector, i.attempt, r.agent,
       to_char(i.created_at, 'YYYY-MM-DD HH24:MI:SS') AS since,
       coalesce(i.outcome->>'message', CASE WHEN i.state = 'person' THEN 'reeve intent resolve' END) AS note
  FROM effect_intent i JOIN run r ON r.tenant_id = $1 AND r.id = i.run_id
 WHERE i.tenant_id = $1
   AND ($2 = 'all' OR i.state = $2 OR ($2 = '' AND i.state NOT IN ('done', 'failed')))
 ORDER BY i.created_at DESC LIMIT $3;

-- name: effect_show
-- params: tenant int4, run int8, seq int4
SELECT jsonb_build_object('intent', 'r_' || i.run_id || ':' || i.seq, 'run', 'r_' || i.run_id, 'step', i.seq,
           'state', i.state, 'key', i.key, 'action', i.action, 'connector', i.connector, 'args', i.args,
           'attempts', i.attempt, 'looks', i.looks, 'until', i.until, 'cancel', i.cancel, 'outcome', i.outcome,
           'reconcile', c.reconcile, 'created_at', i.created_at, 'changed_at', i.changed_at,
           'log', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', l.at, 'what', l.what, 'detail', l.detail)
                                             ORDER BY l.n), '[]')
                     FROM effect_log l WHERE l.tenant_id = $1 AND l.run_id = i.run_id AND l.seq = i.seq))
  FROM effect_intent i LEFT JOIN connector c ON c.tenant_id = $1 AND c.name = i.connector
 WHERE i.tenant_id = $1 AND i.run_id = $2 AND i.seq = $3;

-- name: connector_put
-- params: tenant int4, name text, id int8, kind text, target text, reconcile text, settings jsonb, secret bytea
INSERT INTO connector (tenant_id, name, id, kind, target, reconcile, settings, secret)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT DO NOTHING
RETURNING name;

-- name: connector_enable
-- params: tenant int4, name text, enabled bool
UPDATE connector SET enabled = $3, version = version + 1 WHERE tenant_id = $1 AND name = $2 RETURNING name;

-- name: connector_remove
-- Not while an effect through it has no outcome: its rule may still be needed.
-- params: tenant int4, name text
DELETE FROM connector c
 WHERE c.tenant_id = $1 AND c.name = $2
   AND NOT EXISTS (SELECT FROM effect_intent i WHERE i.tenant_id = $1 AND i.connector = c.name
                                                AND i.state NOT IN ('done', 'failed'))
RETURNING c.name;

-- name: connector_list
-- params: tenant int4
SELECT c.name, c.kind, c.target, c.reconcile, c.enabled, c.secret IS NOT NULL AS secret,
       (c.settings->>'attempts')::int AS attempts, (c.settings->>'timeout_ms')::int AS timeout_ms,
       (SELECT count(*) FROM effect_intent i
         WHERE i.tenant_id = $1 AND i.connector = c.name AND i.state NOT IN ('done', 'failed')) AS open
  FROM connector c WHERE c.tenant_id = $1 ORDER BY c.name;
