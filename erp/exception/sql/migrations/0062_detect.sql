-- 0062_detect: what every detector gives, and helpers of several.
--
-- A detector is a function (tenant, business date) -> rows of `finding`: the discrepancies that exist
-- now, each with a stable subject, whoever has seen it before.  Comparing with the exceptions we have
-- (raise what is new, close what has vanished) is the business of one statement, exception_detect_load.
-- Detectors are set-based and read-only; run one by hand with  SELECT * FROM detect_f01(1, current_date);
-- The columns of a finding's key: type, subject, rule_version.  A rule that changes its meaning gets the
-- next version, so that what people resolved under the old one stays resolved under the old one.

CREATE TYPE finding AS (
    type text, rule_version int, subject text, resource text, party bigint, summary text,
    evidence jsonb, money bigint, currency text
);

CREATE FUNCTION erp_money_text(minor bigint, currency text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT trim(to_char(minor / erp_minor(currency),
                        CASE WHEN erp_minor(currency) = 1 THEN 'FM9999999999999990'
                             WHEN erp_minor(currency) = 1000 THEN 'FM9999999999999990.000'
                             WHEN erp_minor(currency) = 10000 THEN 'FM9999999999999990.0000'
                             ELSE 'FM9999999999999990.00' END)) || ' ' || currency
$$;
CREATE FUNCTION erp_qty_text(qty numeric) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT trim_scale(qty)::text
$$;
-- what a person may see of a bank account
CREATE FUNCTION erp_mask(account text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN length(account) < 10 THEN account ELSE left(account, 4) || '...' || right(account, 4) END
$$;

-- Two document numbers that differ by one typing error: one character more, less or other, or two
-- neighbours swapped.
CREATE FUNCTION erp_near(a text, b text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    la int := length(a);
    lb int := length(b);
    head int := 0;
    tail int := 0;
BEGIN
    IF a IS NULL OR b IS NULL OR abs(la - lb) > 1 OR least(la, lb) < 3 THEN
        RETURN false;
    END IF;
    WHILE head < least(la, lb) AND substr(a, head + 1, 1) = substr(b, head + 1, 1) LOOP
        head := head + 1;
    END LOOP;
    WHILE tail < least(la, lb) - head AND substr(a, la - tail, 1) = substr(b, lb - tail, 1) LOOP
        tail := tail + 1;
    END LOOP;
    RETURN head + tail >= greatest(la, lb) - 1
        OR (la = lb AND head + tail = la - 2
            AND substr(a, head + 1, 1) = substr(b, head + 2, 1)
            AND substr(a, head + 2, 1) = substr(b, head + 1, 1));
END $$;

CREATE INDEX invoice_findings ON invoice (tenant_id, id) WHERE findings <> '[]';
