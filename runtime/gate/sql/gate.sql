-- gate.sql: what the door reads and writes besides the ERP's own statements.
--
-- Keys taken out of JSON stand in a (SELECT …) of their own: behind row-level security an index is used
-- only with values whose making cannot leak rows, and ->> beside a column counts as leaking.

-- name: gate_load
-- The same for every unit, made once (OFFSET 0): the active policy, the business date in the company's zone, its currency.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, n.state
  FROM (SELECT jsonb_build_object(
                   'policy', encode(p.hash, 'hex'),
                   'today', to_char(clock_timestamp() AT TIME ZONE coalesce(t.company->>'timezone', 'UTC'), 'YYYY-MM-DD'),
                   'currency', coalesce(t.company->>'currency', 'EUR')) AS state
          FROM tenant t LEFT JOIN policy_active p ON p.tenant_id = $1
         WHERE t.tenant_id = $1
        OFFSET 0) AS n
 CROSS JOIN unnest($2::int4[], $3::jsonb[]) AS u(unit, args);

-- name: gate_log_load
-- An earlier answer to the same command id.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object('outcome', c.outcome, 'answer', c.answer, 'name', c.name,
                                  'args_hash', encode(c.args_hash, 'hex'),
                                  'first', c.first_seq, 'last', c.last_seq)
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args)
  JOIN command_log c ON c.tenant_id = $1 AND c.command_id = (SELECT u.args->>'command');

-- name: gate_approval_load
-- The approval that is presented, or ("asked") the open one that a request with this command id has led
-- to, with its yes-votes and the roles their people hold now.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit,
       jsonb_build_object(
           'id', a.id, 'args', a.args, 'status', a.status, 'digest', encode(a.digest, 'hex'),
           'policy', encode(a.policy_hash, 'hex'), 'rules', to_jsonb(a.rules),
           'seq', a.seq, 'stages', a.stages, 'resource_version', a.resource_version,
           'requested_by', a.requested_by, 'action', a.action,
           'limits', a.limits,
           'escalate_to', CASE WHEN a.escalated THEN a.escalate_to END,
           'expires_us', (extract(epoch FROM a.expires_at) * 1000000)::bigint,
           'votes', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                'person', v.person, 'roles', to_jsonb(pe.roles))), '[]')
                       FROM approval_vote v
                       JOIN person pe ON pe.tenant_id = v.tenant_id
                                     AND pe.name = v.person AND pe.enabled
                      WHERE v.tenant_id = $1 AND v.approval_id = a.id
                        AND v.decision = 'approve'))
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args)
  JOIN approval a ON a.tenant_id = $1
       AND a.id = (SELECT CASE WHEN u.args ? 'approval' THEN (u.args->>'approval')::bigint
                          ELSE (SELECT max(o.id) FROM approval o
                                 WHERE o.tenant_id = $1 AND o.run_id IS NULL
                                   AND o.command_id = (SELECT u.args->>'command')
                                   AND o.status IN ('requested', 'approved')) END);

-- name: limit_use_load
-- How much of each limit is used or held in its window: args = [{"rule","key","window_s"}, ...].
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_agg(coalesce(s.total, 0) ORDER BY l.position) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args)
 CROSS JOIN LATERAL jsonb_array_elements(u.args) WITH ORDINALITY AS l(item, position)
 CROSS JOIN LATERAL (
       SELECT sum(x.used + x.held)::bigint AS total
         FROM limit_use x
        WHERE x.tenant_id = $1 AND x.rule = (SELECT l.item->>'rule') AND x.key = (SELECT l.item->>'key')
          AND x.bucket > (SELECT clock_timestamp()
                                 - make_interval(secs => (l.item->>'window_s')::float8)
                                 - make_interval(secs => (l.item->>'bucket_s')::float8))) AS s
 GROUP BY u.unit;

-- name: limit_use_add
-- params: tenant int4, rule text[], key text[], bucket timestamptz[], used int8[], held int8[]
INSERT INTO limit_use (tenant_id, rule, key, bucket, used, held)
SELECT $1, r.rule, r.key, r.bucket, sum(r.used), sum(r.held)
  FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::int8[], $6::int8[])
       AS r(rule, key, bucket, used, held)
 GROUP BY r.rule, r.key, r.bucket
    ON CONFLICT (tenant_id, rule, key, bucket)
    DO UPDATE SET used = limit_use.used + excluded.used, held = limit_use.held + excluded.held;

-- name: approval_insert
-- params: tenant int4, id int8[], run int8[], seq int4[], action text[], args jsonb[], resource text[],
-- params+: , version int4[], digest bytea[], policy bytea[], rules jsonb[], stages jsonb[], never jsonb[]
-- params+: , agent text[], requested_by text[], reason text[], evidence jsonb[], facts jsonb[]
-- params+: , effect jsonb[], exception_key bytea[], amount int8[], currency text[], tier int4[]
-- params+: , expires timestamptz[], escalate_at timestamptz[], escalate_to text[], limits jsonb[]
-- params+: , command text[]
INSERT INTO approval (tenant_id, id, run_id, seq, status, action, args, resource, resource_version,
                      digest, policy_hash, rules, stages, never, agent, requested_by, reason, evidence,
                      facts, effect, exception_key, amount, currency, tier, expires_at, escalate_at,
                      escalate_to, limits, command_id)
SELECT $1, r.id, nullif(r.run, 0), r.seq, 'requested', r.action, r.args, r.resource, r.version,
       r.digest, r.policy, ARRAY(SELECT jsonb_array_elements_text(r.rules)), r.stages, r.never, r.agent,
       r.requested_by, r.reason, coalesce(r.evidence, '[]'), coalesce(r.facts, '{}'),
       coalesce(r.effect, '{}'), r.exception_key, r.amount, r.currency, r.tier, r.expires,
       r.escalate_at, r.escalate_to, r.limits, r.command
  FROM unnest($2::int8[], $3::int8[], $4::int4[], $5::text[], $6::jsonb[], $7::text[], $8::int4[],
              $9::bytea[], $10::bytea[], $11::jsonb[], $12::jsonb[], $13::jsonb[], $14::text[],
              $15::text[], $16::text[], $17::jsonb[], $18::jsonb[], $19::jsonb[], $20::bytea[],
              $21::int8[], $22::text[], $23::int4[], $24::timestamptz[], $25::timestamptz[],
              $26::text[], $27::jsonb[], $28::text[])
       AS r(id, run, seq, action, args, resource, version, digest, policy, rules, stages, never,
            agent, requested_by, reason, evidence, facts, effect, exception_key, amount, currency,
            tier, expires, escalate_at, escalate_to, limits, command);

-- name: approvals_granted
-- What people asked for themselves and others have granted since: to be executed, as them.
-- params: tenant int4
SELECT a.id, a.command_id, a.action, a.args, a.requested_by, to_jsonb(p.roles), a.reason, a.evidence
  FROM approval a
  LEFT JOIN person p ON p.tenant_id = $1 AND p.enabled AND 'person:' || p.name = a.requested_by
 WHERE a.tenant_id = $1 AND a.status = 'approved' AND a.run_id IS NULL AND a.expires_at > clock_timestamp()
 ORDER BY a.id
 LIMIT 100;

-- name: approval_status_set
-- consumed or void, in the transaction that executes or refuses to
-- params: tenant int4, id int8[], status text[]
UPDATE approval a SET status = r.status, consumed_at = clock_timestamp()
  FROM unnest($2::int8[], $3::text[]) AS r(id, status)
 WHERE a.tenant_id = $1 AND a.id = r.id;

-- name: outbox_append
-- params: tenant int4, id int8[], event text[], body jsonb[]
INSERT INTO outbox (tenant_id, id, event, body)
SELECT $1, r.id, r.event, r.body FROM unnest($2::int8[], $3::text[], $4::jsonb[]) AS r(id, event, body);

-- name: policy_active_get
-- params: tenant int4
SELECT encode(b.hash, 'hex'), b.name, b.source
  FROM policy_active a JOIN policy_bundle b ON b.tenant_id = a.tenant_id AND b.hash = a.hash
 WHERE a.tenant_id = $1;

-- name: policy_bundle_put
-- params: tenant int4, hash bytea[], name text[], source text[], canonical text[], loaded_by text[]
INSERT INTO policy_bundle (tenant_id, hash, name, source, canonical, loaded_by)
SELECT $1, r.hash, r.name, r.source, r.canonical, r.loaded_by
  FROM unnest($2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[])
       AS r(hash, name, source, canonical, loaded_by)
    ON CONFLICT (tenant_id, hash) DO NOTHING;

-- name: policy_activate
-- params: tenant int4, hash bytea[]
INSERT INTO policy_active (tenant_id, hash)
SELECT $1, r.hash FROM unnest($2::bytea[]) AS r(hash)
    ON CONFLICT (tenant_id) DO UPDATE SET hash = excluded.hash;
