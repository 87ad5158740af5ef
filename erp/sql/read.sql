-- read.sql: what agents may read: erp.get, erp.find, erp.history.  One statement, one value, bounded.

-- name: erp_read
-- name 'erp.get'     {kind, id}: one thing with its lines; JSON null when there is none
--      'erp.find'    {kind, party?, state?, number?, order?, limit?}: newest first, at most 100
--      'erp.history' {kind, id, limit?}: the events of one stream, oldest first, at most 200
-- kind: invoice, order, receipt, credit_note, party, payment, bank_line, open_item, entry, account
-- Quantities and prices leave as text, amounts as integers: no reader meets a float.
-- params: tenant int4, name text, args jsonb
SELECT coalesce(CASE $2
    WHEN 'erp.get' THEN CASE $3->>'kind'
        WHEN 'invoice' THEN (
            SELECT to_jsonb(i) - 'tenant_id' || jsonb_build_object(
                       'vendor', erp_party_state($1, i.party),
                       'exceptions', erp_exceptions_of($1, 'invoice:' || i.id),
                       'lines', (SELECT jsonb_agg(jsonb_build_object('pos', l.pos, 'no', l.no, 'item', l.item,
                                            'description', l.description, 'qty', erp_qty_text(l.qty),
                                            'price', erp_qty_text(l.price), 'net', l.net, 'order', l.order_id,
                                            'order_pos', l.order_pos, 'accepted', to_jsonb(l.accepted)) ORDER BY l.pos)
                                   FROM (SELECT * FROM invoice_line x WHERE x.tenant_id = $1 AND x.invoice_id = i.id
                                          ORDER BY x.pos LIMIT 500) AS l),
                       'taxes', (SELECT jsonb_agg(jsonb_build_object('category', t.category, 'rate', erp_qty_text(t.rate),
                                            'base', t.base, 'tax', t.tax) ORDER BY t.pos)
                                   FROM invoice_tax t WHERE t.tenant_id = $1 AND t.invoice_id = i.id))
              FROM invoice i WHERE i.tenant_id = $1 AND i.id = ($3->>'id')::bigint)
        WHEN 'order' THEN (
            SELECT to_jsonb(o) - 'tenant_id' || jsonb_build_object(
                       'vendor', erp_party_state($1, o.party),
                       'lines', (SELECT jsonb_agg(jsonb_build_object('pos', l.pos, 'no', l.no, 'item', l.item,
                                            'qty', erp_qty_text(l.qty), 'price', erp_qty_text(l.price), 'net', l.net,
                                            'received', (SELECT erp_qty_text(coalesce(sum(r.qty - r.rejected_qty), 0)) FROM receipt_line r
                                                          WHERE r.tenant_id = $1 AND r.order_id = o.id AND r.order_pos = l.pos AND r.counts),
                                            'invoiced', (SELECT erp_qty_text(coalesce(sum(v.qty), 0)) FROM invoice_line v
                                                          WHERE v.tenant_id = $1 AND v.order_id = o.id AND v.order_pos = l.pos)) ORDER BY l.pos)
                                   FROM (SELECT * FROM order_line x WHERE x.tenant_id = $1 AND x.order_id = o.id
                                          ORDER BY x.pos LIMIT 500) AS l))
              FROM purchase_order o WHERE o.tenant_id = $1 AND o.id = ($3->>'id')::bigint)
        WHEN 'party' THEN erp_party_state($1, ($3->>'id')::bigint)
        WHEN 'credit_note' THEN (SELECT to_jsonb(c) - 'tenant_id' FROM credit_note c
                                  WHERE c.tenant_id = $1 AND c.id = ($3->>'id')::bigint)
        WHEN 'payment' THEN (SELECT to_jsonb(p) - 'tenant_id' FROM payment p
                              WHERE p.tenant_id = $1 AND p.id = ($3->>'id')::bigint)
        WHEN 'bank_line' THEN (SELECT to_jsonb(b) - 'tenant_id' - 'fp' FROM bank_line b
                                WHERE b.tenant_id = $1 AND b.id = ($3->>'id')::bigint)
        WHEN 'open_item' THEN (SELECT to_jsonb(o) - 'tenant_id' FROM open_item o
                                WHERE o.tenant_id = $1 AND o.id = ($3->>'id')::bigint)
        WHEN 'account' THEN erp_account_state($1, $3->>'id')
        WHEN 'entry' THEN (
            SELECT to_jsonb(j) - 'tenant_id' || jsonb_build_object(
                       'lines', (SELECT jsonb_agg(to_jsonb(l) - 'tenant_id' - 'je_id' ORDER BY l.no)
                                   FROM jl l WHERE l.tenant_id = $1 AND l.je_id = j.id))
              FROM je j WHERE j.tenant_id = $1 AND j.id = ($3->>'id')::bigint) END
    WHEN 'erp.find' THEN (
        SELECT coalesce(jsonb_agg(f.found ORDER BY f.id DESC), '[]')
          FROM (SELECT x.id, x.found FROM (
                    SELECT i.id, to_jsonb(i) - 'tenant_id' - 'findings' - 'allowance_lines' AS found FROM invoice i
                     WHERE $3->>'kind' = 'invoice' AND i.tenant_id = $1
                       AND (NOT $3 ? 'party' OR i.party = ($3->>'party')::bigint)
                       AND (NOT $3 ? 'state' OR i.state = $3->>'state')
                       AND (NOT $3 ? 'order' OR i.order_id = ($3->>'order')::bigint)
                       AND (NOT $3 ? 'number' OR i.number_norm = erp_norm_number($3->>'number'))
                    UNION ALL
                    SELECT o.id, to_jsonb(o) - 'tenant_id' - 'findings' FROM purchase_order o
                     WHERE $3->>'kind' = 'order' AND o.tenant_id = $1
                       AND (NOT $3 ? 'party' OR o.party = ($3->>'party')::bigint)
                       AND (NOT $3 ? 'state' OR o.state = $3->>'state')
                       AND (NOT $3 ? 'number' OR o.number_norm = erp_norm_number($3->>'number'))
                    UNION ALL
                    SELECT r.id, to_jsonb(r) - 'tenant_id' FROM receipt r
                     WHERE $3->>'kind' = 'receipt' AND r.tenant_id = $1
                       AND (NOT $3 ? 'party' OR r.party = ($3->>'party')::bigint)
                       AND (NOT $3 ? 'order' OR r.order_id = ($3->>'order')::bigint)
                    UNION ALL
                    SELECT c.id, to_jsonb(c) - 'tenant_id' - 'findings' FROM credit_note c
                     WHERE $3->>'kind' = 'credit_note' AND c.tenant_id = $1
                       AND (NOT $3 ? 'party' OR c.party = ($3->>'party')::bigint)
                       AND (NOT $3 ? 'state' OR c.state = $3->>'state')
                    UNION ALL
                    SELECT p.id, erp_party_state($1, p.id) FROM party p
                     WHERE $3->>'kind' = 'party' AND p.tenant_id = $1
                       AND (NOT $3 ? 'state' OR p.status = $3->>'state')
                       AND (NOT $3 ? 'number' OR p.name_norm = erp_norm($3->>'number') OR p.ext_id = $3->>'number')
                    UNION ALL
                    SELECT y.id, to_jsonb(y) - 'tenant_id' FROM payment y
                     WHERE $3->>'kind' = 'payment' AND y.tenant_id = $1
                       AND (NOT $3 ? 'party' OR y.party = ($3->>'party')::bigint)
                       AND (NOT $3 ? 'state' OR y.state = $3->>'state')
                    UNION ALL
                    SELECT b.id, to_jsonb(b) - 'tenant_id' - 'fp' FROM bank_line b
                     WHERE $3->>'kind' = 'bank_line' AND b.tenant_id = $1
                       AND (NOT $3 ? 'state' OR b.state = $3->>'state')
                    UNION ALL
                    SELECT t.id, to_jsonb(t) - 'tenant_id' FROM open_item t
                     WHERE $3->>'kind' = 'open_item' AND t.tenant_id = $1
                       AND (NOT $3 ? 'party' OR t.party = ($3->>'party')::bigint)
                       AND (NOT $3 ? 'number' OR t.ref_norm = erp_norm_number($3->>'number'))
                       AND t.open <> 0) AS x
                 ORDER BY x.id DESC
                 LIMIT least(coalesce(($3->>'limit')::int, 20), 100)) AS f)
    WHEN 'erp.history' THEN (
        SELECT coalesce(jsonb_agg(jsonb_build_object('seq', h.seq, 'version', h.version, 'type', h.type,
                            'on', h.occurred_on, 'at', h.recorded_at, 'actor', h.actor, 'body', h.body) ORDER BY h.version), '[]')
          FROM (SELECT * FROM event e
                 WHERE e.tenant_id = $1 AND e.stream = ($3->>'kind') || ':' || ($3->>'id')
                 ORDER BY e.version LIMIT least(coalesce(($3->>'limit')::int, 50), 200)) AS h)
    END, 'null') AS value;
