-- project_journal.sql: the ledger.  Entry and lines are appended, the hot balance rows are touched once
-- per group commit with aggregated sums; legal numbers are given in event order, gap-free, by one update
-- of the number range per call.  An entry that does not balance in every currency breaks je_must_balance
-- and with it the transaction.

-- name: project_journal_posted
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.seq, e.occurred, e.body, (e.body->>'id')::bigint AS id, coalesce(e.body->>'series', 'JE') AS series,
           to_char(e.occurred, 'YYYY-MM') AS period, extract(year FROM e.occurred)::int AS year
      FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), line AS MATERIALIZED (
    SELECT e.id, e.seq, e.period, l.no::smallint AS no, l.account, l.amount, l.currency, l.party, l.tax_code, l.memo
      FROM e CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(e.body->'lines') AS (
               account text, amount bigint, currency text, party bigint, tax_code text, memo text))
           WITH ORDINALITY AS l(account, amount, currency, party, tax_code, memo, no)
), range AS (
    INSERT INTO number_range AS n (tenant_id, series, year, last)
    SELECT $1, series, year, count(*) FROM e GROUP BY series, year ORDER BY series, year
        ON CONFLICT (tenant_id, series, year) DO UPDATE SET last = n.last + excluded.last
 RETURNING n.series, n.year, n.last
), entry AS (
    INSERT INTO je (tenant_id, id, seq, series, number, post_date, period, doc_kind, doc_id, memo, reverses,
                    difference, version)
    SELECT $1, e.id, e.seq, e.series,
           r.last - count(*) OVER w + row_number() OVER (PARTITION BY e.series, e.year ORDER BY e.seq),
           e.occurred, e.period, e.body->>'doc_kind', (e.body->>'doc_id')::bigint, e.body->>'memo',
           (e.body->>'reverses')::bigint, coalesce(d.difference, 1), 1
      FROM e JOIN range r ON r.series = e.series AND r.year = e.year
      LEFT JOIN (SELECT id, sum(abs(s)) AS difference
                   FROM (SELECT id, currency, sum(amount) AS s FROM line GROUP BY id, currency) AS c
                  GROUP BY id) AS d ON d.id = e.id
    WINDOW w AS (PARTITION BY e.series, e.year)
), lines AS (
    INSERT INTO jl (tenant_id, je_id, no, account, amount, currency, party, tax_code, memo)
    SELECT $1, id, no, account, amount, currency, party, tax_code, memo FROM line
)
INSERT INTO balance AS b (tenant_id, account, currency, period, debit, credit, upto_seq)
SELECT $1, account, currency, period, coalesce(sum(amount) FILTER (WHERE amount > 0), 0),
       coalesce(-sum(amount) FILTER (WHERE amount < 0), 0), max(seq)
  FROM line GROUP BY account, currency, period ORDER BY account, currency, period
    ON CONFLICT (tenant_id, account, currency, period) DO UPDATE
   SET debit = b.debit + excluded.debit, credit = b.credit + excluded.credit,
       upto_seq = greatest(b.upto_seq, excluded.upto_seq);

-- name: project_journal_reversed
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
UPDATE je j SET reversed_by = (e.body->>'by')::bigint, version = j.version + 1
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 WHERE j.tenant_id = $1 AND j.id = (e.body->>'id')::bigint;
