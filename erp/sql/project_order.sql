-- project_order.sql: orders and receipts.  Documents arrive in any order: an order that comes late finds
-- the receipts and invoices that named it (their registration holds the same business key, so the two
-- never share a transaction).  A line finds its order line by its number, else by the item, else when
-- the order has only one line.

-- name: project_order_registered
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    SELECT r.* FROM e CROSS JOIN LATERAL jsonb_populate_record(NULL::purchase_order,
               e.body || jsonb_build_object('tenant_id', $1, 'state', 'open', 'version', 1)) AS r
), line AS (
    SELECT r.*, count(*) OVER (PARTITION BY r.order_id) = 1 AS only_one
      FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'lines') AS l
     CROSS JOIN LATERAL jsonb_populate_record(NULL::order_line,
               l || jsonb_build_object('tenant_id', $1, 'order_id', e.body->'id')) AS r
), new_order AS (
    INSERT INTO purchase_order SELECT * FROM head
), new_line AS (
    INSERT INTO order_line
    SELECT tenant_id, order_id, pos, no, item, buyer_item, description, qty, unit, price, base_qty, net, tax_rate
      FROM line
), late_receipt AS (
    UPDATE receipt r SET order_id = h.id
      FROM head h
     WHERE r.tenant_id = $1 AND r.order_id IS NULL AND r.order_ref_norm = h.number_norm AND r.party = h.party
), late_invoice AS (
    UPDATE invoice i SET order_id = h.id
      FROM head h
     WHERE i.tenant_id = $1 AND i.order_id IS NULL AND i.order_ref_norm = h.number_norm AND i.party = h.party
), late_receipt_line AS (
    UPDATE receipt_line x SET order_id = f.order_id, order_pos = f.pos
      FROM (SELECT DISTINCT ON (x2.receipt_id, x2.pos) x2.receipt_id, x2.pos AS line_pos, l.order_id, l.pos
              FROM head h
              JOIN receipt r ON r.tenant_id = $1 AND r.order_id IS NULL AND r.order_ref_norm = h.number_norm
                            AND r.party = h.party
              JOIN receipt_line x2 ON x2.tenant_id = $1 AND x2.receipt_id = r.id
              JOIN line l ON l.order_id = h.id
               AND (x2.order_line = l.no OR x2.item = l.item OR l.only_one)
             ORDER BY x2.receipt_id, x2.pos, x2.order_line IS NOT DISTINCT FROM l.no DESC,
                      x2.item IS NOT DISTINCT FROM l.item DESC, l.pos) AS f
     WHERE x.tenant_id = $1 AND x.receipt_id = f.receipt_id AND x.pos = f.line_pos
)
UPDATE invoice_line x SET order_id = f.order_id, order_pos = f.pos
  FROM (SELECT DISTINCT ON (x2.invoice_id, x2.pos) x2.invoice_id, x2.pos AS line_pos, l.order_id, l.pos
          FROM head h
          JOIN invoice i ON i.tenant_id = $1 AND i.order_id IS NULL AND i.order_ref_norm = h.number_norm
                        AND i.party = h.party
          JOIN invoice_line x2 ON x2.tenant_id = $1 AND x2.invoice_id = i.id
          JOIN line l ON l.order_id = h.id
           AND (x2.order_line = l.no OR x2.item = l.item OR l.only_one)
         ORDER BY x2.invoice_id, x2.pos, x2.order_line IS NOT DISTINCT FROM l.no DESC,
                  x2.item IS NOT DISTINCT FROM l.item DESC, l.pos) AS f
 WHERE x.tenant_id = $1 AND x.invoice_id = f.invoice_id AND x.pos = f.line_pos;

-- name: project_order_changed
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    UPDATE purchase_order o SET version = o.version + 1, net = (e.body->>'net')::bigint
      FROM e WHERE o.tenant_id = $1 AND o.id = (e.body->>'id')::bigint
)
UPDATE order_line l SET qty = (c->>'qty')::numeric, price = (c->>'price')::numeric, net = (c->>'net')::bigint
  FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'lines') AS c
 WHERE l.tenant_id = $1 AND l.order_id = (e.body->>'id')::bigint AND l.pos = (c->>'pos')::int;

-- name: project_receipt_registered
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body, o.id AS order_id
      FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
      LEFT JOIN LATERAL (SELECT min(o.id) AS id FROM purchase_order o
                          WHERE o.tenant_id = $1 AND o.number_norm = e.body->>'order_ref_norm'
                            AND o.party = (e.body->>'party')::bigint) AS o ON true
), head AS (
    INSERT INTO receipt
    SELECT r.* FROM e CROSS JOIN LATERAL jsonb_populate_record(NULL::receipt,
               e.body || jsonb_build_object('tenant_id', $1, 'order_id', e.order_id, 'version', 1)) AS r
)
INSERT INTO receipt_line
SELECT r.*
  FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'lines') AS l
  LEFT JOIN LATERAL (
       SELECT o.pos FROM order_line o
        WHERE o.tenant_id = $1 AND o.order_id = e.order_id
          AND (o.no = l->>'order_line' OR o.item = l->>'item'
               OR NOT EXISTS (SELECT FROM order_line q WHERE q.tenant_id = $1 AND q.order_id = e.order_id
                                 AND q.pos <> o.pos))
        ORDER BY o.no IS NOT DISTINCT FROM l->>'order_line' DESC,
                 o.item IS NOT DISTINCT FROM l->>'item' DESC, o.pos
        LIMIT 1) AS m ON true
 CROSS JOIN LATERAL jsonb_populate_record(NULL::receipt_line,
           l || jsonb_build_object('tenant_id', $1, 'receipt_id', e.body->'id',
                                   'counts', e.body->>'kind' = 'receipt',
                                   'order_id', CASE WHEN m.pos IS NOT NULL THEN e.order_id END,
                                   'order_pos', m.pos)) AS r;
