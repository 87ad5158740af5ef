-- 0110_rebuild: projections are a function of the log, and anybody may have that proven.  They are rebuilt
-- aside, in temporary tables of one session under their own names (a projection statement names no schema
-- and pg_temp comes first), and compared with those in use.  What differs is repaired in one transaction.

CREATE FUNCTION erp_projections() RETURNS TABLE (place bigint, name text) LANGUAGE sql IMMUTABLE AS $$
    SELECT p.place, p.name
      FROM unnest(ARRAY['account', 'party', 'tolerance', 'period_lock', 'number_range', 'purchase_order',
                        'order_line', 'receipt', 'receipt_line', 'invoice', 'invoice_line', 'invoice_tax',
                        'credit_note', 'credit_request', 'remittance', 'remittance_line', 'je', 'jl', 'balance',
                        'open_item', 'payment', 'payment_item', 'bank_statement', 'bank_line', 'match',
                        'exception', 'exception_note']) WITH ORDINALITY AS p(name, place)
$$;

-- The columns that name a row of one of them, without the tenant.
CREATE FUNCTION erp_projection_key(projection text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(a.attname::text ORDER BY k.place)
      FROM pg_index i
     CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE i.indrelid = format('%I.%I', current_schema(), projection)::regclass AND i.indisprimary
       AND a.attname <> 'tenant_id'
$$;

-- Empty twins of all projections, for this session.
CREATE FUNCTION erp_rebuild_begin() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wanted text;
BEGIN
    FOR wanted IN SELECT p.name FROM erp_projections() p ORDER BY p.place LOOP
        EXECUTE format('CREATE TEMPORARY TABLE %1$I (LIKE %2$I.%1$I INCLUDING ALL)', wanted, current_schema());
    END LOOP;
END $$;

-- Rows that are not the same in use (held) and rebuilt; NULL: there is none.  STABLE: one snapshot, that of
-- the statement that asks.
CREATE FUNCTION erp_rebuild_compare(tenant int)
RETURNS TABLE (projection text, key jsonb, held jsonb, rebuilt jsonb) LANGUAGE plpgsql STABLE AS $$
DECLARE
    wanted text;
    keys text[];
BEGIN
    FOR wanted IN SELECT p.name FROM erp_projections() p ORDER BY p.place LOOP
        keys := erp_projection_key(wanted);
        RETURN QUERY EXECUTE format(
            'SELECT %1$L, (SELECT jsonb_object_agg(k, coalesce(to_jsonb(h), to_jsonb(r))->k)
                             FROM unnest(%3$L::text[]) AS k), to_jsonb(h), to_jsonb(r)
               FROM (SELECT * FROM %2$I.%1$I WHERE tenant_id = $1) AS h
               FULL JOIN (SELECT * FROM pg_temp.%1$I WHERE tenant_id = $1) AS r USING (%4$s)
              WHERE h::text IS DISTINCT FROM r::text
              ORDER BY %4$s',
            wanted, current_schema(), keys, (SELECT string_agg(format('%I', k), ', ') FROM unnest(keys) AS k))
            USING tenant;
    END LOOP;
END $$;

-- What a rebuild found, until the transaction that repairs it; nothing is kept here.
CREATE TABLE projection_repair (
    tenant_id int NOT NULL, projection text NOT NULL, key jsonb NOT NULL,
    seq bigint NOT NULL,                          -- the last event the rebuild knew
    rebuilt jsonb,                                -- NULL: the row goes
    PRIMARY KEY (tenant_id, projection, key)
);

-- One transaction: no event comes in between (the head is locked, and must be where the rebuild left it).
CREATE FUNCTION erp_rebuild_repair(tenant int) RETURNS TABLE (seq bigint, rows bigint) LANGUAGE plpgsql AS $$
DECLARE
    wanted text;
    head bigint;
BEGIN
    SELECT h.event_seq INTO head FROM tenant_head h WHERE h.tenant_id = tenant FOR UPDATE;
    IF EXISTS (SELECT FROM projection_repair p WHERE p.tenant_id = tenant AND p.seq <> head) THEN
        RAISE EXCEPTION 'new events came while the rebuild was compared' USING ERRCODE = 'RV001',
            HINT = 'Rebuild again, when less is going on.';
    END IF;
    FOR wanted IN SELECT DISTINCT p.projection FROM projection_repair p WHERE p.tenant_id = tenant LOOP
        EXECUTE format(
            'DELETE FROM %2$I.%1$I AS t USING projection_repair p, jsonb_populate_record(NULL::%2$I.%1$I, p.key) AS k
              WHERE p.tenant_id = $1 AND p.projection = %1$L AND t.tenant_id = $1 AND %3$s',
            wanted, current_schema(),
            (SELECT string_agg(format('t.%1$I = k.%1$I', c), ' AND ') FROM unnest(erp_projection_key(wanted)) AS c))
            USING tenant;
        EXECUTE format(
            'INSERT INTO %2$I.%1$I SELECT r.*
               FROM projection_repair p, jsonb_populate_record(NULL::%2$I.%1$I, p.rebuilt) AS r
              WHERE p.tenant_id = $1 AND p.projection = %1$L AND p.rebuilt IS NOT NULL',
            wanted, current_schema())
            USING tenant;
    END LOOP;
    RETURN QUERY WITH gone AS (DELETE FROM projection_repair p WHERE p.tenant_id = tenant RETURNING 1)
                 SELECT head, count(*) FROM gone;
END $$;
