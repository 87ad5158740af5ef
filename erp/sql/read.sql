-- read.sql: the reads of agents and of the command line.

-- name: erp_read
-- erp.find, erp.get, erp.history: see migrations/0070_read.sql
-- params: tenant int4, name text, args jsonb
SELECT erp_read($1, $2, $3);

-- name: erp_names_in
-- The names of our parties that a question mentions: what a model must not see.
-- params: tenant int4, question jsonb
SELECT erp_names_in($1, $2);

-- name: ledger_sums
-- Debit minus credit of everything, per currency: must be zero.
-- params: tenant int4
SELECT l.currency, count(*), sum(l.amount)::bigint,
       sum(l.amount) FILTER (WHERE l.amount > 0)::bigint
  FROM jl l WHERE l.tenant_id = $1 GROUP BY l.currency ORDER BY l.currency;
