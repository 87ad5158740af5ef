-- observe.sql: what waits, and what happened.

-- name: event_log
-- A log of events and the objects they touch (see event_log.h).
-- Everything of the books and every question to people, oldest first.  `objects` are [type, id, role]; of the bodies
-- only amounts, dates, states and codes are told: no names, no bank details, no free text.
-- params: tenant int4, since timestamptz, until timestamptz
SELECT l.id, to_char(l.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), l.type, l.actor, l.objects, l.attributes
  FROM (
    SELECT 'e' || e.seq AS id, e.recorded_at AS at, e.seq AS place, regexp_replace(e.type, '\.v[0-9]+$', '') AS type,
           e.actor, o.objects, a.attributes
      FROM event e
      CROSS JOIN LATERAL (
        SELECT jsonb_agg(DISTINCT jsonb_build_array(CASE r.type WHEN 'je' THEN 'journal_entry' ELSE r.type END, r.id, r.role))
          FROM (SELECT split_part(e.stream, ':', 1), substr(e.stream, strpos(e.stream, ':') + 1), 'subject'
                UNION ALL
                SELECT 'run', split_part(e.command_id, ':', 2), 'done by' WHERE e.command_id LIKE 'run:%'
                UNION ALL
                SELECT m.type, v #>> '{}', m.role
                  FROM (VALUES ('$.**.order_id', 'order', 'order'), ('$.**.invoice_id', 'invoice', 'invoice'),
                               ('$.**.duplicate_of', 'invoice', 'duplicate of'), ('$.**.party', 'party', 'party'),
                               ('$.**.je', 'je', 'booked as')) AS m(path, type, role),
                       jsonb_path_query(e.body, m.path::jsonpath) AS v
                 WHERE jsonb_typeof(v) IN ('number', 'string')
                UNION ALL
                SELECT e.body->>'doc_kind', e.body->>'doc_id', 'document' WHERE e.body->>'doc_id' IS NOT NULL
                UNION ALL
                SELECT 'exception', v->>'key', 'raised' FROM jsonb_path_query(e.body, '$.raised[*]') AS v
                UNION ALL
                SELECT split_part(v->>'subject', ':', 1), split_part(v->>'subject', ':', 2), 'raised about'
                  FROM jsonb_path_query(e.body, '$.raised[*]') AS v
               ) AS r(type, id, role)
         WHERE r.type IS NOT NULL AND r.id <> '') AS o(objects)
      CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_object_agg(b.key, b.value), '{}')
          FROM jsonb_each(e.body) AS b
         WHERE b.key = ANY ('{net,tax,gross,amount,difference,currency,code,rule,score,state,due,count,first_day,last_day}')
           AND jsonb_typeof(b.value) IN ('number', 'string', 'boolean')) AS a(attributes)
     WHERE e.tenant_id = $1 AND e.recorded_at >= $2 AND e.recorded_at < $3
    UNION ALL
    SELECT 'a' || q.id || '.' || w.part, w.at, w.place, w.type, w.actor,
           jsonb_build_array(jsonb_build_array('approval', q.id::text, 'subject'))
             || CASE WHEN q.run_id IS NULL THEN '[]'
                     ELSE jsonb_build_array(jsonb_build_array('run', q.run_id::text, 'asked by')) END
             || CASE WHEN strpos(coalesce(q.resource, ''), ':') = 0 THEN '[]'
                     ELSE jsonb_build_array(jsonb_build_array(split_part(q.resource, ':', 1),
                                            substr(q.resource, strpos(q.resource, ':') + 1), 'about')) END,
           jsonb_strip_nulls(jsonb_build_object('action', q.action, 'amount', q.amount, 'currency', q.currency))
      FROM approval q
      CROSS JOIN LATERAL (
        SELECT 'asked', q.requested_at, 0, 'approval.asked', q.requested_by
        UNION ALL
        SELECT 'vote.' || v.person, v.at, 1, 'approval.vote_' || v.decision, 'person:' || v.person
          FROM approval_vote v WHERE v.tenant_id = $1 AND v.approval_id = q.id
        UNION ALL
        SELECT 'end', q.decided_at, 2, 'approval.' || CASE q.status WHEN 'consumed' THEN 'approved' ELSE q.status END, 'reeve'
         WHERE q.decided_at IS NOT NULL) AS w(part, at, place, type, actor)
     WHERE q.tenant_id = $1 AND w.at >= $2 AND w.at < $3
  ) AS l
 ORDER BY l.at, l.place, l.id;

-- name: backlog
-- params: most int4
SELECT b.name, b.kind, b.value FROM reeve_backlog($1) AS b;

-- name: company_figures
-- Of one company: as reeve_backlog has it of all of them, and what the company asked the model today (UTC).
-- params: tenant int4, most int4
SELECT 'runs_open' AS name, w.kind, count(*) AS value
  FROM (SELECT CASE WHEN r.status = 'waiting' THEN coalesce(r.waiting_on, 'nothing') ELSE 'nothing' END AS kind
          FROM run r
         WHERE r.tenant_id = $1 AND r.status NOT IN ('done','failed','cancelled','compensated','diverged')
         LIMIT $2) w
 GROUP BY w.kind
UNION ALL
SELECT 'runs_dead', '', count(*)
  FROM (SELECT FROM run r WHERE r.tenant_id = $1 AND r.status IN ('failed', 'compensated', 'diverged') LIMIT $2) w
UNION ALL
SELECT 'runs_standing', '', count(*) FROM (SELECT FROM run_left_standing($1) LIMIT $2) w
UNION ALL
SELECT 'approvals_waiting', '', count(*)
  FROM (SELECT FROM approval a WHERE a.tenant_id = $1 AND a.status = 'requested' LIMIT $2) w
UNION ALL
SELECT 'approvals_oldest_seconds', '', coalesce(extract(epoch FROM clock_timestamp() - min(a.requested_at)), 0)::bigint
  FROM approval a WHERE a.tenant_id = $1 AND a.status = 'requested'
UNION ALL
SELECT 'exceptions_open', '', count(*)
  FROM (SELECT FROM exception e WHERE e.tenant_id = $1 AND e.state = 'open' LIMIT $2) w
UNION ALL
SELECT 'effects_open', w.state, count(*)
  FROM (SELECT i.state FROM effect_intent i WHERE i.tenant_id = $1 AND i.state NOT IN ('done', 'failed') LIMIT $2) w
 GROUP BY w.state
UNION ALL
SELECT 'hook_deliveries_waiting', '', count(*)
  FROM (SELECT FROM hook_delivery d WHERE d.tenant_id = $1 AND d.status = 'pending' LIMIT $2) w
UNION ALL
SELECT 'hook_deliveries_late_seconds', '',
       greatest(0, extract(epoch FROM clock_timestamp() - min(d.next_at)))::bigint
  FROM hook_delivery d WHERE d.tenant_id = $1 AND d.status = 'pending'
UNION ALL
SELECT 'schedules_late_seconds', '',
       greatest(0, extract(epoch FROM clock_timestamp() - min(s.due_at)))::bigint
  FROM schedule s WHERE s.tenant_id = $1 AND s.status = 'active'
UNION ALL
SELECT 'schedules_paused', '', count(*)
  FROM (SELECT FROM schedule s WHERE s.tenant_id = $1 AND s.status = 'paused' LIMIT $2) w
UNION ALL
SELECT f.name, '', f.value
  FROM (SELECT coalesce(sum(u.requests), 0)::bigint AS requests, coalesce(sum(u.prompt_tokens), 0)::bigint AS prompt,
               coalesce(sum(u.cached_tokens), 0)::bigint AS cached, coalesce(sum(u.answer_tokens), 0)::bigint AS answer
          FROM model_use u WHERE u.tenant_id = $1 AND u.day = (now() AT TIME ZONE 'UTC')::date) t
 CROSS JOIN LATERAL (VALUES ('model_requests_today', t.requests), ('model_prompt_tokens_today', t.prompt),
                            ('model_cached_tokens_today', t.cached), ('model_answer_tokens_today', t.answer)) AS f(name, value);

-- name: trace_runs
-- What a trace tells of these runs, a row each: (run, body); see run_spans.h.  Names, codes, numbers and times only:
-- no argument, no answer, no reason, no person.  Entries of the journal up to number `entries`.
-- params: tenant int4, runs int8[], entries int4
SELECT r.id, jsonb_build_object('tenant', $1, 'run', r.id, 'trace', run_trace_id($1, r.id, i.input),
           'caller', i.input->>'trace_parent', 'parent', coalesce(r.parent, 0), 'agent', r.agent,
           'version', (SELECT p.version FROM plan_source p WHERE p.tenant_id = $1 AND p.hash = r.plan_hash),
           'plan', encode(r.plan_hash, 'hex'), 'status', r.status, 'waiting_on', r.waiting_on, 'code', r.error_code,
           'attempt', r.attempt + 1, 'steps', r.steps, 'begin_us', reeve_us(r.created_at), 'changed_us', reeve_us(r.changed_at),
           'over', r.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged'),
           'entries', (SELECT jsonb_agg(jsonb_build_array(e.seq, e.kind, e.name, e.said->'ok', e.said->'code', e.said->'result',
                              e.said->'until_us', e.said->'usage', CASE WHEN e.kind IN (13, 14) THEN e.said->'value'->'run' END)
                              ORDER BY e.seq)
                         FROM (SELECT j.seq, j.kind, j.name,
                                      CASE WHEN get_byte(j.out, 0) = 1 THEN run_step_said($1, j.out) END AS said
                                 FROM journal j
                                WHERE j.tenant_id = $1 AND j.run_id = r.id AND j.seq <= $3 AND j.kind IN (2, 4, 5, 7, 10, 13, 14)) AS e),
           'decisions', (SELECT jsonb_agg(jsonb_build_array(d.step, reeve_us(d.at), d.body->'action', d.body->'verdict', d.body->'rules')
                                ORDER BY d.seq)
                           FROM (SELECT a.seq, a.step, a.at, a.body::jsonb AS body FROM audit_record a
                                  WHERE a.tenant_id = $1 AND a.run_id = r.id AND a.kind = 'decision' AND a.step <= $3) AS d),
           'heard', (SELECT jsonb_agg(jsonb_build_array(g.consumed_seq, reeve_us(g.sent_at)) ORDER BY g.consumed_seq)
                       FROM run_signal g WHERE g.tenant_id = $1 AND g.run_id = r.id AND g.consumed_seq <= $3),
           'children', (SELECT jsonb_agg(jsonb_build_array(c.id, reeve_us(c.changed_at)) ORDER BY c.id)
                          FROM run c WHERE c.tenant_id = $1 AND c.parent = r.id
                           AND c.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')),
           'approvals', (SELECT jsonb_agg(jsonb_build_object('id', q.id, 'seq', q.seq, 'action', q.action, 'status', q.status,
                                'tier', q.tier, 'rules', q.rules, 'escalated', q.escalated,
                                'begin_us', reeve_us(q.requested_at), 'end_us', reeve_us(q.decided_at),
                                'votes', (SELECT jsonb_agg(jsonb_build_array(reeve_us(v.at), v.decision) ORDER BY v.at)
                                            FROM approval_vote v WHERE v.tenant_id = $1 AND v.approval_id = q.id)) ORDER BY q.id)
                           FROM approval q WHERE q.tenant_id = $1 AND q.run_id = r.id),
           'effects', (SELECT jsonb_agg(jsonb_build_object('seq', n.seq, 'key', n.key, 'action', n.action, 'connector', n.connector,
                              'state', n.state, 'attempt', n.attempt, 'code', n.outcome->'code',
                              'begin_us', reeve_us(n.created_at), 'end_us', reeve_us(n.changed_at),
                              'log', (SELECT jsonb_agg(jsonb_build_array(reeve_us(l.at), l.what) ORDER BY l.n) FROM effect_log l
                                       WHERE l.tenant_id = $1 AND l.run_id = n.run_id AND l.seq = n.seq)) ORDER BY n.seq)
                         FROM effect_intent n WHERE n.tenant_id = $1 AND n.run_id = r.id AND n.seq <= $3))
  FROM unnest($2) AS w(id)
  JOIN run r ON r.tenant_id = $1 AND r.id = w.id
 CROSS JOIN LATERAL run_given($1, r.id, r.input) AS i;

-- name: trace_family
-- The run and those that it started, and they, oldest first.
-- params: tenant int4, run int8, limit int4
WITH RECURSIVE family AS (
    SELECT r.id FROM run r WHERE r.tenant_id = $1 AND r.id = $2
     UNION
    SELECT c.id FROM family f JOIN run c ON c.tenant_id = $1 AND c.parent = f.id)
SELECT f.id FROM family f ORDER BY f.id LIMIT $3;
