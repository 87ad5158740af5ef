-- retention.sql: journals by their period; see runtime/journal/sql/migrations/0210_retention.sql.

-- name: retention_show
-- params: keep_months int4
SELECT p.name AS period, to_char(p.begins, 'YYYY-MM-DD') AS begins, to_char(p.ends, 'YYYY-MM-DD') AS ends,
       p.rows, p.bytes, p.open,
       CASE WHEN p.dropped_at IS NOT NULL THEN 'dropped on ' || to_char(p.dropped_at, 'YYYY-MM-DD') || ' by ' || p.dropped_by
            WHEN p.name = 'journal_default' THEN 'outside of all periods, stays'
            WHEN p.past AND p.open > 0 THEN 'past, held by open runs'
            WHEN p.past THEN 'past' ELSE 'kept' END AS state
  FROM reeve_journal_periods($1) AS p;

-- name: retention_past
-- Those that may go, and those that only open runs hold back.
-- params: keep_months int4
SELECT jsonb_build_object('period', p.name, 'begins', to_char(p.begins, 'YYYY-MM-DD'), 'ends', to_char(p.ends, 'YYYY-MM-DD'),
           'bytes', p.bytes, 'open', p.open, 'held_by', coalesce(p.held, '[]'))
  FROM reeve_journal_periods($1) AS p
 WHERE p.past;

-- name: retention_tally
-- params: period text
SELECT jsonb_build_object('tenant_id', t.tenant_id, 'company', t.company, 'runs', t.runs, 'steps', t.steps)
  FROM reeve_journal_tally($1) AS t;

-- name: retention_drop
-- As the owner of the tables.
-- params: period text, keep_months int4, who text, tally jsonb
SELECT reeve_journal_drop($1, $2, $3, $4);

-- name: retention_dropped
-- What of this company has gone: how much, and the newest act.
-- params: tenant int4
SELECT jsonb_build_object('periods', count(*), 'runs', sum(d.runs), 'steps', sum(d.steps),
           'at', max(d.dropped_at), 'by', (array_agg(d.dropped_by ORDER BY d.dropped_at DESC))[1])
  FROM journal_drop d WHERE d.tenant_id = $1
HAVING count(*) > 0;
