-- load_invoice.sql: the state behind everything that is done to an invoice or a credit note.

-- name: load_invoice
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'invoice', erp_invoice_state($1, i.id), 'facts', erp_invoice_facts($1, i.id)) AS state
  FROM (SELECT a.unit, a.args, (a.args->>'invoice')::bigint AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN invoice i ON i.tenant_id = $1 AND i.id = u.key;

-- name: load_invoice_reject
-- "is_duplicate": the invoice that the request names as the original stands in the books with the same
-- supplier, number, currency and sum, so that nobody need compare the two.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'invoice', erp_invoice_state($1, i.id),
           'facts', erp_invoice_facts($1, i.id) || jsonb_build_object(
               'is_duplicate', EXISTS (
                   SELECT FROM invoice o
                    WHERE o.tenant_id = $1 AND o.id = u.original AND o.id <> i.id AND o.party = i.party
                      AND o.number_norm = i.number_norm AND o.currency = i.currency
                      AND o.payable = i.payable AND o.state <> 'rejected'))) AS state
  FROM (SELECT a.unit, (a.args->>'invoice')::bigint AS key, (a.args->>'duplicate_of')::bigint AS original
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN invoice i ON i.tenant_id = $1 AND i.id = u.key;

-- name: load_invoice_post
-- Lines with the account they would be posted to, roles, locks, and an invoice that is the same one.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'invoice', erp_invoice_state($1, i.id),
           'party', erp_party_state($1, i.party),
           'lines', (SELECT jsonb_agg(jsonb_build_object('no', l.no, 'net', l.net,
                                          'ordered', l.order_id IS NOT NULL) ORDER BY l.pos)
                       FROM invoice_line l WHERE l.tenant_id = $1 AND l.invoice_id = i.id),
           'accounts', (SELECT jsonb_object_agg(a.number, jsonb_build_object('name', a.name, 'active', a.active))
                          FROM account a WHERE a.tenant_id = $1
                           AND (a.number = (SELECT p.expense_account FROM party p
                                             WHERE p.tenant_id = $1 AND p.id = i.party)
                                OR a.number IN (SELECT x->>'account' FROM jsonb_array_elements(
                                                    coalesce(u.args->'assignments', '[]')) x))),
           'roles', erp_roles($1), 'locks', erp_locks($1),
           'twin', (SELECT min(o.id) FROM invoice o
                     WHERE o.tenant_id = $1 AND o.party = i.party AND o.number_norm = i.number_norm
                       AND o.currency = i.currency AND o.payable = i.payable AND o.id <> i.id
                       AND (o.state IN ('posted', 'paid') OR o.state_before = 'posted')),
           'facts', erp_invoice_facts($1, i.id)) AS state
  FROM (SELECT a.unit, a.args, (a.args->>'invoice')::bigint AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN invoice i ON i.tenant_id = $1 AND i.id = u.key;

-- name: load_invoice_link
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'invoice', erp_invoice_state($1, i.id),
           'lines', (SELECT jsonb_agg(jsonb_build_object('pos', l.pos, 'no', l.no, 'item', l.item,
                                          'order_line', l.order_line,
                                          'order_id', l.order_id, 'order_pos', l.order_pos) ORDER BY l.pos)
                       FROM invoice_line l WHERE l.tenant_id = $1 AND l.invoice_id = i.id),
           'order', (SELECT to_jsonb(o) - 'tenant_id' - 'findings' FROM purchase_order o
                      WHERE o.tenant_id = $1 AND o.id = (SELECT (u.args->>'order')::bigint)),
           'order_lines', (SELECT jsonb_agg(jsonb_build_object('pos', l.pos, 'no', l.no, 'item', l.item)
                                            ORDER BY l.pos)
                             FROM order_line l
                            WHERE l.tenant_id = $1 AND l.order_id = (SELECT (u.args->>'order')::bigint)),
           'facts', erp_invoice_facts($1, i.id)) AS state
  FROM (SELECT a.unit, a.args, (a.args->>'invoice')::bigint AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN invoice i ON i.tenant_id = $1 AND i.id = u.key;

-- name: load_invoice_line
-- One line with what was ordered and received, for variances.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'invoice', erp_invoice_state($1, i.id),
           'line', (SELECT jsonb_build_object(
                               'pos', l.pos, 'no', l.no, 'accepted', to_jsonb(l.accepted),
                               'price_variance', abs(l.net - erp_line_amount(l.qty, o.price, o.base_qty, i.currency)),
                               'quantity_variance', erp_line_amount(greatest(l.qty - r.qty, 0), l.price, l.base_qty, i.currency))
                      FROM invoice_line l
                      LEFT JOIN order_line o ON o.tenant_id = $1 AND o.order_id = l.order_id AND o.pos = l.order_pos
                     CROSS JOIN LATERAL (SELECT coalesce(sum(x.qty - x.rejected_qty), 0) AS qty FROM receipt_line x
                                          WHERE x.tenant_id = $1 AND x.order_id = l.order_id
                                            AND x.order_pos = l.order_pos AND x.counts) AS r
                     WHERE l.tenant_id = $1 AND l.invoice_id = i.id AND l.no = (SELECT u.args->>'line')
                     ORDER BY l.pos LIMIT 1),
           'facts', erp_invoice_facts($1, i.id)) AS state
  FROM (SELECT a.unit, a.args, (a.args->>'invoice')::bigint AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN invoice i ON i.tenant_id = $1 AND i.id = u.key;

-- name: load_credit_note
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'credit_note', to_jsonb(c) - 'tenant_id' - 'findings',
           'party', erp_party_state($1, c.party),
           'ordered', coalesce((SELECT i.order_id IS NOT NULL FROM invoice i
                                 WHERE i.tenant_id = $1 AND i.id = c.invoice_id), false),
           'accounts', (SELECT jsonb_object_agg(a.number, jsonb_build_object('name', a.name, 'active', a.active))
                          FROM account a WHERE a.tenant_id = $1
                           AND a.number = (SELECT p.expense_account FROM party p
                                            WHERE p.tenant_id = $1 AND p.id = c.party)),
           'twin', (SELECT min(o.id) FROM credit_note o
                     WHERE o.tenant_id = $1 AND o.party = c.party AND o.number_norm = c.number_norm
                       AND o.payable = c.payable AND o.id <> c.id AND o.state = 'posted'),
           'roles', erp_roles($1), 'locks', erp_locks($1),
           'facts', jsonb_build_object(
               'version', c.version, 'state', c.state, 'vendor', erp_party_state($1, c.party),
               'amount', jsonb_build_object('minor', c.payable, 'currency', c.currency))) AS state
  FROM (SELECT a.unit, a.args, (a.args->>'credit_note')::bigint AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN credit_note c ON c.tenant_id = $1 AND c.id = u.key;

-- name: load_credit_request
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'request', to_jsonb(q) - 'tenant_id',
           'facts', jsonb_build_object(
               'version', q.version, 'state', q.state, 'vendor', erp_party_state($1, q.party),
               'amount', jsonb_build_object('minor', q.amount, 'currency', q.currency))) AS state
  FROM (SELECT a.unit, a.args, (a.args->>'request')::bigint AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN credit_request q ON q.tenant_id = $1 AND q.id = u.key;
