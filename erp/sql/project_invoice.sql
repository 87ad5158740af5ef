-- project_invoice.sql: what becomes of invoices and credit notes.

-- name: project_invoice_registered
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body, o.id AS order_id
      FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
      LEFT JOIN LATERAL (SELECT min(o.id) AS id FROM purchase_order o
                          WHERE o.tenant_id = $1 AND o.number_norm = e.body->>'order_ref_norm'
                            AND o.party = (e.body->>'party')::bigint) AS o ON true
), head AS (
    INSERT INTO invoice
    SELECT r.* FROM e CROSS JOIN LATERAL jsonb_populate_record(NULL::invoice,
               e.body || jsonb_build_object('tenant_id', $1, 'order_id', e.order_id, 'state', 'registered',
                                            'distinct_from', '[]'::jsonb, 'version', 1)) AS r
), late_credit AS (
    UPDATE credit_note c SET invoice_id = (e.body->>'id')::bigint
      FROM e WHERE c.tenant_id = $1 AND c.invoice_id IS NULL AND c.preceding_norm = e.body->>'number_norm'
       AND c.party = (e.body->>'party')::bigint
), tax AS (
    INSERT INTO invoice_tax
    SELECT r.* FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'taxes') AS t
     CROSS JOIN LATERAL jsonb_populate_record(NULL::invoice_tax,
               t || jsonb_build_object('tenant_id', $1, 'invoice_id', e.body->'id')) AS r
)
INSERT INTO invoice_line
SELECT r.*
  FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'lines') AS l
  LEFT JOIN LATERAL (
       SELECT o.pos FROM order_line o
        WHERE o.tenant_id = $1 AND o.order_id = e.order_id
          AND (o.no = l->>'order_line' OR o.item = l->>'item'
               OR NOT EXISTS (SELECT FROM order_line q WHERE q.tenant_id = $1 AND q.order_id = e.order_id
                                 AND q.pos <> o.pos))
        ORDER BY o.no IS NOT DISTINCT FROM l->>'order_line' DESC,
                 o.item IS NOT DISTINCT FROM l->>'item' DESC, o.pos
        LIMIT 1) AS m ON true
 CROSS JOIN LATERAL jsonb_populate_record(NULL::invoice_line,
           l || jsonb_build_object('tenant_id', $1, 'invoice_id', e.body->'id', 'accepted', '[]'::jsonb,
                                   'order_id', CASE WHEN m.pos IS NOT NULL THEN e.order_id END,
                                   'order_pos', m.pos)) AS r;

-- name: project_invoice_held
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
UPDATE invoice i SET state_before = i.state, state = 'held', hold_code = e.body->>'code', version = i.version + 1
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 WHERE i.tenant_id = $1 AND i.id = (e.body->>'id')::bigint;

-- name: project_invoice_released
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
UPDATE invoice i SET state = i.state_before, state_before = NULL, hold_code = NULL, version = i.version + 1
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 WHERE i.tenant_id = $1 AND i.id = (e.body->>'id')::bigint;

-- name: project_invoice_rejected
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
UPDATE invoice i SET state = 'rejected', state_before = NULL, hold_code = NULL, version = i.version + 1
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 WHERE i.tenant_id = $1 AND i.id = (e.body->>'id')::bigint;

-- name: project_invoice_reopened
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
UPDATE invoice i SET state = 'registered', version = i.version + 1
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 WHERE i.tenant_id = $1 AND i.id = (e.body->>'id')::bigint;

-- name: project_invoice_linked
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    UPDATE invoice i SET order_id = (e.body->>'order_id')::bigint, version = i.version + 1
      FROM e WHERE i.tenant_id = $1 AND i.id = (e.body->>'id')::bigint
)
UPDATE invoice_line l SET order_id = (c->>'order_id')::bigint, order_pos = (c->>'order_pos')::int
  FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'lines') AS c
 WHERE l.tenant_id = $1 AND l.invoice_id = (e.body->>'id')::bigint AND l.pos = (c->>'pos')::int;

-- name: project_invoice_variance_accepted
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    UPDATE invoice i SET version = i.version + 1
      FROM e WHERE i.tenant_id = $1 AND i.id = (e.body->>'id')::bigint
)
UPDATE invoice_line l
   SET accepted = CASE WHEN (e.body->>'withdrawn')::boolean THEN array_remove(l.accepted, e.body->>'variance')
                       ELSE array_append(l.accepted, e.body->>'variance') END
  FROM e
 WHERE l.tenant_id = $1 AND l.invoice_id = (e.body->>'id')::bigint AND l.pos = (e.body->>'pos')::int;

-- name: project_invoice_distinct
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
UPDATE invoice i SET distinct_from = CASE WHEN (e.body->>'withdrawn')::boolean
                                          THEN array_remove(i.distinct_from, (e.body->>'other')::bigint)
                                          ELSE array_append(i.distinct_from, (e.body->>'other')::bigint) END,
       version = i.version + 1
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 WHERE i.tenant_id = $1 AND i.id = (e.body->>'id')::bigint;

-- name: project_invoice_posted
-- The open item: what we owe from now on.  Its unique index is the last guard against owing it twice.
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.occurred, e.body
      FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    UPDATE invoice i SET state = CASE WHEN (e.body#>>'{item,amount}')::bigint = 0 THEN 'paid' ELSE 'posted' END,
           je_id = (e.body->>'je')::bigint, posted_on = e.occurred, version = i.version + 1
      FROM e WHERE i.tenant_id = $1 AND i.id = (e.body->>'id')::bigint
)
INSERT INTO open_item
SELECT r.* FROM e CROSS JOIN LATERAL jsonb_populate_record(NULL::open_item,
           e.body->'item' || jsonb_build_object('tenant_id', $1, 'doc_kind', 'invoice', 'doc_id', e.body->'id',
               'side', 'AP', 'open', e.body#>'{item,amount}', 'reserved', 0, 'reversed', false,
               'je_id', e.body->'je')) AS r;

-- name: project_invoice_unposted
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    UPDATE invoice i SET state = 'registered', je_id = NULL, posted_on = NULL, version = i.version + 1
      FROM e WHERE i.tenant_id = $1 AND i.id = (e.body->>'id')::bigint
)
UPDATE open_item o SET open = 0, reversed = true
  FROM e WHERE o.tenant_id = $1 AND o.id = (e.body->>'open_item')::bigint;

-- name: project_credit_note_registered
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body, i.id AS invoice_id
      FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
      LEFT JOIN LATERAL (SELECT min(i.id) AS id FROM invoice i
                          WHERE i.tenant_id = $1 AND i.party = (e.body->>'party')::bigint
                            AND i.number_norm = e.body->>'preceding_norm') AS i ON true
), request AS (
    UPDATE credit_request q SET state = 'fulfilled', version = q.version + 1
      FROM e WHERE q.tenant_id = $1 AND q.invoice_id = e.invoice_id AND q.state = 'open'
)
INSERT INTO credit_note
SELECT r.* FROM e CROSS JOIN LATERAL jsonb_populate_record(NULL::credit_note,
           e.body || jsonb_build_object('tenant_id', $1, 'invoice_id', e.invoice_id, 'state', 'registered',
                                        'version', 1)) AS r;

-- name: project_credit_note_posted
-- A negative open item: what the supplier owes us, to be netted or refunded.
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.occurred, e.body
      FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    UPDATE credit_note c SET state = 'posted', je_id = (e.body->>'je')::bigint, posted_on = e.occurred,
           version = c.version + 1
      FROM e WHERE c.tenant_id = $1 AND c.id = (e.body->>'id')::bigint
)
INSERT INTO open_item
SELECT r.* FROM e CROSS JOIN LATERAL jsonb_populate_record(NULL::open_item,
           e.body->'item' || jsonb_build_object('tenant_id', $1, 'doc_kind', 'credit_note', 'doc_id', e.body->'id',
               'side', 'AP', 'open', e.body#>'{item,amount}', 'reserved', 0, 'reversed', false,
               'je_id', e.body->'je')) AS r;

-- name: project_credit_note_unposted
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    UPDATE credit_note c SET state = 'registered', je_id = NULL, posted_on = NULL, version = c.version + 1
      FROM e WHERE c.tenant_id = $1 AND c.id = (e.body->>'id')::bigint
)
UPDATE open_item o SET open = 0, reversed = true
  FROM e WHERE o.tenant_id = $1 AND o.id = (e.body->>'open_item')::bigint;

-- name: project_credit_requested
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
INSERT INTO credit_request
SELECT r.*
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 CROSS JOIN LATERAL jsonb_populate_record(NULL::credit_request,
           e.body || jsonb_build_object('tenant_id', $1, 'state', 'open', 'version', 1)) AS r;

-- name: project_credit_request_cancelled
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
UPDATE credit_request q SET state = 'cancelled', version = q.version + 1
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 WHERE q.tenant_id = $1 AND q.id = (e.body->>'id')::bigint;
