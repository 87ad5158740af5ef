-- load_payment.sql: the state behind proposing, releasing and cancelling payments.

-- name: load_payment_propose
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'items', s.items,
           'party', erp_party_state($1, s.party),
           'account', erp_account_state($1, u.args->>'account'),
           'facts', jsonb_build_object(
               'vendor', erp_party_state($1, s.party),
               'amount', jsonb_build_object('minor', coalesce(s.total, 0), 'currency', s.currency),
               'held', coalesce(s.held, false))) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args)
 CROSS JOIN LATERAL (
       SELECT jsonb_agg(jsonb_build_object(
                  'open_item', o.id, 'party', o.party, 'currency', o.currency, 'open', o.open,
                  'reserved', o.reserved, 'ref', o.ref, 'due', o.due, 'side', o.side,
                  'held', i.state IS NOT DISTINCT FROM 'held') ORDER BY o.id) AS items,
              min(o.party) AS party, min(o.currency) AS currency,
              sum(coalesce((w.item->>'amount_minor')::bigint, o.open - o.reserved))::bigint AS total,
              bool_or(i.state = 'held') AS held
         FROM (SELECT i.item, (i.item->>'open_item')::bigint AS key
                 FROM jsonb_array_elements(u.args->'items') AS i(item) OFFSET 0) AS w
         JOIN open_item o ON o.tenant_id = $1 AND o.id = w.key
         LEFT JOIN invoice i ON i.tenant_id = $1 AND o.doc_kind = 'invoice' AND i.id = o.doc_id) AS s;

-- name: load_payment
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'payment', to_jsonb(p) - 'tenant_id',
           'party', erp_party_state($1, p.party),
           'items', (SELECT jsonb_agg(jsonb_build_object(
                                'open_item', t.open_item, 'amount', t.amount, 'open', o.open,
                                'reserved', o.reserved, 'held', i.state IS NOT DISTINCT FROM 'held') ORDER BY t.pos)
                       FROM payment_item t
                       JOIN open_item o ON o.tenant_id = $1 AND o.id = t.open_item
                       LEFT JOIN invoice i ON i.tenant_id = $1 AND o.doc_kind = 'invoice' AND i.id = o.doc_id
                      WHERE t.tenant_id = $1 AND t.payment_id = p.id),
           'roles', erp_roles($1), 'locks', erp_locks($1),
           'facts', jsonb_build_object(
               'version', p.version, 'state', p.state, 'vendor', erp_party_state($1, p.party),
               'iban_is_master', p.iban IS NOT DISTINCT FROM (SELECT m.iban FROM party m
                                    WHERE m.tenant_id = $1 AND m.id = p.party AND m.status = 'active'),
               'exceptions', erp_exceptions_of($1, 'payment:' || p.id),
               'amount', jsonb_build_object('minor', p.amount, 'currency', p.currency))) AS state
  FROM (SELECT a.unit, a.args, (a.args->>'payment')::bigint AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN payment p ON p.tenant_id = $1 AND p.id = u.key;
