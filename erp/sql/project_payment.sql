-- project_payment.sql: remittances, payments and what they settle.

-- name: project_remittance_registered
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    INSERT INTO remittance
    SELECT r.* FROM e CROSS JOIN LATERAL jsonb_populate_record(NULL::remittance,
               e.body || jsonb_build_object('tenant_id', $1, 'version', 1)) AS r
)
INSERT INTO remittance_line
SELECT r.* FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'lines') AS l
 CROSS JOIN LATERAL jsonb_populate_record(NULL::remittance_line,
           l || jsonb_build_object('tenant_id', $1, 'remittance_id', e.body->'id', 'party', e.body->'party',
                                   'currency', e.body->'currency')) AS r;

-- name: project_payment_proposed
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    INSERT INTO payment
    SELECT r.* FROM e CROSS JOIN LATERAL jsonb_populate_record(NULL::payment,
               e.body || jsonb_build_object('tenant_id', $1, 'state', 'proposed', 'version', 1)) AS r
), item AS (
    INSERT INTO payment_item
    SELECT r.* FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'items') AS t
     CROSS JOIN LATERAL jsonb_populate_record(NULL::payment_item,
               t || jsonb_build_object('tenant_id', $1, 'payment_id', e.body->'id')) AS r
)
UPDATE open_item o SET reserved = o.reserved + s.amount
  FROM (SELECT (t->>'open_item')::bigint AS id, sum((t->>'amount')::bigint) AS amount
          FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'items') AS t GROUP BY 1) AS s
 WHERE o.tenant_id = $1 AND o.id = s.id;

-- name: project_payment_cancelled
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    UPDATE payment p SET state = 'cancelled', version = p.version + 1
      FROM e WHERE p.tenant_id = $1 AND p.id = (e.body->>'id')::bigint
)
UPDATE open_item o SET reserved = o.reserved - s.amount
  FROM (SELECT (t->>'open_item')::bigint AS id, sum((t->>'amount')::bigint) AS amount
          FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'items') AS t GROUP BY 1) AS s
 WHERE o.tenant_id = $1 AND o.id = s.id;

-- name: project_payment_released
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.body FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), head AS (
    UPDATE payment p SET state = 'released', je_id = (e.body->>'je')::bigint, version = p.version + 1
      FROM e WHERE p.tenant_id = $1 AND p.id = (e.body->>'id')::bigint
), settled AS (
    UPDATE open_item o SET open = o.open - s.amount, reserved = o.reserved - s.amount
      FROM (SELECT (t->>'open_item')::bigint AS id, sum((t->>'amount')::bigint) AS amount
              FROM e CROSS JOIN LATERAL jsonb_array_elements(e.body->'items') AS t GROUP BY 1) AS s
     WHERE o.tenant_id = $1 AND o.id = s.id
 RETURNING o.doc_kind, o.doc_id, o.open
)
UPDATE invoice i SET state = 'paid', state_before = NULL, hold_code = NULL
  FROM settled s
 WHERE i.tenant_id = $1 AND i.id = s.doc_id AND s.doc_kind = 'invoice' AND s.open = 0;
