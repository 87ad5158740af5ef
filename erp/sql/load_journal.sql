-- load_journal.sql: the state behind manual entries and reversals.

-- name: load_journal_post
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'accounts', (SELECT jsonb_object_agg(a.number, jsonb_build_object(
                                   'name', a.name, 'active', a.active, 'manual', a.manual, 'currency', a.currency))
                          FROM account a WHERE a.tenant_id = $1
                           AND a.number IN (SELECT l->>'account' FROM jsonb_array_elements(u.args->'lines') l)),
           'locks', erp_locks($1),
           'facts', (SELECT jsonb_build_object('amount', jsonb_build_object(
                                'minor', coalesce(sum((l->>'amount_minor')::bigint)
                                                  FILTER (WHERE (l->>'amount_minor')::bigint > 0), 0)::bigint,
                                'currency', min(l->>'currency')))
                       FROM jsonb_array_elements(u.args->'lines') l)) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args);

-- name: load_journal_entry
-- The entry, its lines with account names, the open item it made and the document behind it.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'je', to_jsonb(j) - 'tenant_id',
           'lines', s.lines,
           'item', (SELECT to_jsonb(o) - 'tenant_id' FROM open_item o
                     WHERE o.tenant_id = $1 AND o.doc_kind = j.doc_kind AND o.doc_id = j.doc_id
                       AND o.je_id = j.id),
           'invoice', CASE WHEN j.doc_kind = 'invoice' THEN erp_invoice_state($1, j.doc_id) END,
           'credit_note', CASE WHEN j.doc_kind = 'credit_note' THEN
               (SELECT to_jsonb(c) - 'tenant_id' - 'findings' FROM credit_note c
                 WHERE c.tenant_id = $1 AND c.id = j.doc_id) END,
           'locks', erp_locks($1),
           'facts', jsonb_build_object('version', j.version, 'doc_kind', j.doc_kind,
               'amount', jsonb_build_object('minor', s.debit, 'currency', s.currency))) AS state
  FROM (SELECT a.unit, a.args, (a.args->>'entry')::bigint AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN je j ON j.tenant_id = $1 AND j.id = u.key
 CROSS JOIN LATERAL (
       SELECT jsonb_agg(to_jsonb(l) - 'tenant_id' - 'je_id' || jsonb_build_object('name', a.name) ORDER BY l.no) AS lines,
              coalesce(sum(l.amount) FILTER (WHERE l.amount > 0), 0)::bigint AS debit, min(l.currency) AS currency
         FROM jl l JOIN account a ON a.tenant_id = $1 AND a.number = l.account
        WHERE l.tenant_id = $1 AND l.je_id = j.id) AS s;
