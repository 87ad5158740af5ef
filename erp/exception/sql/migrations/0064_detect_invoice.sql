-- 0064_detect_invoice: the invoice by itself, against its twins, and against master data.

-- F07 exact duplicate: same supplier, normalised number, currency and amount; the first one stands.
CREATE FUNCTION detect_f07(tenant int, today date) RETURNS SETOF finding LANGUAGE sql STABLE
SET work_mem = '256MB' SET jit = off AS $$
    SELECT 'F07', 1, 'invoice:' || d.id || ':duplicate', 'invoice:' || d.id, d.party,
           format('Invoice %s over %s is here twice', d.number, erp_money_text(d.payable, d.currency)),
           jsonb_build_object('invoice', d.id, 'number', d.number, 'other', d.first, 'other_number', d.first_number,
               'other_state', d.first_state, 'file', d.file_sha256, 'other_file', d.first_file,
               'amount', jsonb_build_object('minor', d.payable, 'currency', d.currency)),
           d.payable, d.currency::text
      FROM (SELECT i.*, first_value(i.id) OVER w AS first, first_value(i.number) OVER w AS first_number,
                   first_value(i.state) OVER w AS first_state, first_value(i.file_sha256) OVER w AS first_file
              FROM (SELECT v.id, v.party, v.number, v.number_norm, v.currency, v.payable, v.state, v.file_sha256,
                           v.distinct_from FROM invoice v
                     WHERE v.tenant_id = tenant AND v.state <> 'rejected' AND v.number_norm <> '') AS i
            WINDOW w AS (PARTITION BY i.party, i.number_norm, i.currency, i.payable
                         ORDER BY (i.state IN ('posted', 'paid')) DESC, i.id)) AS d
     WHERE d.id <> d.first AND NOT d.first = ANY (d.distinct_from)
$$;

-- F08 probable duplicate: same supplier, currency and amount within DUP days under another number, and
-- either the numbers differ by one typing error, or order or date are the same.
CREATE FUNCTION detect_f08(tenant int, today date) RETURNS SETOF finding LANGUAGE sql STABLE
SET work_mem = '256MB' SET jit = off AS $$
    SELECT 'F08', 1, 'invoice:' || d.id || ':like:' || d.other, 'invoice:' || d.id, d.party,
           format('Invoice %s over %s looks like %s', d.number, erp_money_text(d.payable, d.currency), d.other_number),
           jsonb_build_object('invoice', d.id, 'number', d.number, 'issued', d.issued, 'other', d.other,
               'other_number', d.other_number, 'other_issued', d.other_issued, 'reasons', d.reasons,
               'amount', jsonb_build_object('minor', d.payable, 'currency', d.currency)),
           d.payable, d.currency::text
      FROM (SELECT DISTINCT ON (i.id) i.id, i.party, i.number, i.issued, i.payable, i.currency,
                   o.id AS other, o.number AS other_number, o.issued AS other_issued, r.reasons
              FROM (SELECT v.*, lag(v.id, 1) OVER w AS p1, lag(v.id, 2) OVER w AS p2, lag(v.id, 3) OVER w AS p3,
                           lag(v.issued, 1) OVER w AS d1
                      FROM (SELECT x.id, x.party, x.number, x.number_norm, x.currency, x.payable, x.issued,
                                   x.order_id, x.distinct_from FROM invoice x
                             WHERE x.tenant_id = tenant AND x.state <> 'rejected') AS v
                    WINDOW w AS (PARTITION BY v.party, v.currency, v.payable ORDER BY v.issued, v.id)) AS i
             CROSS JOIN erp_tolerance(tenant, 'DUP') AS t
             CROSS JOIN LATERAL unnest(ARRAY[i.p1, i.p2, i.p3]) AS c(id)
              JOIN invoice o ON o.tenant_id = tenant AND o.id = c.id
             CROSS JOIN LATERAL (SELECT array_remove(ARRAY[
                        CASE WHEN erp_near(i.number_norm, o.number_norm) THEN 'number' END,
                        CASE WHEN i.order_id = o.order_id THEN 'order' END,
                        CASE WHEN i.issued = o.issued THEN 'date' END], NULL) AS reasons) AS r
             WHERE i.p1 IS NOT NULL AND i.issued - i.d1 <= t.days
               AND i.issued - o.issued <= t.days AND i.number_norm <> o.number_norm
               AND r.reasons <> '{}'
               AND NOT o.id = ANY (i.distinct_from) AND NOT i.id = ANY (o.distinct_from)
             ORDER BY i.id, cardinality(r.reasons) DESC, o.id DESC) AS d
$$;

-- F09 the document contradicts itself: EN 16931 sum rules broken at import, or an order line whose
-- amount is not quantity x price.
CREATE FUNCTION detect_f09(tenant int, today date) RETURNS SETOF finding LANGUAGE sql STABLE
SET work_mem = '256MB' SET jit = off AS $$
    SELECT 'F09', 1, 'invoice:' || i.id || ':sums', 'invoice:' || i.id, i.party,
           format('Invoice %s breaks %s', i.number, f.rules),
           jsonb_build_object('invoice', i.id, 'number', i.number, 'findings', f.list,
               'amount', jsonb_build_object('minor', i.payable, 'currency', i.currency)),
           i.payable, i.currency::text
      FROM invoice i
     CROSS JOIN LATERAL (SELECT string_agg(DISTINCT x->>'rule', ', ') AS rules, jsonb_agg(x) AS list
                           FROM jsonb_array_elements(i.findings) AS x
                          WHERE x->>'rule' IN ('BR-CO-10', 'BR-CO-11', 'BR-CO-12', 'BR-CO-13', 'BR-CO-15',
                                               'BR-CO-16', 'RV-LINE-NET')) AS f
     WHERE i.tenant_id = tenant AND i.findings <> '[]' AND i.state IN ('registered', 'held') AND f.rules IS NOT NULL
    UNION ALL
    SELECT 'F09', 1, 'order:' || o.id || ':line:' || l.pos, 'order:' || o.id, o.party,
           format('Order %s line %s: %s x %s is %s, stated as %s', o.number, l.no, erp_qty_text(l.qty),
                  erp_qty_text(l.price / l.base_qty), erp_money_text(l.computed, o.currency),
                  erp_money_text(l.net, o.currency)),
           jsonb_build_object('order', o.id, 'number', o.number, 'line', l.no, 'qty', erp_qty_text(l.qty),
               'price', erp_qty_text(l.price), 'base_qty', erp_qty_text(l.base_qty),
               'version', o.version,
               'stated', jsonb_build_object('minor', l.net, 'currency', o.currency),
               'computed', jsonb_build_object('minor', l.computed, 'currency', o.currency)),
           abs(l.computed - l.net), o.currency::text
      FROM purchase_order o
      JOIN (SELECT x.*, erp_line_amount(x.qty, x.price, x.base_qty, h.currency) AS computed
              FROM order_line x JOIN purchase_order h ON h.tenant_id = tenant AND h.id = x.order_id
             WHERE x.tenant_id = tenant AND x.net IS NOT NULL AND x.price IS NOT NULL AND x.base_qty <> 0
               AND x.qty * x.price * erp_minor(h.currency) <> x.net * x.base_qty) AS l -- cheap; leaves few
        ON l.order_id = o.id
     CROSS JOIN erp_tolerance(tenant, 'LINE') AS t
     WHERE o.tenant_id = tenant AND o.state = 'open' AND abs(l.computed - l.net) > t.amount
$$;

-- F10 tax is wrong: a tax row that is not base x rate, or bases that are not the net total (a document
-- allowance forgotten); a rate missing in the breakdown is taken from the lines when they have only one.
CREATE FUNCTION detect_f10(tenant int, today date) RETURNS SETOF finding LANGUAGE sql STABLE
SET work_mem = '256MB' SET jit = off AS $$
    SELECT 'F10', 1, 'invoice:' || i.id || ':tax', 'invoice:' || i.id, i.party,
           CASE WHEN x.expected IS NOT NULL AND x.expected <> i.tax
                THEN format('Invoice %s: tax %s, expected %s', i.number, erp_money_text(i.tax, i.currency),
                            erp_money_text(x.expected, i.currency))
                ELSE format('Invoice %s: tax breakdown does not agree with the document%s', i.number,
                            coalesce(' (' || f.rules || ')', '')) END,
           jsonb_build_object('invoice', i.id, 'number', i.number, 'net', i.net, 'tax_base', s.base,
               'tax', i.tax, 'tax_expected', x.expected, 'rate', erp_qty_text(x.rate), 'rows_off', s.off,
               'allowances', i.allowances, 'charges', i.charges, 'findings', coalesce(f.list, '[]'),
               'amount', jsonb_build_object('minor', coalesce(abs(i.tax - x.expected), abs(s.base - i.net)),
                                            'currency', i.currency)),
           coalesce(abs(i.tax - x.expected), abs(s.base - i.net)), i.currency::text
      FROM invoice i
      JOIN (SELECT v.invoice_id, sum(v.base)::bigint AS base, min(v.rate) AS low, max(v.rate) AS high,
                   count(*) FILTER (WHERE abs(v.tax - round(v.base * v.rate / 100)) > t.amount) AS off
              FROM invoice_tax v CROSS JOIN erp_tolerance(tenant, 'TAX') AS t
             WHERE v.tenant_id = tenant GROUP BY v.invoice_id) AS s ON s.invoice_id = i.id
     CROSS JOIN erp_tolerance(tenant, 'TAX') AS t
     CROSS JOIN LATERAL (SELECT r.rate, round(i.net * r.rate / 100)::bigint AS expected
                           FROM (SELECT CASE WHEN s.low = s.high THEN s.low
                                             WHEN s.low IS NULL THEN
                                                 (SELECT CASE WHEN min(l.tax_rate) = max(l.tax_rate) THEN min(l.tax_rate) END
                                                    FROM invoice_line l
                                                   WHERE l.tenant_id = tenant AND l.invoice_id = i.id) END AS rate
                                 OFFSET 0) AS r) AS x
     CROSS JOIN LATERAL (SELECT string_agg(DISTINCT y->>'rule', ', ') AS rules, jsonb_agg(y) AS list
                           FROM jsonb_array_elements(i.findings) AS y
                          WHERE y->>'rule' IN ('BR-CO-14', 'BR-CO-17', 'BR-CO-18')
                             OR y->>'rule' ~ '^BR-(S|Z|E|AE|IC|G|O|AF|AG|IG|IP|B)-') AS f
     WHERE i.tenant_id = tenant AND i.state IN ('registered', 'held')
       AND (s.off > 0 OR abs(s.base - i.net) > t.amount OR f.rules IS NOT NULL)
$$;

-- F12 the invoice names another bank account than the master data of a verified supplier.
CREATE FUNCTION detect_f12(tenant int, today date) RETURNS SETOF finding LANGUAGE sql STABLE
SET work_mem = '256MB' SET jit = off AS $$
    SELECT 'F12', 1, 'invoice:' || i.id || ':bank', 'invoice:' || i.id, i.party,
           format('Invoice %s of %s names bank account %s, master data says %s', i.number, p.name,
                  erp_mask(coalesce(i.pay_iban, i.pay_account)), erp_mask(coalesce(p.iban, p.bank_account))),
           jsonb_build_object('invoice', i.id, 'number', i.number, 'party', p.id,
               'on_invoice', erp_mask(coalesce(i.pay_iban, i.pay_account)),
               'master', erp_mask(coalesce(p.iban, p.bank_account)), 'master_before', erp_mask(p.iban_before),
               'master_changed_on', p.iban_changed_on,
               'amount', jsonb_build_object('minor', i.payable, 'currency', i.currency)),
           i.payable, i.currency::text
      FROM invoice i
      JOIN party p ON p.tenant_id = tenant AND p.id = i.party AND p.status = 'active'
     WHERE i.tenant_id = tenant AND i.state IN ('registered', 'held', 'posted')
       AND ((i.pay_iban IS NOT NULL AND p.iban IS NOT NULL AND i.pay_iban <> p.iban)
            OR (i.pay_iban IS NULL AND p.iban IS NULL
                AND erp_norm(i.pay_account) <> erp_norm(p.bank_account)))
$$;
