-- 0063_detect_purchase: three-way match.  Order, receipt and invoice lines meet by (order_id, order_pos).

-- F01 price variance: the unit price of the invoice against that of the order, over PP in percent and in
-- money of the line.
CREATE FUNCTION detect_f01(tenant int, today date) RETURNS SETOF finding LANGUAGE sql STABLE
SET work_mem = '256MB' SET jit = off AS $$
    SELECT 'F01', 1, 'invoice:' || i.id || ':line:' || l.pos, 'invoice:' || i.id, i.party,
           format('Invoice %s line %s: price %s, ordered at %s; %s on %s', i.number, l.no,
                  erp_qty_text(l.unit_price), erp_qty_text(o.price / o.base_qty),
                  erp_money_text(l.variance, i.currency), erp_qty_text(l.qty)),
           jsonb_build_object('invoice', i.id, 'number', i.number, 'line', l.no, 'variance', 'PP',
               'order', o.order_id, 'order_line', o.no, 'item', o.item,
               'qty', erp_qty_text(l.qty), 'price_invoiced', erp_qty_text(l.unit_price),
               'price_ordered', erp_qty_text(o.price / o.base_qty),
               'too_much', l.variance > 0 AND l.unit_price > o.price / o.base_qty,
               'amount', jsonb_build_object('minor', l.variance, 'currency', i.currency)),
           l.variance, i.currency::text
      FROM (SELECT l.*, x.unit_price, t.pct_bp, t.amount AS bound,
                   abs(erp_line_amount(l.qty, x.unit_price, 1, h.currency)
                       - erp_line_amount(l.qty, q.price, q.base_qty, h.currency)) AS variance,
                   abs(x.unit_price - q.price / q.base_qty) * 10000 > t.pct_bp * (q.price / q.base_qty) AS over_pct
              FROM invoice_line l
              JOIN invoice h ON h.tenant_id = tenant AND h.id = l.invoice_id AND h.state <> 'rejected'
              JOIN order_line q ON q.tenant_id = tenant AND q.order_id = l.order_id AND q.pos = l.order_pos
                               AND q.price IS NOT NULL AND q.base_qty <> 0
             CROSS JOIN erp_tolerance(tenant, 'PP') AS t
             CROSS JOIN LATERAL (SELECT CASE WHEN l.price IS NULL OR l.base_qty = 0
                                             THEN l.net / erp_minor(h.currency) / nullif(l.qty, 0)
                                             ELSE l.price / l.base_qty END AS unit_price OFFSET 0) AS x
             WHERE l.tenant_id = tenant AND l.order_id IS NOT NULL AND NOT 'PP' = ANY (l.accepted)
               AND (l.price * q.base_qty = q.price * l.base_qty) IS NOT TRUE -- cheap; leaves few
               AND x.unit_price <> q.price / q.base_qty) AS l
      JOIN invoice i ON i.tenant_id = tenant AND i.id = l.invoice_id
      JOIN order_line o ON o.tenant_id = tenant AND o.order_id = l.order_id AND o.pos = l.order_pos
     WHERE l.over_pct AND l.variance > l.bound
$$;

-- F02 invoiced above received: running quantity of an order line's invoices, oldest first, against what
-- was received and not rejected.  Before anything came at all, the invoice waits for ST days.
CREATE FUNCTION detect_f02(tenant int, today date) RETURNS SETOF finding LANGUAGE sql STABLE
SET work_mem = '256MB' SET jit = off AS $$
    WITH over AS MATERIALIZED ( -- order lines with more invoiced than received, rejected invoices included
        SELECT i.order_id, i.order_pos, g.qty
          FROM (SELECT order_id, order_pos, sum(qty) AS qty FROM invoice_line
                 WHERE tenant_id = tenant AND order_id IS NOT NULL GROUP BY order_id, order_pos) AS i
          LEFT JOIN (SELECT order_id, order_pos, sum(qty - rejected_qty) AS qty FROM receipt_line
                      WHERE tenant_id = tenant AND order_id IS NOT NULL AND counts
                      GROUP BY order_id, order_pos) AS g USING (order_id, order_pos)
         WHERE i.qty > coalesce(g.qty, 0)
    )
    SELECT 'F02', 1, 'invoice:' || s.invoice_id || ':line:' || s.pos, 'invoice:' || s.invoice_id, s.party,
           format('Invoice %s line %s: %s invoiced, %s received; %s too much', s.number, s.no,
                  erp_qty_text(s.running), erp_qty_text(s.received), erp_qty_text(s.excess)),
           jsonb_build_object('invoice', s.invoice_id, 'number', s.number, 'line', s.no, 'variance', 'DQ',
               'order', s.order_id, 'order_pos', s.order_pos, 'qty_invoiced', erp_qty_text(s.running),
               'qty_received', erp_qty_text(s.received), 'qty_excess', erp_qty_text(s.excess),
               'amount', jsonb_build_object('minor', s.money, 'currency', s.currency)),
           s.money, s.currency::text
      FROM (SELECT r.*, erp_line_amount(r.excess, coalesce(r.price, r.net / erp_minor(r.currency) / nullif(r.qty, 0)),
                                        CASE WHEN r.price IS NULL THEN 1 ELSE r.base_qty END, r.currency) AS money
              FROM (SELECT l.*, coalesce(g.qty, 0) AS received,
                           least(l.qty, l.running - coalesce(g.qty, 0)) AS excess
                      FROM (SELECT l.invoice_id, l.pos, l.no, l.order_id, l.order_pos, l.qty, l.price, l.base_qty,
                                   l.net, l.accepted, i.number, i.party, i.currency, i.issued,
                                   sum(l.qty) OVER (PARTITION BY l.order_id, l.order_pos
                                                    ORDER BY i.issued, i.id, l.pos) AS running
                              FROM over o
                              JOIN invoice_line l ON l.tenant_id = tenant AND l.order_id = o.order_id
                                                 AND l.order_pos = o.order_pos
                              JOIN invoice i ON i.tenant_id = tenant AND i.id = l.invoice_id AND i.state <> 'rejected') AS l
                      JOIN over AS g ON g.order_id = l.order_id AND g.order_pos = l.order_pos
                     CROSS JOIN erp_tolerance(tenant, 'DQ') AS t
                     CROSS JOIN erp_tolerance(tenant, 'ST') AS late
                     WHERE l.running > coalesce(g.qty, 0) * (1 + t.pct_bp / 10000.0)
                       AND (g.qty IS NOT NULL OR l.issued + late.days <= today)
                       AND NOT 'DQ' = ANY (l.accepted)) AS r) AS s
$$;

-- F04 the order is missing or wrong: none named by a supplier we order from, or one we do not have.
CREATE FUNCTION detect_f04(tenant int, today date) RETURNS SETOF finding LANGUAGE sql STABLE
SET work_mem = '256MB' SET jit = off AS $$
    SELECT 'F04', 1, 'invoice:' || i.id || ':order', 'invoice:' || i.id, i.party,
           CASE WHEN i.order_ref IS NULL THEN format('Invoice %s of %s names no order', i.number, p.name)
                ELSE format('Invoice %s names order %s, which %s', i.number, i.order_ref,
                            CASE WHEN o.id IS NULL THEN 'we do not have' ELSE 'is of another supplier' END) END,
           jsonb_build_object('invoice', i.id, 'number', i.number, 'order_ref', i.order_ref,
               'candidates', coalesce((
                   SELECT jsonb_agg(c.candidate ORDER BY c.distance)
                     FROM (SELECT jsonb_build_object('order', q.id, 'number', q.number, 'issued', q.issued,
                                      'net', q.net, 'currency', q.currency) AS candidate,
                                  abs(coalesce(q.net, 0) - i.net) AS distance
                             FROM purchase_order q
                            WHERE q.tenant_id = tenant AND q.party = i.party AND q.state = 'open'
                              AND q.currency = i.currency
                            ORDER BY abs(coalesce(q.net, 0) - i.net), q.id LIMIT 3) AS c), '[]')),
           i.payable, i.currency::text
      FROM invoice i
      JOIN party p ON p.tenant_id = tenant AND p.id = i.party
      LEFT JOIN LATERAL (SELECT min(x.id) AS id FROM purchase_order x
                          WHERE x.tenant_id = tenant AND x.number_norm = i.order_ref_norm) AS o ON true
     WHERE i.tenant_id = tenant AND i.order_id IS NULL AND i.state IN ('registered', 'held')
       AND (i.order_ref IS NOT NULL OR p.expense_account IS NULL)
$$;
