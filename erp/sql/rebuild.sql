-- rebuild.sql: projections are a function of the log; these statements empty them and take their digest.

-- name: projection_empty
-- Deletes every projected row of the tenant.  The event log and the command log stay.
-- params: tenant int4
WITH a1 AS (DELETE FROM account WHERE tenant_id = $1), a2 AS (DELETE FROM party WHERE tenant_id = $1),
     a3 AS (DELETE FROM tolerance WHERE tenant_id = $1), a4 AS (DELETE FROM period_lock WHERE tenant_id = $1),
     a5 AS (DELETE FROM number_range WHERE tenant_id = $1), a6 AS (DELETE FROM purchase_order WHERE tenant_id = $1),
     a7 AS (DELETE FROM order_line WHERE tenant_id = $1), a8 AS (DELETE FROM receipt WHERE tenant_id = $1),
     a9 AS (DELETE FROM receipt_line WHERE tenant_id = $1), b1 AS (DELETE FROM invoice WHERE tenant_id = $1),
     b2 AS (DELETE FROM invoice_line WHERE tenant_id = $1), b3 AS (DELETE FROM invoice_tax WHERE tenant_id = $1),
     b4 AS (DELETE FROM credit_note WHERE tenant_id = $1), b5 AS (DELETE FROM credit_request WHERE tenant_id = $1),
     b6 AS (DELETE FROM remittance WHERE tenant_id = $1), b7 AS (DELETE FROM remittance_line WHERE tenant_id = $1),
     b8 AS (DELETE FROM je WHERE tenant_id = $1), b9 AS (DELETE FROM jl WHERE tenant_id = $1),
     c1 AS (DELETE FROM balance WHERE tenant_id = $1), c2 AS (DELETE FROM open_item WHERE tenant_id = $1),
     c3 AS (DELETE FROM payment WHERE tenant_id = $1), c4 AS (DELETE FROM payment_item WHERE tenant_id = $1),
     c5 AS (DELETE FROM bank_statement WHERE tenant_id = $1), c6 AS (DELETE FROM bank_line WHERE tenant_id = $1),
     c7 AS (DELETE FROM match WHERE tenant_id = $1), c8 AS (DELETE FROM exception WHERE tenant_id = $1)
DELETE FROM exception_note WHERE tenant_id = $1;

-- name: projection_digest
-- One SHA-256 per projection over its rows in key order: equal before and after a rebuild.
-- params: tenant int4
SELECT 'account' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.number), ''), 'UTF8')), 'hex') AS digest
  FROM account AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'party' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM party AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'tolerance' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.key), ''), 'UTF8')), 'hex') AS digest
  FROM tolerance AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'period_lock' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.class, t.period), ''), 'UTF8')), 'hex') AS digest
  FROM period_lock AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'number_range' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.series, t.year), ''), 'UTF8')), 'hex') AS digest
  FROM number_range AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'purchase_order' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM purchase_order AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'order_line' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.order_id, t.pos), ''), 'UTF8')), 'hex') AS digest
  FROM order_line AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'receipt' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM receipt AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'receipt_line' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.receipt_id, t.pos), ''), 'UTF8')), 'hex') AS digest
  FROM receipt_line AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'invoice' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM invoice AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'invoice_line' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.invoice_id, t.pos), ''), 'UTF8')), 'hex') AS digest
  FROM invoice_line AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'invoice_tax' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.invoice_id, t.pos), ''), 'UTF8')), 'hex') AS digest
  FROM invoice_tax AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'credit_note' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM credit_note AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'credit_request' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM credit_request AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'remittance' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM remittance AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'remittance_line' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.remittance_id, t.pos), ''), 'UTF8')), 'hex') AS digest
  FROM remittance_line AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'je' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM je AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'jl' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.je_id, t.no), ''), 'UTF8')), 'hex') AS digest
  FROM jl AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'balance' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.account, t.currency, t.period), ''), 'UTF8')), 'hex') AS digest
  FROM balance AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'open_item' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM open_item AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'payment' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM payment AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'payment_item' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.payment_id, t.pos), ''), 'UTF8')), 'hex') AS digest
  FROM payment_item AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'bank_statement' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM bank_statement AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'bank_line' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM bank_line AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'match' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.id), ''), 'UTF8')), 'hex') AS digest
  FROM match AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'exception' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.key), ''), 'UTF8')), 'hex') AS digest
  FROM exception AS t WHERE t.tenant_id = $1
UNION ALL
SELECT 'exception_note' AS name, count(*) AS rows, encode(sha256(convert_to(coalesce(string_agg(t::text, E'\n' ORDER BY t.key, t.version), ''), 'UTF8')), 'hex') AS digest
  FROM exception_note AS t WHERE t.tenant_id = $1
ORDER BY name;
