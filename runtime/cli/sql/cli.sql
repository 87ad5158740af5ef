-- cli.sql: what the command line shows.

-- name: cli_company_by_name
-- params: name text
SELECT t.tenant_id, t.name FROM reeve_tenants() AS t WHERE $1 = '' OR t.name = $1;

-- name: cli_company_number
-- The company of that name, or none and the next number.
-- params: name text
SELECT max(t.tenant_id) FILTER (WHERE t.name = $1), coalesce(max(t.tenant_id), 0) + 1 FROM reeve_tenants() AS t;

-- name: cli_companies
SELECT t.tenant_id AS id, t.name, t.company->>'currency' AS currency, t.company->>'timezone' AS timezone
  FROM reeve_tenants() AS t;

-- name: cli_person_roles
-- params: tenant int4, name text
SELECT to_jsonb(p.roles) FROM person p WHERE p.tenant_id = $1 AND p.name = $2 AND p.enabled;

-- name: cli_people
-- params: tenant int4
SELECT p.name, array_to_string(p.roles, ',') AS roles, p.enabled, p.password_hash IS NOT NULL AS password
  FROM person p WHERE p.tenant_id = $1 ORDER BY p.name;

-- name: cli_people_roles
-- Those who can act at all.
-- params: tenant int4
SELECT p.name, to_jsonb(p.roles) FROM person p WHERE p.tenant_id = $1 AND p.enabled ORDER BY p.name;

-- name: cli_other_admins
-- How many people with the role admin are left without this one.
-- params: tenant int4, name text
SELECT count(*) FROM person p
 WHERE p.tenant_id = $1 AND p.name <> $2 AND p.enabled AND 'admin' = ANY (p.roles);

-- name: cli_tokens
-- Never the secret's hash.  When a token was last used is not stored.
-- params: tenant int4
SELECT t.id, t.person, t.label, to_char(t.created_at, 'YYYY-MM-DD HH24:MI') AS created,
       to_char(t.expires_at, 'YYYY-MM-DD HH24:MI') AS expires,
       CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked'
            WHEN t.expires_at <= clock_timestamp() THEN 'expired'
            WHEN NOT p.enabled THEN 'person disabled' ELSE 'good' END AS state
  FROM api_token t JOIN person p ON p.tenant_id = t.tenant_id AND p.name = t.person
 WHERE t.tenant_id = $1 ORDER BY t.person, t.id;

-- name: cli_agents
-- params: tenant int4
SELECT a.name, p.version, p.manifest->>'summary' AS summary,
       (SELECT string_agg(h, ',') FROM jsonb_array_elements_text(jsonb_path_query_array(p.manifest, '$.handles[*] ? (@.type() == "string")')) AS h)
           AS handles, -- of older versions an empty list may be an object
       left(encode(a.active_hash, 'hex'), 12) AS hash
  FROM agent a JOIN plan_source p ON p.tenant_id = a.tenant_id AND p.hash = a.active_hash
 WHERE a.tenant_id = $1 ORDER BY a.name;

-- name: cli_exceptions
-- params: tenant int4, state text
SELECT x.type, x.resource, x.summary, x.money AS money_minor, x.currency, x.tier, x.state, left(encode(x.key, 'hex'), 12) AS key
  FROM exception x
 WHERE x.tenant_id = $1 AND ($2 = '' OR x.state = $2)
 ORDER BY x.type, x.opened_seq;

-- name: cli_exception_table
-- The morning table: exception, evidence, agent, proposed action, decision, who must approve.
-- params: tenant int4
SELECT x.type, x.summary, coalesce(r.agent, '-') AS agent,
       coalesce((SELECT string_agg(d.name, ', ' ORDER BY d.seq) FROM (
                     SELECT j.name, min(j.seq) AS seq FROM journal j
                      WHERE j.tenant_id = $1 AND j.run_id = r.id AND j.kind = 7 GROUP BY j.name) AS d), '-') AS action,
       CASE WHEN r.id IS NULL THEN 'no agent' WHEN r.status = 'waiting' THEN 'asks people'
            WHEN r.status = 'done' THEN CASE x.state WHEN 'open' THEN 'noted' ELSE 'solved' END ELSE r.status || coalesce(': ' || r.error_code, '') END AS decision,
       coalesce((SELECT string_agg(DISTINCT s->>'role', ' + ') FROM approval a
                  CROSS JOIN LATERAL jsonb_array_elements(a.stages) AS s
                  WHERE a.tenant_id = $1 AND a.run_id = r.id AND a.status = 'requested'), '') AS approver,
       coalesce('r_' || r.id, '') AS run
  FROM exception x
  LEFT JOIN LATERAL (SELECT * FROM run q WHERE q.tenant_id = $1
                        AND q.business_key = 'exception:' || encode(x.key, 'hex')
                        AND (q.parent IS NULL OR q.close = 'handoff')
                      ORDER BY q.id DESC LIMIT 1) AS r ON true
 WHERE x.tenant_id = $1 AND (x.state = 'open' OR r.id IS NOT NULL)
 ORDER BY x.type, x.opened_seq;

-- name: cli_runs
-- See the functions run_find and run_look for the words.
-- params: tenant int4, filter jsonb, limit int4
SELECT 'r_' || r.id AS run, r.agent, r.standing AS status, r.waits AS waiting_on, r.attempt, r.steps,
       r.cost->'calls' AS calls, r.cost->'tokens' AS tokens, r.cost->'risk' AS risk,
       (SELECT string_agg(m.value || ' ' || m.key, ', ' ORDER BY m.key) FROM jsonb_each_text(r.cost->'money') AS m) AS minor_units,
       r.error_code, r.business_key, to_char(r.created_at, 'YYYY-MM-DD HH24:MI:SS') AS created
  FROM run_look($1, ARRAY(SELECT run_find($1, $2, $3))) AS r
 ORDER BY r.id DESC;

-- name: cli_run_view
-- params: tenant int4, name text
SELECT v.filter FROM run_view v WHERE v.tenant_id = $1 AND v.name = $2;

-- name: cli_run_views
-- params: tenant int4
SELECT v.name, v.filter, v.by, to_char(v.at, 'YYYY-MM-DD HH24:MI') AS saved FROM run_view v
 WHERE v.tenant_id = $1 ORDER BY v.name;

-- name: cli_run_view_save
-- params: tenant int4, name text, filter jsonb, by text
INSERT INTO run_view (tenant_id, name, filter, by) VALUES ($1, $2, $3, $4)
    ON CONFLICT (tenant_id, name) DO UPDATE SET filter = excluded.filter, by = excluded.by, at = clock_timestamp()
RETURNING name;

-- name: cli_run_view_forget
-- params: tenant int4, name text
DELETE FROM run_view v WHERE v.tenant_id = $1 AND v.name = $2 RETURNING v.name;

-- name: cli_run_one
-- params: tenant int4, run int8
SELECT jsonb_build_object('run', 'r_' || r.id, 'agent', r.agent, 'status', r.status, 'waiting_on', l.waiting_on,
           'version', (SELECT p.version FROM plan_source p WHERE p.tenant_id = $1 AND p.hash = r.plan_hash),
           'standing', jsonb_build_object('standing', l.standing, 'waits', l.waits, 'since', l.since, 'attempt', l.attempt,
                           'cost', l.cost),
           'plan', encode(r.plan_hash, 'hex'), 'error_code', r.error_code, 'error_text', r.error_text,
           'created', r.created_at, 'changed', r.changed_at, 'input', i.input, 'result', x.result,
           'trace_id', run_trace_id(r.tenant_id, r.id, i.input),
           'effects_standing', run_effects_standing($1, r.id), 'settled', run_settled_shown($1, r.id),
           'business_key', r.business_key, 'begun_by', run_begun_by($1, r.id, r.parent),
           'last_step', (SELECT coalesce(max(j.seq), 0) FROM journal j WHERE j.tenant_id = $1 AND j.run_id = $2),
           'journal_dropped', reeve_journal_dropped($1, r.id))
           || CASE WHEN r.parent IS NULL THEN '{}' ELSE jsonb_build_object('parent', 'r_' || r.parent,
                  'close', r.close, 'depth', r.depth, 'budget', i.budget) END
  FROM run r CROSS JOIN LATERAL run_given($1, r.id, r.input) AS i
 CROSS JOIN LATERAL run_look($1, ARRAY[r.id]) AS l
  LEFT JOIN run_result x ON x.tenant_id = r.tenant_id AND x.run_id = r.id
 WHERE r.tenant_id = $1 AND r.id = $2;

-- name: cli_run_tree
-- The run, those above it and all that they have started, depth first; `level` says how deep.
-- params: tenant int4, run int8
WITH RECURSIVE up AS (
    SELECT r.id, r.parent, 1 AS n FROM run r WHERE r.tenant_id = $1 AND r.id = $2
     UNION ALL
    SELECT r.id, r.parent, u.n + 1 FROM up u JOIN run r ON r.tenant_id = $1 AND r.id = u.parent WHERE u.n < 64),
tree AS (
    SELECT u.id, 0 AS level, ARRAY[u.id] AS path FROM up u WHERE u.n = (SELECT max(v.n) FROM up v)
     UNION ALL
    SELECT c.id, t.level + 1, t.path || c.id
      FROM tree t JOIN run c ON c.tenant_id = $1 AND c.parent = t.id WHERE t.level < 64)
SELECT jsonb_build_object('run', 'r_' || r.id, 'agent', r.agent, 'status', r.status, 'close', r.close,
           'level', t.level, 'waiting_on',
           CASE WHEN r.status = 'waiting' AND r.waiting_on = 'run' THEN 'run ' || (SELECT convert_from(substr(j.out, 2), 'UTF8')::jsonb->>'run' FROM journal j
                  WHERE j.tenant_id = $1 AND j.run_id = r.id AND j.seq = r.steps)
                WHEN r.status = 'waiting' THEN r.waiting_on WHEN m.run_id IS NOT NULL THEN 'model' END)
  FROM tree t JOIN run r ON r.tenant_id = $1 AND r.id = t.id
  LEFT JOIN run_asks($1) AS m ON m.run_id = r.id
 ORDER BY t.path LIMIT 1000;

-- name: cli_run_steps
-- A page of the journal: what comes after step `after`.
-- params: tenant int4, run int8, after int4, limit int4
SELECT j.seq, j.kind, j.name, CASE WHEN get_byte(j.out, 0) = 2 THEN reeve_journal_out(j.tenant_id, j.out) ELSE j.out END FROM journal j WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.seq > $3
 ORDER BY j.seq LIMIT $4;

-- name: cli_run_signals
-- Who sent what the steps after `after` up to `last` took.
-- params: tenant int4, run int8, after int4, last int4
SELECT jsonb_build_object('step', s.consumed_seq, 'name', s.name, 'sent_by', s.sent_by, 'sent_at', s.sent_at)
  FROM run_signal s
 WHERE s.tenant_id = $1 AND s.run_id = $2 AND s.consumed_seq > $3 AND s.consumed_seq <= $4
 ORDER BY s.consumed_seq;

-- name: cli_run_approvals
-- params: tenant int4, run int8
SELECT jsonb_build_object('id', a.id, 'action', a.action, 'status', a.status, 'rules', to_jsonb(a.rules),
           'stages', a.stages, 'requested_at', a.requested_at, 'decided_at', a.decided_at,
           'digest', encode(a.digest, 'hex'), 'rivals', approval_rivals($1, a.id),
           'votes', (SELECT coalesce(jsonb_agg(jsonb_build_object('person', v.person, 'role', reeve_vote_roles(v.role), 'decision', v.decision,
                              'comment', v.comment, 'channel', v.channel, 'at', v.at) ORDER BY v.at), '[]')
                       FROM approval_vote v WHERE v.tenant_id = $1 AND v.approval_id = a.id))
  FROM approval a WHERE a.tenant_id = $1 AND a.run_id = $2 ORDER BY a.id;

-- name: cli_run_audit
-- params: tenant int4, run int8
SELECT r.seq, r.body FROM audit_record r WHERE r.tenant_id = $1 AND r.run_id = $2 ORDER BY r.seq;

-- name: cli_approvals
-- params: tenant int4, status text
SELECT a.id, a.action, a.resource, a.amount AS amount_minor, a.currency, a.agent, left(a.reason, 60) AS reason,
       (SELECT string_agg(s->>'role', ' + ') FROM jsonb_array_elements(a.stages) AS s) AS approvers, a.status,
       to_char(a.expires_at, 'YYYY-MM-DD HH24:MI') AS expires, reeve_approval_blocked(a) AS blocked
  FROM approval a WHERE a.tenant_id = $1 AND ($2 = '' OR a.status = $2)
 ORDER BY a.tier DESC, a.amount DESC NULLS LAST, a.id;

-- name: cli_approval_one
-- params: tenant int4, id int8
SELECT to_jsonb(a) - 'tenant_id' || jsonb_build_object('digest', encode(a.digest, 'hex'),
           'policy_hash', encode(a.policy_hash, 'hex'), 'exception_key', encode(a.exception_key, 'hex'),
           'blocked', reeve_approval_blocked(a), 'rivals', approval_rivals($1, a.id),
           'votes', (SELECT coalesce(jsonb_agg(to_jsonb(v) - 'tenant_id' - 'digest'
                                    || jsonb_build_object('role', reeve_vote_roles(v.role)) ORDER BY v.at), '[]')
                       FROM approval_vote v WHERE v.tenant_id = $1 AND v.approval_id = a.id))
  FROM approval a WHERE a.tenant_id = $1 AND a.id = $2;

-- name: cli_work_left
-- Runs that are neither over nor waiting for somebody or something far away, those that were asked to stop, and
-- approvals whose time has come; and until when (ms) somebody drives the company.
-- params: tenant int4
SELECT count(*) FILTER (WHERE r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
           AND NOT (r.status = 'waiting' AND NOT (r.error_code IS NULL AND EXISTS (
                    SELECT FROM run_signal s WHERE s.tenant_id = r.tenant_id AND s.run_id = r.id
                       AND s.name = '$cancel' AND s.consumed_seq IS NULL)
                  AND NOT EXISTS (SELECT FROM effect_intent i -- it will stop with the outcome
                                   WHERE i.tenant_id = r.tenant_id AND i.run_id = r.id AND i.cancel IS NOT NULL
                                     AND i.state NOT IN ('done', 'failed')))
               AND coalesce((r.waiting_on = 'signal' AND (r.wake_at IS NULL OR r.wake_at > clock_timestamp()))
                OR (r.waiting_on IN ('run', 'intent', 'budget', 'lock', 'slot') AND (r.wake_at IS NULL OR r.wake_at > clock_timestamp()))
                OR (r.waiting_on IN ('timer', 'retry', 'effect', 'rate') AND r.wake_at > clock_timestamp() + interval '5 seconds')
                OR (r.waiting_on = 'approval' AND EXISTS (SELECT FROM approval a WHERE a.tenant_id = r.tenant_id
                        AND a.run_id = r.id AND a.status = 'requested')), false))) -- on nothing: it goes on
       + (SELECT count(*) FROM approval a
           WHERE a.tenant_id = $1 AND a.status IN ('requested', 'approved') AND a.expires_at <= clock_timestamp())
       + (SELECT count(*) FROM approval a
           WHERE a.tenant_id = $1 AND a.status = 'requested' AND NOT a.escalated AND a.escalate_at <= clock_timestamp()),
       count(*), count(*) FILTER (WHERE r.status = 'waiting' AND r.waiting_on IN ('approval', 'budget')),
       count(*) FILTER (WHERE r.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')),
       coalesce((extract(epoch FROM reeve_lease_until($1)) * 1000)::bigint, 0)
  FROM run r WHERE r.tenant_id = $1;

-- name: cli_clean_invoices
-- Registered invoices and credit notes nobody has anything against: no open exception on them or their lines.
-- params: tenant int4
SELECT 'invoice.post', 'invoice', i.id
  FROM invoice i
 WHERE i.tenant_id = $1 AND i.state = 'registered'
   AND NOT EXISTS (SELECT FROM exception x WHERE x.tenant_id = $1 AND x.state = 'open'
                      AND (x.resource = 'invoice:' || i.id
                           OR x.evidence->>'other' = i.id::text AND x.type IN ('F07', 'F08')))
 UNION ALL
SELECT 'credit_note.post', 'credit_note', c.id
  FROM credit_note c
 WHERE c.tenant_id = $1 AND c.state = 'registered'
   AND NOT EXISTS (SELECT FROM exception x WHERE x.tenant_id = $1 AND x.state = 'open'
                      AND x.resource = 'credit_note:' || c.id)
 ORDER BY 1, 3
 LIMIT 5000;

-- name: cli_blobs
-- The newest thousand; `runs`: how many refer to it.
-- params: tenant int4
SELECT encode(b.hash, 'hex') AS blob, b.size, b.media, b.made_by,
       (SELECT count(*) FROM blob_use u WHERE u.tenant_id = $1 AND u.hash = b.hash) AS runs,
       to_char(b.touched_at, 'YYYY-MM-DD HH24:MI:SS') AS put
  FROM blob b WHERE b.tenant_id = $1 ORDER BY b.content DESC LIMIT 1000;

-- name: cli_fire_facts
-- What a run of a fire is told of it.
-- params: tenant int4, fire int8
SELECT jsonb_build_object('name', f.schedule, 'at', to_char(f.instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
  FROM schedule_fire f WHERE f.tenant_id = $1 AND f.id = $2;

-- name: cli_fired_runs
-- Those that are over.
-- params: tenant int4, ids int8[]
SELECT r.id, r.status, coalesce(r.error_text, ''), coalesce(r.error_code, '') FROM run r
 WHERE r.tenant_id = $1 AND r.id = ANY ($2)
   AND r.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged');

-- name: trace_story
-- What a company's database knows of a trace: its runs (those that were given it, the one that it follows from, found
-- through its children or by its number), their steps that passed the gate, effects outside, and hook deliveries.
-- `steps` only of the kinds model, action, compensation, start.  NULL when nothing belongs to it.
-- params: tenant int4, trace text, run int8
WITH given AS (
    SELECT i.run_id FROM run_input i WHERE i.tenant_id = $1 AND i.trace = $2 ORDER BY i.run_id LIMIT 1000
), asked AS (
    SELECT g.run_id FROM given g
     UNION
    SELECT r.parent FROM given g JOIN run r ON r.tenant_id = $1 AND r.id = g.run_id WHERE r.parent IS NOT NULL
     UNION
    SELECT $3 WHERE $3 IS NOT NULL
), runs AS MATERIALIZED (
    SELECT r.id, r.agent, r.status, r.parent, r.created_at, r.changed_at FROM asked a
      JOIN run r ON r.tenant_id = $1 AND r.id = a.run_id
     CROSS JOIN LATERAL run_given($1, r.id, r.input) AS i
     WHERE run_trace_id($1, r.id, i.input) = $2
), story AS (
    SELECT (SELECT jsonb_agg(jsonb_build_object('run', 'r_' || r.id, 'agent', r.agent, 'status', r.status,
                       'parent', 'r_' || r.parent, 'at', r.created_at, 'changed_at', r.changed_at) ORDER BY r.id) FROM runs r) AS runs,
           (SELECT jsonb_agg(jsonb_build_object('run', 'r_' || s.run_id, 'seq', s.seq, 'name', s.name,
                       'result', coalesce(s.said->>'result', CASE s.said->>'ok' WHEN 'true' THEN 'ok' ELSE s.said->>'code' END),
                       'rules', s.said->'rules', 'approval', s.said->'approval') ORDER BY s.run_id, s.seq)
              FROM (SELECT j.run_id, j.seq, j.name, run_step_said($1, j.out) AS said
                      FROM runs r JOIN journal j ON j.tenant_id = $1 AND j.run_id = r.id AND j.kind IN (2, 7, 10, 13)
                     ORDER BY j.run_id, j.seq LIMIT 1000) AS s) AS steps,
           (SELECT jsonb_agg(jsonb_build_object('run', 'r_' || l.run_id, 'seq', l.seq, 'at', l.at, 'what', l.what) ORDER BY l.at, l.n)
              FROM (SELECT e.* FROM runs r JOIN effect_log e ON e.tenant_id = $1 AND e.run_id = r.id ORDER BY e.at LIMIT 1000) AS l) AS effects,
           (SELECT jsonb_agg(jsonb_build_object('event', o.event, 'at', o.at, 'status', d.status, 'attempt', d.attempt,
                       'delivered_at', d.delivered_at) ORDER BY o.id)
              FROM (SELECT h.* FROM hook_delivery h WHERE h.tenant_id = $1 AND h.trace = $2 ORDER BY h.outbox_id LIMIT 1000) AS d
              JOIN outbox o ON o.tenant_id = $1 AND o.id = d.outbox_id) AS deliveries)
SELECT jsonb_build_object('runs', coalesce(s.runs, '[]'), 'steps', coalesce(s.steps, '[]'),
           'effects', coalesce(s.effects, '[]'), 'deliveries', coalesce(s.deliveries, '[]'))
  FROM story s WHERE s.runs IS NOT NULL OR s.deliveries IS NOT NULL;
