-- name: http_health
SELECT 1;

-- name: api_approvals
-- The inbox, newest first; "after" continues below an id.  `missing` is what still must be voted.
-- params: tenant int4, status text, after int8, limit int4
WITH page AS (
    SELECT * FROM approval
    WHERE tenant_id = $1 AND ($2::text IS NULL OR status = $2) AND ($3::bigint IS NULL OR id < $3)
    ORDER BY id DESC LIMIT $4
)
SELECT jsonb_build_object(
    'items', coalesce(jsonb_agg(jsonb_build_object(
        'id', a.id::text, 'status', a.status, 'action', a.action, 'resource', a.resource,
        'amount', a.amount, 'currency', a.currency, 'tier', a.tier, 'agent', a.agent,
        'requested_by', a.requested_by, 'requested_at', a.requested_at,
        'expires_at', a.expires_at, 'decided_at', a.decided_at, 'reason', a.reason,
        'run', a.run_id::text, 'escalated', a.escalated, 'digest', encode(a.digest, 'hex'),
        'exception', encode(a.exception_key, 'hex'),
        'exception_type', (SELECT e.type FROM exception e
                           WHERE e.tenant_id = $1 AND e.key = a.exception_key),
        'supplier', coalesce(a.facts #>> '{vendor,name}', a.facts #>> '{supplier,name}', a.facts #>> '{supplier_name}',
                             a.facts #>> '{party,name}', a.args #>> '{supplier,name}',
                             a.args #>> '{supplier_name}'),
        'rules', to_jsonb(a.rules), 'stages', a.stages, 'blocked', reeve_approval_blocked(w),
        'missing', (SELECT coalesce(jsonb_agg(jsonb_build_object('role', s.value ->> 'role',
                        'n', (s.value ->> 'n')::int - v.given) ORDER BY s.ordinality), '[]')
                    FROM jsonb_array_elements(a.stages) WITH ORDINALITY s,
                         LATERAL (SELECT count(*)::int AS given FROM approval_vote v
                                  WHERE v.tenant_id = a.tenant_id AND v.approval_id = a.id
                                    AND reeve_vote_roles(v.role) ? (s.value ->> 'role') AND v.decision = 'approve') v
                    WHERE (s.value ->> 'n')::int > v.given)
    ) ORDER BY a.id DESC), '[]'),
    'next', CASE WHEN count(*) = $4 THEN min(a.id)::text END,
    'open', (SELECT count(*) FROM approval o WHERE o.tenant_id = $1 AND o.status = 'requested'),
    'now', clock_timestamp())::text
FROM page a
JOIN approval w ON w.tenant_id = $1 AND w.id = a.id;

-- name: api_approval
-- Everything an approver must see, and nothing that was not in the digest's reach.
-- params: tenant int4, id int8, person text
SELECT jsonb_build_object(
    'id', a.id::text, 'status', a.status, 'action', a.action, 'args', a.args,
    'resource', a.resource, 'resource_version', a.resource_version,
    'digest', encode(a.digest, 'hex'), 'policy', encode(a.policy_hash, 'hex'),
    'rules', to_jsonb(a.rules), 'stages', a.stages, 'agent', a.agent,
    'requested_by', a.requested_by, 'reason', a.reason, 'evidence', a.evidence,
    'facts', a.facts, 'effect', a.effect, 'exception', encode(a.exception_key, 'hex'),
    'exception_type', (SELECT e.type FROM exception e WHERE e.tenant_id = $1 AND e.key = a.exception_key),
    'exception_summary', (SELECT e.summary FROM exception e
                          WHERE e.tenant_id = $1 AND e.key = a.exception_key),
    'run', a.run_id::text, 'step', a.seq,
    'supplier', coalesce(a.facts #>> '{vendor,name}', a.facts #>> '{supplier,name}', a.facts #>> '{supplier_name}',
                         a.facts #>> '{party,name}', a.args #>> '{supplier,name}',
                         a.args #>> '{supplier_name}'),
    'amount', a.amount, 'currency', a.currency, 'tier', a.tier,
    'requested_at', a.requested_at, 'expires_at', a.expires_at, 'escalated', a.escalated,
    'escalate_to', a.escalate_to, 'decided_at', a.decided_at, 'consumed_at', a.consumed_at,
    'blocked', reeve_approval_blocked(a), 'rivals', approval_rivals($1, a.id),
    'excluded', a.never @> to_jsonb('person:' || $3::text) OR a.never @> to_jsonb($3::text)
                OR a.requested_by IN ($3::text, 'person:' || $3::text),
    'voted', EXISTS (SELECT 1 FROM approval_vote v WHERE v.tenant_id = a.tenant_id
                     AND v.approval_id = a.id AND v.person = $3),
    'votes', (SELECT coalesce(jsonb_agg(jsonb_build_object('person', v.person, 'role', reeve_vote_roles(v.role),
                  'decision', v.decision, 'comment', v.comment, 'channel', v.channel, 'at', v.at)
                  ORDER BY v.at), '[]')
              FROM approval_vote v WHERE v.tenant_id = a.tenant_id AND v.approval_id = a.id),
    'missing', (SELECT coalesce(jsonb_agg(jsonb_build_object('role', s.value ->> 'role',
                    'n', (s.value ->> 'n')::int - v.given) ORDER BY s.ordinality), '[]')
                FROM jsonb_array_elements(a.stages) WITH ORDINALITY s,
                     LATERAL (SELECT count(*)::int AS given FROM approval_vote v
                              WHERE v.tenant_id = a.tenant_id AND v.approval_id = a.id
                                AND reeve_vote_roles(v.role) ? (s.value ->> 'role') AND v.decision = 'approve') v
                WHERE (s.value ->> 'n')::int > v.given),
    'now', clock_timestamp())::text
FROM approval a WHERE a.tenant_id = $1 AND a.id = $2;

-- name: api_runs
-- Newest first.  `status` is also one of open, over, stuck, retrying, people; `waiting_on` also a role: see the
-- functions run_find and run_look.
-- params: tenant int4, status text, after int8, limit int4, waiting_on text, agent text, key text, error text, role text, older int8
SELECT jsonb_build_object(
    'items', coalesce(jsonb_agg(jsonb_build_object(
        'id', r.id::text, 'agent', r.agent, 'status', r.status, 'standing', r.standing,
        'waiting_on', r.waiting_on, 'waits', r.waits, 'roles', to_jsonb(r.roles), 'could_move_since', r.since,
        'wake_at', r.wake_at, 'business_key', r.business_key, 'parent', r.parent::text, 'attempt', r.attempt,
        'waits_for', CASE WHEN r.waits LIKE 'run r\_%' THEN substr(r.waits, 7) END,
        'steps', r.steps, 'cost', r.cost, 'error_code', r.error_code, 'error_text', r.error_text,
        'created_at', r.created_at, 'changed_at', r.changed_at) ORDER BY r.id DESC), '[]'),
    'next', CASE WHEN count(*) = $4 THEN min(r.id)::text END,
    'now', clock_timestamp())::text
FROM run_look($1, ARRAY(SELECT run_find($1, jsonb_strip_nulls(jsonb_build_object('status', $2::text, 'below', $3::bigint,
         'waiting_on', $5::text, 'agent', $6::text, 'key', $7::text, 'error', $8::text, 'role', $9::text,
         'older', $10::bigint)), $4))) AS r;

-- name: api_run
-- One run with its journal: the story as it was recorded, step by step.
-- params: tenant int4, id int8
SELECT jsonb_build_object(
    'id', r.id::text, 'agent', r.agent, 'plan', encode(r.plan_hash, 'hex'),
    'version', p.version, 'status', r.status, 'waiting_on', l.waiting_on, 'waits', l.waits, 'wake_at', r.wake_at,
    'business_key', r.business_key, 'parent', r.parent::text, 'depth', r.depth, 'close', r.close,
    'children', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.id::text, 'agent', c.agent,
                     'status', c.status, 'close', c.close, 'waiting_on', c.waiting_on) ORDER BY c.id), '[]')
                 FROM run c WHERE c.tenant_id = $1 AND c.parent = r.id),
    'attempt', r.attempt + 1, 'cost', run_cost($1, r.id), 'error_code', r.error_code, 'error_text', r.error_text,
    'steps', r.steps, 'created_at', r.created_at, 'changed_at', r.changed_at,
    'input', i.input, 'budget', i.budget, 'result', o.result,
    'trace_id', run_trace_id(r.tenant_id, r.id, i.input),
    'journal', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'seq', j.seq, 'kind', CASE j.kind WHEN 20 THEN 'checkpoint' WHEN 21 THEN 'publish' WHEN 22 THEN 'reply' ELSE (ARRAY['read','model','memory','timer','signal','plan',
                        'action','approval','outcome','compensation','review','note','start','child'])[j.kind] END,
                    'name', j.name, 'digest', encode(j.digest, 'hex'),
                    'out', CASE WHEN length(j.out) > 1 AND get_byte(j.out, 0) = 1
                           THEN convert_from(substr(j.out, 2), 'UTF8')::jsonb END,
                    'out_blob', CASE WHEN length(j.out) > 1 AND get_byte(j.out, 0) = 2
                           THEN encode(substr(j.out, 2), 'hex') END) ORDER BY j.seq), '[]')
                FROM (SELECT * FROM journal WHERE run_id = r.id AND tenant_id = $1
                      ORDER BY seq LIMIT 2000) j),
    'approvals', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', a.id::text,
                      'action', a.action, 'status', a.status, 'step', a.seq, 'amount', a.amount,
                      'currency', a.currency, 'requested_at', a.requested_at,
                      'decided_at', a.decided_at) ORDER BY a.id), '[]')
                  FROM approval a WHERE a.tenant_id = $1 AND a.run_id = r.id),
    'signals', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', s.id::text, 'name', s.name,
                    'sent_by', s.sent_by, 'sent_at', s.sent_at, 'consumed_seq', s.consumed_seq)
                    ORDER BY s.id), '[]')
                FROM (SELECT * FROM run_signal WHERE tenant_id = $1 AND run_id = r.id
                      ORDER BY id DESC LIMIT 200) s),
    'last_step', (SELECT coalesce(max(j.seq), 0) FROM journal j WHERE j.tenant_id = $1 AND j.run_id = r.id),
    'journal_dropped', reeve_journal_dropped($1, r.id),
    'now', clock_timestamp())::text
FROM run r
CROSS JOIN LATERAL run_look($1, ARRAY[r.id]) AS l
LEFT JOIN LATERAL run_given($1, r.id, r.input) AS i ON true
LEFT JOIN run_result o ON o.tenant_id = r.tenant_id AND o.run_id = r.id
LEFT JOIN plan_source p ON p.tenant_id = r.tenant_id AND p.hash = r.plan_hash
WHERE r.tenant_id = $1 AND r.id = $2;

-- name: api_events
-- Messages for event streams after an id, in order; `overlap` looks back for ids that were made in
-- the same instant by another writer.
-- params: tenant int4, after int8, limit int4
SELECT id, event, (body
    || CASE WHEN body ? 'approval' THEN jsonb_build_object('approval', body ->> 'approval') ELSE '{}' END
    || CASE WHEN body ? 'run' THEN jsonb_build_object('run', body ->> 'run') ELSE '{}' END)::text
FROM outbox
WHERE tenant_id = $1 AND id > $2 AND (event LIKE 'approval.%' OR event LIKE 'run.%' OR event LIKE 'exception.%')
ORDER BY id LIMIT $3;

-- name: api_events_newest
-- params: tenant int4
SELECT coalesce(max(id), 0) FROM outbox WHERE tenant_id = $1;

-- name: api_hooks
-- Endpoints without their secrets.
-- params: tenant int4
SELECT jsonb_build_object('items', coalesce(jsonb_agg(jsonb_build_object(
    'id', e.id::text, 'url', e.url, 'events', to_jsonb(e.events), 'enabled', e.enabled,
    'disabled_reason', e.disabled_reason, 'person', e.person, 'allow_private', e.allow_private,
    'created_at', e.created_at, 'rotating_until', e.old_until) ORDER BY e.id), '[]'))::text
FROM hook_endpoint e WHERE e.tenant_id = $1;

-- name: api_hook_deliveries
-- Dead letters and what is on its way; "after" continues below a message id.
-- params: tenant int4, status text, after int8, limit int4
WITH page AS (
    SELECT d.*, o.event FROM hook_delivery d
    JOIN outbox o ON o.tenant_id = d.tenant_id AND o.id = d.outbox_id
    WHERE d.tenant_id = $1 AND ($2::text IS NULL OR d.status = $2)
      AND ($3::bigint IS NULL OR d.outbox_id < $3)
    ORDER BY d.outbox_id DESC LIMIT $4
)
SELECT jsonb_build_object('items', coalesce(jsonb_agg(jsonb_build_object(
    'message', p.outbox_id::text, 'endpoint', p.endpoint_id::text, 'event', p.event,
    'status', p.status, 'attempt', p.attempt, 'next_at', p.next_at, 'last_status', p.last_status,
    'last_error', p.last_error, 'delivered_at', p.delivered_at) ORDER BY p.outbox_id DESC), '[]'),
    'next', CASE WHEN count(*) = $4 THEN min(p.outbox_id)::text END)::text
FROM page p;

-- name: api_hook_redrive
-- params: tenant int4, message int8, endpoint int8
UPDATE hook_delivery SET status = 'pending', attempt = 0, next_at = clock_timestamp()
WHERE tenant_id = $1 AND outbox_id = $2 AND endpoint_id = $3 AND status <> 'delivered'
RETURNING endpoint_id AS endpoint;

-- name: api_blobs
-- Newest first; `after` is the number of the last one seen.
-- params: tenant int4, status text, after int8, limit int4
SELECT jsonb_build_object(
    'items', coalesce(jsonb_agg(jsonb_build_object('id', b.content::text, 'blob', encode(b.hash, 'hex'),
                 'size', b.size, 'media', b.media, 'made_by', b.made_by, 'touched_at', b.touched_at,
                 'runs', (SELECT count(*) FROM blob_use u WHERE u.tenant_id = $1 AND u.hash = b.hash))
                 ORDER BY b.content DESC), '[]'),
    'next', CASE WHEN count(*) = $4 THEN min(b.content)::text END)::text
  FROM (SELECT * FROM blob x
         WHERE x.tenant_id = $1 AND $2::text IS NULL AND ($3::int8 IS NULL OR x.content < $3)
         ORDER BY x.content DESC LIMIT $4::int) AS b;

-- name: api_intents
-- What agents do outside, newest first; "after" continues below a run.
-- params: tenant int4, status text, after int8, limit int4
WITH page AS (
    SELECT i.*, r.agent FROM effect_intent i JOIN run r ON r.tenant_id = $1 AND r.id = i.run_id
    WHERE i.tenant_id = $1 AND ($2::text IS NULL OR i.state = $2) AND ($3::bigint IS NULL OR i.run_id < $3)
    ORDER BY i.run_id DESC, i.seq LIMIT $4
)
SELECT jsonb_build_object(
    'items', coalesce(jsonb_agg(jsonb_build_object(
        'run', p.run_id::text, 'step', p.seq, 'agent', p.agent, 'state', p.state, 'key', p.key, 'action', p.action,
        'connector', p.connector, 'attempts', p.attempt, 'until', p.until, 'outcome', p.outcome,
        'created_at', p.created_at, 'changed_at', p.changed_at) ORDER BY p.run_id DESC, p.seq), '[]'),
    'next', CASE WHEN count(*) = $4 THEN min(p.run_id)::text END)::text
FROM page p;
