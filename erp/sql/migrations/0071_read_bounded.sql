-- 0071_read_bounded: the reads of agents cost the same in a company of a million invoices.
--
-- What agents/README.md promises: a find names at least one indexed field (or none: then the first rows
-- come), gives at most 200 rows, and always in the same order.  A document gives at most 500 lines, a
-- supplier at most 200 open items, a history the last 50 events.  Runs as the caller, under row-level
-- security; decimals leave as text.

CREATE INDEX invoice_number_alone ON invoice (tenant_id, number_norm);
CREATE INDEX invoice_state ON invoice (tenant_id, state, id);
CREATE INDEX credit_note_number_alone ON credit_note (tenant_id, number_norm);
CREATE INDEX purchase_order_party ON purchase_order (tenant_id, party, state, id);
CREATE INDEX receipt_order ON receipt (tenant_id, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX receipt_party ON receipt (tenant_id, party);
CREATE INDEX payment_state ON payment (tenant_id, state, id);
CREATE INDEX bank_line_statement ON bank_line (tenant_id, statement_id, id);
CREATE INDEX bank_line_state ON bank_line (tenant_id, state, id);
CREATE INDEX bank_line_iban ON bank_line (tenant_id, counterparty_iban) WHERE counterparty_iban IS NOT NULL;
CREATE INDEX open_item_party ON open_item (tenant_id, party, due, id) WHERE open <> 0;
CREATE INDEX open_item_party_all ON open_item (tenant_id, party, id);
CREATE INDEX open_item_ref_all ON open_item (tenant_id, ref_norm);
CREATE INDEX credit_request_party ON credit_request (tenant_id, party);
CREATE INDEX remittance_line_ref ON remittance_line (tenant_id, invoice_ref_norm);
CREATE INDEX exception_opened ON exception (tenant_id, opened_seq);
CREATE INDEX exception_type ON exception (tenant_id, type, opened_seq);
CREATE INDEX exception_party ON exception (tenant_id, party) WHERE party IS NOT NULL;

-- What can be found: table, order of the rows, and the fields of which one must be named.  `norms` are
-- fields with a normalised twin that is indexed; what is asked is normalised the same way.
CREATE FUNCTION erp_read_kinds()
RETURNS TABLE (kind text, source text, sorted text, fields text[], norms text[]) LANGUAGE sql IMMUTABLE AS $$
    VALUES
    ('account', 'account', 'number', '{number,role,kind,iban,active}'::text[], '{}'::text[]),
    ('bank_line', 'bank_line', 'id', '{id,statement_id,state,counterparty_iban}', '{}'),
    ('credit_note', 'credit_note', 'id', '{id,number,number_norm,party,invoice_id}', '{number}'),
    ('credit_request', 'credit_request', 'id', '{id,invoice_id,party}', '{}'),
    ('exception', 'exception', 'opened_seq, key', '{key,type,resource,party,state}', '{}'),
    ('invoice', 'invoice', 'id', '{id,number,number_norm,party,order_id,state}', '{number}'),
    ('open_item', 'open_item', 'id', '{id,party,doc_id,ref,ref_norm}', '{ref}'),
    ('order', 'purchase_order', 'id', '{id,number,number_norm,party}', '{number}'),
    ('payment', 'payment', 'id', '{id,party,state}', '{}'),
    ('receipt', 'receipt', 'id', '{id,number,number_norm,party,order_id}', '{number}'),
    ('remittance', 'remittance_line', 'remittance_id, pos',
     '{remittance_id,party,invoice_ref,invoice_ref_norm}', '{invoice_ref}'),
    ('statement', 'bank_statement', 'id', '{id,account}', '{}'),
    ('supplier', 'party', 'id', '{id,name,name_norm,vat_id,vat_norm,ext_id,iban}', '{name,vat_id}')
$$;
CREATE INDEX open_item_doc_alone ON open_item (tenant_id, doc_id);

-- The statement that erp_read_find runs; a test looks at its plan.
CREATE FUNCTION erp_find_sql(wanted_kind text, filter jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    k record;
    field text;
    value jsonb;
    type text;
    twin text;
    tests text := '';
    named boolean := false;
BEGIN
    SELECT * INTO k FROM erp_read_kinds() AS r WHERE r.kind = wanted_kind;
    IF k.kind IS NULL THEN
        RAISE EXCEPTION 'nothing of kind "%" can be read; kinds are: %', wanted_kind,
            (SELECT string_agg(r.kind, ', ' ORDER BY r.kind) FROM erp_read_kinds() AS r) USING ERRCODE = 'P0001';
    ELSIF jsonb_typeof(filter) = 'array' AND filter = '[]' THEN
        filter := '{}'; -- an empty table is either
    ELSIF jsonb_typeof(filter) <> 'object' THEN
        RAISE EXCEPTION 'erp.find: the filter must be a table of fields' USING ERRCODE = 'P0001';
    END IF;
    FOR field, value IN SELECT f.key, f.value FROM jsonb_each(filter) AS f ORDER BY f.key LOOP
        SELECT format_type(a.atttypid, a.atttypmod) INTO type
          FROM pg_attribute a
         WHERE a.attrelid = k.source::regclass AND a.attname = field AND a.attnum > 0
           AND NOT a.attisdropped AND field NOT IN ('tenant_id', 'fp');
        IF type IS NULL OR type IN ('jsonb', 'bigint[]', 'text[]') THEN
            RAISE EXCEPTION 'erp.find: % cannot be found by "%"; name one of: %', wanted_kind, left(field, 60),
                array_to_string(k.fields, ', ') USING ERRCODE = 'P0001';
        ELSIF jsonb_typeof(value) IN ('object', 'array') THEN
            RAISE EXCEPTION 'erp.find: field "%" takes one value', field USING ERRCODE = 'P0001';
        END IF;
        named := named OR field = ANY (k.fields);
        IF value = 'null' THEN
            tests := tests || format(' AND t.%I IS NULL', field);
        ELSIF type = 'bytea' THEN
            tests := tests || format(' AND t.%I = decode($2->>%L, ''hex'')', field, field);
        ELSE
            tests := tests || format(' AND t.%I = ($2->>%L)::%s', field, field, type);
        END IF;
        IF field = ANY (k.norms) AND value <> 'null' THEN
            twin := CASE field WHEN 'vat_id' THEN 'vat_norm' ELSE field || '_norm' END;
            tests := tests || format(' AND t.%I = %s($2->>%L)', twin,
                CASE WHEN field IN ('name', 'vat_id') THEN 'erp_norm' ELSE 'erp_norm_number' END, field);
        END IF;
    END LOOP;
    IF filter <> '{}' AND NOT named THEN
        RAISE EXCEPTION 'erp.find: a filter for % needs one of: %', wanted_kind, array_to_string(k.fields, ', ')
            USING ERRCODE = 'P0001';
    END IF;
    RETURN format('SELECT %s AS row FROM %I t WHERE t.tenant_id = $1%s ORDER BY %s LIMIT $3',
                  CASE k.kind WHEN 'exception' THEN
                      'to_jsonb(t) - ''tenant_id'' || jsonb_build_object(''key'', encode(t.key, ''hex''))'
                  ELSE 'to_jsonb(t) - ''tenant_id'' - ''fp'' - ''findings'' - ''allowance_lines''' END,
                  k.source, tests, k.sorted);
END $$;

CREATE OR REPLACE FUNCTION erp_read_find(tenant int, kind text, filter jsonb, most int) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found jsonb;
BEGIN
    EXECUTE 'SELECT coalesce(jsonb_agg(x.row), ''[]'') FROM (' || erp_find_sql(kind, filter) || ') AS x'
       INTO found USING tenant, filter, least(greatest(most, 1), 200);
    RETURN found;
EXCEPTION WHEN data_exception THEN
    RAISE EXCEPTION 'erp.find: a value of the filter for % has the wrong form: %', kind, SQLERRM
        USING ERRCODE = 'P0001';
END $$;

-- What was received and invoiced is summed once for each order line, however many lines name it.
CREATE OR REPLACE FUNCTION erp_read_invoice(tenant int, wanted bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    WITH line AS MATERIALIZED (
        SELECT * FROM invoice_line q WHERE q.tenant_id = tenant AND q.invoice_id = wanted ORDER BY q.pos LIMIT 500
    ), ordered AS MATERIALIZED (
        SELECT k.order_id, k.order_pos,
               (SELECT coalesce(sum(r.qty - r.rejected_qty), 0) FROM receipt_line r
                 WHERE r.tenant_id = tenant AND r.order_id = k.order_id AND r.order_pos = k.order_pos
                   AND r.counts) AS received,
               (SELECT coalesce(sum(x.qty), 0) FROM invoice_line x
                  JOIN invoice y ON y.tenant_id = tenant AND y.id = x.invoice_id AND y.state <> 'rejected'
                 WHERE x.tenant_id = tenant AND x.order_id = k.order_id AND x.order_pos = k.order_pos) AS invoiced
          FROM (SELECT DISTINCT l.order_id, l.order_pos FROM line l WHERE l.order_id IS NOT NULL) AS k
    )
    SELECT to_jsonb(i) - 'tenant_id' - 'number_norm' - 'order_ref_norm' || jsonb_build_object(
        'supplier', (SELECT jsonb_build_object('id', p.id, 'name', p.name, 'status', p.status, 'iban', p.iban,
                                               'vat_id', p.vat_id, 'payment_days', p.payment_days)
                       FROM party p WHERE p.tenant_id = tenant AND p.id = i.party),
        'taxes', (SELECT coalesce(jsonb_agg(jsonb_build_object('category', t.category, 'rate', t.rate::text,
                                 'base', t.base, 'tax', t.tax) ORDER BY t.pos), '[]')
                    FROM invoice_tax t WHERE t.tenant_id = tenant AND t.invoice_id = i.id AND t.pos <= 500),
        'line_count', (SELECT count(*) FROM invoice_line l WHERE l.tenant_id = tenant AND l.invoice_id = i.id),
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
                      'received', coalesce(s.received, 0)::text, 'invoiced', coalesce(s.invoiced, 0)::text)
                      ORDER BY l.pos), '[]')
                    FROM line l LEFT JOIN ordered s ON s.order_id = l.order_id AND s.order_pos = l.order_pos),
        'credit_notes', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'number', c.number,
                                 'payable', c.payable, 'state', c.state) ORDER BY c.id), '[]')
                           FROM (SELECT * FROM credit_note n WHERE n.tenant_id = tenant AND n.invoice_id = i.id
                                  ORDER BY n.id LIMIT 200) AS c),
        'open', (SELECT sum(o.open)::bigint FROM open_item o WHERE o.tenant_id = tenant
                    AND o.doc_kind = 'invoice' AND o.doc_id = i.id AND NOT o.reversed))
      FROM invoice i WHERE i.tenant_id = tenant AND i.id = wanted
$$;

CREATE OR REPLACE FUNCTION erp_read_order(tenant int, wanted bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT to_jsonb(o) - 'tenant_id' - 'number_norm' || jsonb_build_object(
        'line_count', (SELECT count(*) FROM order_line l WHERE l.tenant_id = tenant AND l.order_id = o.id),
        'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object('pos', l.pos, 'no', l.no, 'item', l.item,
                      'description', l.description, 'qty', l.qty::text, 'unit', l.unit, 'price', l.price::text,
                      'base_qty', l.base_qty::text, 'net', l.net) ORDER BY l.pos), '[]')
                    FROM (SELECT * FROM order_line q WHERE q.tenant_id = tenant AND q.order_id = o.id
                           ORDER BY q.pos LIMIT 500) AS l))
      FROM purchase_order o WHERE o.tenant_id = tenant AND o.id = wanted
$$;

-- `invoices` stops counting at 10,000.
CREATE OR REPLACE FUNCTION erp_read_supplier(tenant int, wanted bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT to_jsonb(p) - 'tenant_id' - 'name_norm' - 'vat_norm' || jsonb_build_object(
        'open_items', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'kind', o.doc_kind, 'doc', o.doc_id,
                           'ref', o.ref, 'due', o.due, 'open', o.open, 'currency', o.currency)
                           ORDER BY o.due, o.id), '[]')
                         FROM (SELECT * FROM open_item q WHERE q.tenant_id = tenant AND q.party = p.id
                                  AND q.open <> 0 AND NOT q.reversed ORDER BY q.due, q.id LIMIT 200) AS o),
        'invoices', (SELECT count(*) FROM (SELECT FROM invoice i WHERE i.tenant_id = tenant AND i.party = p.id
                                            LIMIT 10000) AS n))
      FROM party p WHERE p.tenant_id = tenant AND p.id = wanted
$$;

-- A bank line with the open items it could settle: score and reason for each, best first.  Items come by
-- index only: their number is a word (or two or three neighbouring words) of the memo, their amount is that of
-- the line, or they are of the party that has the account.  At most 100 of each are looked at.
CREATE OR REPLACE FUNCTION erp_read_bank_line(tenant int, wanted bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    WITH line AS MATERIALIZED (
        SELECT b.* FROM bank_line b WHERE b.tenant_id = tenant AND b.id = wanted
    ), word AS MATERIALIZED (
        SELECT w.word, lead(w.word) OVER (ORDER BY w.at) AS next, lead(w.word, 2) OVER (ORDER BY w.at) AS after
          FROM line l CROSS JOIN LATERAL regexp_split_to_table(
                   upper((left(coalesce(l.memo, ''), 2000) || ' ' || coalesce(l.end_to_end_id, '')) COLLATE "C"),
                   '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+') WITH ORDINALITY AS w(word, at)
         WHERE w.word <> ''
    ), ref AS MATERIALIZED (
        SELECT array_agg(DISTINCT ltrim(r.ref, '0')) AS refs
          FROM (SELECT * FROM word LIMIT 200) AS w CROSS JOIN LATERAL unnest(ARRAY[word, word || next,
                   word || next || after]) AS r(ref)
         WHERE length(ltrim(r.ref, '0')) >= 4 AND r.ref ~ '[0-9]'
    ), candidate AS (
        SELECT n.id FROM line l CROSS JOIN ref CROSS JOIN LATERAL (
               SELECT o.id FROM open_item o
                WHERE o.tenant_id = tenant AND o.ref_norm = ANY (ref.refs) AND o.open <> 0 AND NOT o.reversed
                  AND o.currency = l.currency ORDER BY o.id LIMIT 100) AS n
        UNION
        SELECT n.id FROM line l CROSS JOIN LATERAL (
               SELECT o.id FROM open_item o
                WHERE o.tenant_id = tenant AND o.open = -l.amount AND o.currency = l.currency AND o.open <> 0
                  AND NOT o.reversed ORDER BY o.id LIMIT 100) AS n
        UNION
        SELECT n.id FROM line l
          JOIN party p ON p.tenant_id = tenant AND p.iban = l.counterparty_iban
         CROSS JOIN LATERAL (
               SELECT o.id FROM open_item o
                WHERE o.tenant_id = tenant AND o.party = p.id AND o.open <> 0 AND NOT o.reversed
                  AND o.currency = l.currency ORDER BY o.due, o.id LIMIT 100) AS n
    )
    SELECT to_jsonb(b) - 'tenant_id' - 'fp' || jsonb_build_object(
        'candidates', (SELECT coalesce(jsonb_agg(c.item ORDER BY c.score DESC, c.id), '[]') FROM (
            SELECT o.id, s.score, jsonb_build_object('open_item', o.id, 'ref', o.ref, 'open', o.open,
                       'currency', o.currency, 'party', o.party, 'doc', o.doc_id, 'score', s.score,
                       'reason', s.reason) AS item
              FROM candidate n
              JOIN open_item o ON o.tenant_id = tenant AND o.id = n.id
              JOIN party p ON p.tenant_id = tenant AND p.id = o.party
             CROSS JOIN LATERAL (
                   SELECT CASE WHEN named AND same THEN 100 WHEN named THEN 80 WHEN payee AND same THEN 90
                               WHEN same THEN 40 ELSE 30 END AS score,
                          concat_ws(', ', CASE WHEN named THEN 'reference named' END,
                                    CASE WHEN same THEN 'same amount' END,
                                    CASE WHEN payee THEN 'same account' END) AS reason
                     FROM (SELECT coalesce(o.ref_norm = ANY ((SELECT refs FROM ref)::text[]), false) AS named,
                                  o.open = -b.amount AS same,
                                  coalesce(p.iban = b.counterparty_iban, false) AS payee) AS f) AS s
             ORDER BY s.score DESC, o.id
             LIMIT 5) AS c))
      FROM line b
$$;

CREATE OR REPLACE FUNCTION erp_read(tenant int, name text, args jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    kind text := args->>'kind';
    wanted bigint := CASE WHEN args->>'id' ~ '^[0-9]{1,18}$' THEN (args->>'id')::bigint END;
    hex text := CASE WHEN args->>'id' ~ '^[0-9a-f]{64}$' THEN args->>'id' END;
BEGIN
    IF NOT EXISTS (SELECT FROM erp_read_kinds() AS r WHERE r.kind = args->>'kind') THEN
        RAISE EXCEPTION 'nothing of kind "%" can be read; kinds are: %', left(kind, 60),
            (SELECT string_agg(r.kind, ', ' ORDER BY r.kind) FROM erp_read_kinds() AS r) USING ERRCODE = 'P0001';
    ELSIF name = 'erp.find' THEN
        RETURN erp_read_find(tenant, kind, coalesce(args->'filter', '{}'), coalesce((args->>'limit')::int, 50));
    ELSIF name = 'erp.history' THEN
        RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('seq', e.seq, 'type', e.type, 'on', e.occurred_on,
                            'by', e.actor, 'version', e.version) ORDER BY e.version), '[]')
                  FROM (SELECT * FROM event v WHERE v.tenant_id = tenant
                           AND v.stream = (CASE kind WHEN 'supplier' THEN 'party' WHEN 'statement' THEN 'bank_statement'
                                                     ELSE kind END) || ':' || (args->>'id')
                         ORDER BY v.version DESC LIMIT 50) AS e);
    ELSIF kind = 'invoice' THEN RETURN erp_read_invoice(tenant, wanted);
    ELSIF kind = 'order' THEN RETURN erp_read_order(tenant, wanted);
    ELSIF kind = 'supplier' THEN RETURN erp_read_supplier(tenant, wanted);
    ELSIF kind = 'bank_line' THEN RETURN erp_read_bank_line(tenant, wanted);
    ELSIF kind = 'exception' THEN
        RETURN erp_read_find(tenant, kind, jsonb_build_object('key', hex), 1)->0;
    ELSIF kind = 'account' THEN
        RETURN erp_read_find(tenant, kind, jsonb_build_object('number', args->>'id'), 1)->0;
    ELSIF kind = 'remittance' THEN
        RETURN (SELECT to_jsonb(r) - 'tenant_id' - 'number_norm'
                       || jsonb_build_object('lines', erp_read_find(tenant, kind,
                              jsonb_build_object('remittance_id', r.id), 200))
                  FROM remittance r WHERE r.tenant_id = tenant AND r.id = wanted);
    ELSE
        RETURN erp_read_find(tenant, kind, jsonb_build_object('id', wanted), 1)->0;
    END IF;
END $$;
