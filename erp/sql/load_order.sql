-- load_order.sql: the state behind order.register, order.change, receipt.register.

-- name: load_document
-- Any document about to be registered: its supplier, and whether we have it already.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'party', p.state,
           'same', coalesce(s.same, '[]'),
           'facts', jsonb_build_object(
               'known', coalesce(jsonb_array_length(s.same), 0) > 0,
               'vendor', p.state,
               'amount', jsonb_build_object(
                   'minor', coalesce((u.args#>>'{totals,payable_minor}')::bigint,
                                     (u.args->>'total_minor')::bigint, 0),
                   'currency', u.args->>'currency'))) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args)
 CROSS JOIN LATERAL (SELECT erp_find_party($1, u.args->'supplier') AS id) AS f
 CROSS JOIN LATERAL (SELECT erp_party_state($1, f.id) AS state) AS p
 CROSS JOIN LATERAL (
       SELECT jsonb_agg(jsonb_build_object('id', d.id, 'file', d.file_sha256) ORDER BY d.id) AS same
         FROM (SELECT o.id, o.file_sha256 FROM purchase_order o
                WHERE u.args->>'kind' = 'order' AND o.tenant_id = $1 AND o.party = f.id
                  AND o.number_norm = (SELECT erp_norm_number(u.args->>'number'))
               UNION ALL
               SELECT r.id, r.file_sha256 FROM receipt r
                WHERE r.kind = (SELECT u.args->>'kind') AND r.tenant_id = $1 AND r.party = f.id
                  AND r.number_norm = (SELECT erp_norm_number(u.args->>'number'))
               UNION ALL
               SELECT i.id, i.file_sha256 FROM invoice i
                WHERE u.args->>'kind' = 'invoice' AND i.tenant_id = $1 AND i.party = f.id
                  AND i.number_norm = (SELECT erp_norm_number(u.args->>'number'))
               UNION ALL
               SELECT c.id, c.file_sha256 FROM credit_note c
                WHERE u.args->>'kind' = 'credit_note' AND c.tenant_id = $1 AND c.party = f.id
                  AND c.number_norm = (SELECT erp_norm_number(u.args->>'number'))
               UNION ALL
               SELECT m.id, m.file_sha256 FROM remittance m
                WHERE u.args->>'kind' = 'remittance' AND m.tenant_id = $1 AND m.party = f.id
                  AND m.number_norm = (SELECT erp_norm_number(u.args->>'number'))) AS d) AS s;

-- name: load_order_change
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'order', to_jsonb(o) - 'tenant_id' - 'findings',
           'lines', (SELECT jsonb_agg(jsonb_build_object(
                                'pos', l.pos, 'no', l.no, 'qty', l.qty::text, 'price', l.price::text,
                                'base_qty', l.base_qty::text, 'net', l.net,
                                'received', (SELECT coalesce(sum(r.qty - r.rejected_qty), 0)::text FROM receipt_line r
                                              WHERE r.tenant_id = $1 AND r.order_id = l.order_id
                                                AND r.order_pos = l.pos AND r.counts)) ORDER BY l.pos)
                       FROM order_line l WHERE l.tenant_id = $1 AND l.order_id = o.id),
           'facts', jsonb_build_object(
               'version', o.version, 'state', o.state, 'vendor', erp_party_state($1, o.party),
               'amount', jsonb_build_object('minor', coalesce(o.net, 0), 'currency', o.currency))) AS state
  FROM (SELECT a.unit, a.args, (a.args->>'order')::bigint AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN purchase_order o ON o.tenant_id = $1 AND o.id = u.key;
