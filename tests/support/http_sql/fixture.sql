-- name: fixture_approval
-- One approval and its outbox message, from one JSON document.
-- params: tenant int4, doc jsonb
WITH made AS (
    INSERT INTO approval (tenant_id, id, command_id, run_id, seq, status, action, args, resource, resource_version,
        digest, policy_hash, rules, stages, never, agent, requested_by, reason, evidence, facts, effect, exception_key,
        amount, currency, tier, requested_at, expires_at)
    SELECT $1, (d ->> 'id')::bigint, 'fixture:' || (d ->> 'id'), (d ->> 'run')::bigint, 4, coalesce(d ->> 'status', 'requested'), d ->> 'action',
        d -> 'args', d ->> 'resource', 3, sha256(convert_to(d::text, 'UTF8')), sha256('policy'),
        ARRAY(SELECT jsonb_array_elements_text(d -> 'rules')), d -> 'stages', coalesce(d -> 'never', '[]'),
        d ->> 'agent', coalesce(d ->> 'requested_by', 'agent:' || (d ->> 'agent')), d ->> 'reason',
        coalesce(d -> 'evidence', '[]'), coalesce(d -> 'facts', '{}'), coalesce(d -> 'effect', '{}'),
        decode(d ->> 'exception', 'hex'), (d ->> 'amount')::bigint, d ->> 'currency', (d ->> 'tier')::smallint,
        clock_timestamp() - make_interval(mins => coalesce((d ->> 'age_minutes')::int, 5)),
        clock_timestamp() + make_interval(mins => coalesce((d ->> 'minutes_left')::int, 2880))
    FROM (SELECT $2::jsonb AS d) x RETURNING id
)
INSERT INTO outbox (tenant_id, id, event, body)
SELECT $1, ((extract(epoch FROM clock_timestamp()) - 1577836800) * 1000)::bigint << 22 | (id & 4194303),
       'approval.requested', jsonb_build_object('approval', id) FROM made;

-- name: fixture_run
-- params: tenant int4, id int8, agent text, status text, waiting_on text, journal jsonb
WITH r AS (
    INSERT INTO run (tenant_id, id, agent, plan_hash, status, waiting_on, steps, business_key)
    VALUES ($1, $2, $3, sha256('plan'), $4, $5, jsonb_array_length($6), 'exception:' || $2)
), i AS (INSERT INTO run_input (tenant_id, run_id, input) VALUES ($1, $2, '{"exception": {"type": "F01"}}'))
INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)
SELECT $1, $2, n, (j ->> 'kind')::smallint, j ->> 'name', substr(sha256(convert_to(j::text, 'UTF8')), 1, 16),
       '\x01'::bytea || convert_to((j -> 'out')::text, 'UTF8')
FROM jsonb_array_elements($6) WITH ORDINALITY x(j, n);

-- name: fixture_exception
-- params: tenant int4, key bytea, type text, subject text, summary text, money int8
INSERT INTO exception (tenant_id, key, type, subject, rule_version, resource, summary, evidence, money, currency, tier,
    state, opened_seq, found_seq, opened_on, sla_on, version)
VALUES ($1, $2, $3, $4, 1, $4, $5, '[]', $6, 'EUR', 2, 'open', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    1, current_date, current_date + 5, 1);

-- name: fixture_vote
-- The rules of approval.h in one statement, for tests of what stands in front of them.
-- params: tenant int4, id int8, person text, approve bool, comment text, channel text, digest text
WITH a AS (
    SELECT a.*, (SELECT p.roles FROM person p WHERE p.tenant_id = $1 AND p.name = $3 AND p.enabled) AS roles,
        EXISTS (SELECT FROM approval_vote v WHERE v.tenant_id = $1 AND v.approval_id = $2 AND v.person = $3) AS voted
    FROM approval a WHERE a.tenant_id = $1 AND a.id = $2 FOR UPDATE
), answer AS (
    SELECT a.*, CASE
        WHEN a.roles IS NULL OR a.never @> to_jsonb('person:' || $3) OR a.voted
             OR NOT EXISTS (SELECT FROM jsonb_array_elements(a.stages) s WHERE s.value ->> 'role' = ANY (a.roles)) THEN 'denied'
        WHEN a.status <> 'requested' OR a.expires_at < clock_timestamp() THEN 'conflict'
        WHEN encode(a.digest, 'hex') IS DISTINCT FROM $7 THEN 'conflict' ELSE 'ok' END AS code,
        (SELECT sum((s.value ->> 'n')::int) FROM jsonb_array_elements(a.stages) s)
            - (SELECT count(*) FROM approval_vote v WHERE v.tenant_id = $1 AND v.approval_id = $2) - 1 AS left_over
    FROM a
), voted AS (
    INSERT INTO approval_vote (tenant_id, approval_id, person, role, decision, digest, comment, channel)
    SELECT $1, $2, $3, to_jsonb(roles)::text, CASE WHEN $4 THEN 'approve' ELSE 'reject' END, digest, coalesce($5, ''), $6
    FROM answer WHERE code = 'ok' RETURNING 1
), moved AS (
    UPDATE approval p SET status = CASE WHEN NOT $4 THEN 'rejected' ELSE 'approved' END, decided_at = clock_timestamp()
    FROM answer n WHERE p.tenant_id = $1 AND p.id = $2 AND n.code = 'ok' AND (NOT $4 OR n.left_over <= 0) RETURNING p.status
), told AS (
    INSERT INTO outbox (tenant_id, id, event, body)
    SELECT $1, ((extract(epoch FROM clock_timestamp()) - 1577836800) * 1000)::bigint << 22, 'approval.decided',
           jsonb_build_object('approval', $2, 'status', status) FROM moved
)
SELECT jsonb_build_object('code', code, 'id', $2, 'status', coalesce((SELECT status FROM moved), status),
    'missing', CASE WHEN $4 AND left_over > 0 THEN '[{"role": "controller", "n": 1}]'::jsonb ELSE '[]' END)
FROM answer;

-- name: fixture_endpoint_rotated
-- params: tenant int4, id int8, old_secret bytea
UPDATE hook_endpoint SET old_secret = $3, old_until = clock_timestamp() + interval '1 hour' WHERE tenant_id = $1 AND id = $2;

-- name: fixture_outbox
-- params: tenant int4, id int8, event text, body jsonb
INSERT INTO outbox (tenant_id, id, event, body) VALUES ($1, $2, $3, $4);

-- name: fixture_deliveries
-- params: tenant int4
SELECT count(*) FILTER (WHERE status = 'delivered'), count(*) FILTER (WHERE status = 'dead'),
       count(*) FILTER (WHERE status = 'pending'), coalesce(max(attempt), 0)
FROM hook_delivery WHERE tenant_id = $1;

-- name: fixture_votes
-- params: tenant int4, approval int8
SELECT count(*), coalesce(max(person), ''), coalesce(max(channel), ''), coalesce(max(comment), '')
FROM approval_vote WHERE tenant_id = $1 AND approval_id = $2;

-- name: fixture_endpoint_enabled
-- params: tenant int4, id int8
SELECT enabled FROM hook_endpoint WHERE tenant_id = $1 AND id = $2;
