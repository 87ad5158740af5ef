-- project_bank.sql: statements, their lines, and what the lines were found to be.

-- name: project_statement_opened
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
INSERT INTO bank_statement
SELECT r.*
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 CROSS JOIN LATERAL jsonb_populate_record(NULL::bank_statement,
           e.body || jsonb_build_object('tenant_id', $1, 'difference', 0, 'line_count', 0, 'line_sum', 0,
                                        'known_count', 0, 'state', 'loading', 'version', 1)) AS r;

-- name: project_statement_lines
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    UPDATE bank_statement s SET line_count = s.line_count + (e.body->>'count')::int,
           line_sum = s.line_sum + (e.body->>'sum')::bigint,
           known_count = s.known_count + (e.body->>'known')::int, version = s.version + 1
      FROM e WHERE s.tenant_id = $1 AND s.id = (e.body->>'id')::bigint
)
INSERT INTO bank_line (tenant_id, id, statement_id, account, fp, occ, booked, valued, amount, currency,
                       bank_ref, end_to_end_id, counterparty, counterparty_iban, memo, code, reversal,
                       state, version)
SELECT $1, l.id, (e.body->>'id')::bigint, e.body->>'account', decode(l.fp, 'hex'), l.occ, l.booked, l.valued,
       l.amount, l.currency, l.bank_ref, l.end_to_end_id, l.counterparty, l.counterparty_iban, l.memo, l.code,
       coalesce(l.reversal, false), 'open', 1
  FROM e CROSS JOIN LATERAL jsonb_to_recordset(e.body->'lines') AS l(
       id bigint, fp text, occ int, booked date, valued date, amount bigint, currency text, bank_ref text,
       end_to_end_id text, counterparty text, counterparty_iban text, memo text, code text, reversal boolean);

-- name: project_statement_closed
-- Lines in quarantine leave the account, so that the bank's correction can bring the same lines there.
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body, (e.body->>'id')::bigint AS id
      FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), aside AS (
    UPDATE bank_line b SET account = 'quarantined:' || e.id
      FROM e WHERE b.tenant_id = $1 AND b.statement_id = e.id AND e.body ? 'rule'
)
UPDATE bank_statement s SET state = e.body->>'state', difference = (e.body->>'difference')::bigint,
       rule = e.body->>'rule', reason = CASE WHEN e.body ? 'rule' THEN e.body->>'reason' END,
       judged = e.body->'judged', version = s.version + 1
  FROM e WHERE s.tenant_id = $1 AND s.id = e.id;

-- name: project_statement_released
-- The statement moves to the account that is registered now, and with it its lines when nothing else keeps
-- it in quarantine; a line that another statement brought there meanwhile is counted as known instead.
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT (e.body->>'id')::bigint AS id, e.body->>'account' AS account, e.body->>'state' AS state,
           e.body->>'rule' AS rule, e.body->>'reason' AS reason
      FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), twice AS (
    SELECT b.id, b.statement_id FROM e
      JOIN bank_line b ON b.tenant_id = $1 AND b.statement_id = e.id
      JOIN bank_line o ON o.tenant_id = $1 AND o.account = e.account AND o.fp = b.fp AND o.occ = b.occ
     WHERE e.state = 'imported'
), gone AS (
    DELETE FROM bank_line b USING twice t WHERE b.tenant_id = $1 AND b.id = t.id
), moved AS (
    UPDATE bank_line b SET account = e.account
      FROM e WHERE b.tenant_id = $1 AND b.statement_id = e.id AND e.state = 'imported'
       AND NOT EXISTS (SELECT FROM twice t WHERE t.id = b.id)
)
UPDATE bank_statement s SET account = e.account, state = e.state, rule = e.rule, reason = e.reason, judged = NULL,
       known_count = s.known_count + (SELECT count(*) FROM twice t WHERE t.statement_id = s.id),
       version = s.version + 1
  FROM e WHERE s.tenant_id = $1 AND s.id = e.id;

-- name: project_bank_line_matched
-- Targets are payments we released (now cleared) and open items settled directly.
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), target AS (
    SELECT (t->>'open_item')::bigint AS open_item, (t->>'payment')::bigint AS payment, (t->>'settles')::bigint AS settles
      FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'targets') AS t
), line AS (
    UPDATE bank_line b SET state = 'matched', je_id = (e.body->>'je')::bigint, version = b.version + 1
      FROM e WHERE b.tenant_id = $1 AND b.id = (e.body->>'id')::bigint
), found AS (
    INSERT INTO match
    SELECT $1, (e.body->>'match')::bigint, (e.body->>'id')::bigint, e.body->>'rule', (e.body->>'score')::int,
           e.body->'runner_up', e.body->'targets', 'active'
      FROM e
), cleared AS (
    UPDATE payment p SET state = 'cleared', version = p.version + 1
      FROM target t WHERE p.tenant_id = $1 AND p.id = t.payment
), settled AS (
    UPDATE open_item o SET open = o.open - s.amount
      FROM (SELECT open_item, sum(settles)::bigint AS amount FROM target WHERE open_item IS NOT NULL GROUP BY 1) AS s
     WHERE o.tenant_id = $1 AND o.id = s.open_item
 RETURNING o.doc_kind, o.doc_id, o.open
)
UPDATE invoice i SET state = 'paid', state_before = NULL, hold_code = NULL
  FROM settled s
 WHERE i.tenant_id = $1 AND i.id = s.doc_id AND s.doc_kind = 'invoice' AND s.open = 0;

-- name: project_bank_line_posted
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
UPDATE bank_line b SET state = 'posted', je_id = (e.body->>'je')::bigint, version = b.version + 1
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 WHERE b.tenant_id = $1 AND b.id = (e.body->>'id')::bigint;

-- name: project_bank_line_unmatched
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), target AS (
    SELECT (t->>'open_item')::bigint AS open_item, (t->>'payment')::bigint AS payment, (t->>'settles')::bigint AS settles
      FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'targets') AS t
), line AS (
    UPDATE bank_line b SET state = 'open', je_id = NULL, version = b.version + 1
      FROM e WHERE b.tenant_id = $1 AND b.id = (e.body->>'id')::bigint
), undone AS (
    UPDATE match m SET state = 'undone'
      FROM e WHERE m.tenant_id = $1 AND m.id = (e.body->>'match')::bigint
), cleared AS (
    UPDATE payment p SET state = 'released', version = p.version + 1
      FROM target t WHERE p.tenant_id = $1 AND p.id = t.payment
), settled AS (
    UPDATE open_item o SET open = o.open + s.amount
      FROM (SELECT open_item, sum(settles)::bigint AS amount FROM target WHERE open_item IS NOT NULL GROUP BY 1) AS s
     WHERE o.tenant_id = $1 AND o.id = s.open_item
 RETURNING o.doc_kind, o.doc_id, o.open
)
UPDATE invoice i SET state = 'posted'
  FROM settled s
 WHERE i.tenant_id = $1 AND i.id = s.doc_id AND s.doc_kind = 'invoice' AND s.open <> 0 AND i.state = 'paid';
