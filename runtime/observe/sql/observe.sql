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
