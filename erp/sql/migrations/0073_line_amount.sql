-- 0073_line_amount: quantity x price of a hostile document is no reason to stop.  What is beyond 10^18
-- minor units stands still there: a difference of two still fits in 64 bits, and detectors go on.

CREATE OR REPLACE FUNCTION erp_line_amount(qty numeric, price numeric, base_qty numeric, currency text)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT greatest(-1000000000000000000, least(1000000000000000000,
               round(qty * price * erp_minor(currency) / coalesce(nullif(base_qty, 0), 1))))::bigint
$$;
