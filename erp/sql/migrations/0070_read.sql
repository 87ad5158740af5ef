-- 0070_read: what agents may read, as one function.  Row-level security applies: it runs as the caller.
-- Decimals leave as text, so that no reader ever meets a float.

CREATE FUNCTION erp_read_invoice(tenant int, wanted bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT to_jsonb(i) - 'tenant_id' - 'number_norm' - 'order_ref_norm' || jsonb_build_object(
        'supplier', (SELECT jsonb_build_object('id', p.id, 'name', p.name, 'status', p.status, 'iban', p.iban,
                                               'vat_id', p.vat_id, 'payment_days', p.payment_days)
                       FROM party p WHERE p.tenant_id = tenant AND p.id = i.party),
        'taxes', (SELECT coalesce(jsonb_agg(jsonb_build_object('category', t.category, 'rate', t.rate::text,
                                 'base', t.base, 'tax', t.tax) ORDER BY t.pos), '[]')
                    FROM invoice_tax t WHERE t.tenant_id = tenant AND t.invoice_id = i.id),
        'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                      'pos', l.pos, 'no', l.no, 'item', l.item, 'description', l.description,
                      'qty', l.qty::text, 'unit', l.unit, 'price', l.price::text, 'base_qty', l.base_qty::text,
                      'net', l.net, 'accepted', to_jsonb(l.accepted),
                      'order_id', l.order_id, 'order_pos', l.order_pos,
                      'ordered', (SELECT jsonb_build_object('qty', o.qty::text, 'price', o.price::text,
                                         'base_qty', o.base_qty::text, 'net', o.net,
                                         'expected', erp_line_amount(l.qty, o.price, o.base_qty, i.currency))
                                    FROM order_line o WHERE o.tenant_id = tenant AND o.order_id = l.order_id
                                                        AND o.pos = l.order_pos),
                      'received', (SELECT (coalesce(sum(r.qty - r.rejected_qty), 0))::text FROM receipt_line r
                                    WHERE r.tenant_id = tenant AND r.order_id = l.order_id
                                      AND r.order_pos = l.order_pos AND r.counts),
                      'invoiced', (SELECT coalesce(sum(x.qty), 0)::text FROM invoice_line x
                                     JOIN invoice y ON y.tenant_id = tenant AND y.id = x.invoice_id
                                                   AND y.state <> 'rejected'
                                    WHERE x.tenant_id = tenant AND x.order_id = l.order_id
                                      AND x.order_pos = l.order_pos)) ORDER BY l.pos), '[]')
                    FROM invoice_line l WHERE l.tenant_id = tenant AND l.invoice_id = i.id),
        'credit_notes', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'number', c.number,
                                 'payable', c.payable, 'state', c.state)), '[]')
                           FROM credit_note c WHERE c.tenant_id = tenant AND c.invoice_id = i.id),
        'open', (SELECT sum(o.open)::bigint FROM open_item o WHERE o.tenant_id = tenant
                    AND o.doc_kind = 'invoice' AND o.doc_id = i.id AND NOT o.reversed))
      FROM invoice i WHERE i.tenant_id = tenant AND i.id = wanted
$$;

CREATE FUNCTION erp_read_order(tenant int, wanted bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT to_jsonb(o) - 'tenant_id' - 'number_norm' || jsonb_build_object(
        'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object('pos', l.pos, 'no', l.no, 'item', l.item,
                      'description', l.description, 'qty', l.qty::text, 'unit', l.unit, 'price', l.price::text,
                      'base_qty', l.base_qty::text, 'net', l.net) ORDER BY l.pos), '[]')
                    FROM order_line l WHERE l.tenant_id = tenant AND l.order_id = o.id))
      FROM purchase_order o WHERE o.tenant_id = tenant AND o.id = wanted
$$;

CREATE FUNCTION erp_read_supplier(tenant int, wanted bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT to_jsonb(p) - 'tenant_id' - 'name_norm' - 'vat_norm' || jsonb_build_object(
        'open_items', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'kind', o.doc_kind, 'doc', o.doc_id,
                           'ref', o.ref, 'due', o.due, 'open', o.open, 'currency', o.currency) ORDER BY o.due), '[]')
                         FROM open_item o WHERE o.tenant_id = tenant AND o.party = p.id AND o.open <> 0
                          AND NOT o.reversed),
        'invoices', (SELECT count(*) FROM invoice i WHERE i.tenant_id = tenant AND i.party = p.id))
      FROM party p WHERE p.tenant_id = tenant AND p.id = wanted
$$;

-- A bank line with the open items it could settle: score and reason for each, best first.
CREATE FUNCTION erp_read_bank_line(tenant int, wanted bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT to_jsonb(b) - 'tenant_id' - 'fp' || jsonb_build_object(
        'candidates', (SELECT coalesce(jsonb_agg(c.item ORDER BY c.score DESC, c.id), '[]') FROM (
            SELECT o.id, s.score, jsonb_build_object('open_item', o.id, 'ref', o.ref, 'open', o.open,
                       'currency', o.currency, 'party', o.party, 'doc', o.doc_id, 'score', s.score,
                       'reason', s.reason) AS item
              FROM open_item o
              JOIN party p ON p.tenant_id = tenant AND p.id = o.party
             CROSS JOIN LATERAL (
                   SELECT CASE WHEN named AND same THEN 100 WHEN named THEN 80 WHEN payee AND same THEN 90
                               WHEN same THEN 40 WHEN payee THEN 30 ELSE 0 END AS score,
                          concat_ws(', ', CASE WHEN named THEN 'reference named' END,
                                    CASE WHEN same THEN 'same amount' END,
                                    CASE WHEN payee THEN 'same account' END) AS reason
                     FROM (SELECT position(o.ref_norm IN erp_norm(concat_ws(' ', b.memo, b.end_to_end_id))) > 0
                                  AND length(o.ref_norm) >= 4 AS named,
                                  o.open = -b.amount AS same,
                                  coalesce(p.iban = b.counterparty_iban, false) AS payee) AS f) AS s
             WHERE o.tenant_id = tenant AND o.open <> 0 AND NOT o.reversed AND o.currency = b.currency
               AND s.score > 0
             ORDER BY s.score DESC, o.id
             LIMIT 5) AS c))
      FROM bank_line b WHERE b.tenant_id = tenant AND b.id = wanted
$$;

CREATE FUNCTION erp_read_find(tenant int, kind text, filter jsonb, most int) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    source text := CASE kind
        WHEN 'invoice' THEN 'invoice' WHEN 'order' THEN 'purchase_order' WHEN 'receipt' THEN 'receipt'
        WHEN 'supplier' THEN 'party' WHEN 'credit_note' THEN 'credit_note' WHEN 'payment' THEN 'payment'
        WHEN 'bank_line' THEN 'bank_line' WHEN 'statement' THEN 'bank_statement'
        WHEN 'exception' THEN 'exception' WHEN 'account' THEN 'account' WHEN 'open_item' THEN 'open_item'
        WHEN 'credit_request' THEN 'credit_request' WHEN 'remittance' THEN 'remittance_line' END;
    found jsonb;
BEGIN
    IF source IS NULL THEN
        RAISE EXCEPTION 'nothing of kind "%" can be read', kind USING ERRCODE = 'P0001';
    END IF;
    EXECUTE format($q$SELECT coalesce(jsonb_agg(x.row), '[]') FROM (
            SELECT to_jsonb(t) - 'tenant_id' - 'fp' AS row FROM %I t
             WHERE t.tenant_id = $1 AND to_jsonb(t) @> $2 ORDER BY 1 LIMIT $3) AS x$q$, source)
       INTO found USING tenant, filter, least(greatest(most, 1), 200);
    RETURN found;
END $$;

CREATE FUNCTION erp_read(tenant int, name text, args jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    kind text := args->>'kind';
    id bigint := CASE WHEN args->>'id' ~ '^[0-9]{1,18}$' THEN (args->>'id')::bigint END;
BEGIN
    IF name = 'erp.find' THEN
        RETURN erp_read_find(tenant, kind, coalesce(args->'filter', '{}'), coalesce((args->>'limit')::int, 50));
    ELSIF name = 'erp.history' THEN
        RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('seq', e.seq, 'type', e.type, 'on', e.occurred_on,
                            'by', e.actor, 'version', e.version) ORDER BY e.seq), '[]')
                  FROM (SELECT * FROM event v WHERE v.tenant_id = tenant
                           AND v.stream = (CASE kind WHEN 'supplier' THEN 'party' ELSE kind END) || ':' || (args->>'id')
                         ORDER BY v.seq DESC LIMIT 50) AS e);
    ELSIF kind = 'invoice' THEN RETURN erp_read_invoice(tenant, id);
    ELSIF kind = 'order' THEN RETURN erp_read_order(tenant, id);
    ELSIF kind = 'supplier' THEN RETURN erp_read_supplier(tenant, id);
    ELSIF kind = 'bank_line' THEN RETURN erp_read_bank_line(tenant, id);
    ELSIF kind = 'exception' THEN
        RETURN (SELECT to_jsonb(x) - 'tenant_id' FROM exception x
                 WHERE x.tenant_id = tenant AND x.key = decode(args->>'id', 'hex'));
    ELSE
        RETURN erp_read_find(tenant, kind, jsonb_build_object('id', id), 1)->0;
    END IF;
END $$;
