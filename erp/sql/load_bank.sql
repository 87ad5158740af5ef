-- load_bank.sql: the state behind statements and their lines.
--
-- Of all load statements: keys out of JSON are made in a subquery of their own (SELECT …, or OFFSET 0 before
-- a join).  Behind row-level security an index serves only conditions that cannot leak rows, and ->> beside a
-- column counts as leaking: the whole table would be read.  erp_read_test looks at each with EXPLAIN.

-- name: load_statement
-- Header, lines, close or release of a statement: our account by IBAN or bank's id, the statement if we
-- have it (of that account, or kept for an account that was not registered when it came), and which of
-- the lines in hand are known already (here, or from another statement).
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'account', to_jsonb(a) - 'tenant_id',
           'statement', to_jsonb(s) - 'tenant_id',
           'known_here', coalesce(k.here, '[]'), 'known_elsewhere', coalesce(k.elsewhere, '[]'),
           'facts', jsonb_build_object('version', coalesce(s.version, 0), 'state', s.state,
                                       'account', a.number)) AS state
  FROM (SELECT x.unit, x.args, x.args->>'statement_id' AS ref,
               'unregistered:' || coalesce(x.args->>'account_iban', x.args->>'account_id') AS kept_for
          FROM unnest($2::int4[], $3::jsonb[]) AS x(unit, args) OFFSET 0) AS u
  LEFT JOIN account a ON a.tenant_id = $1 AND a.role = 'bank' AND a.active
        AND (a.iban = (SELECT u.args->>'account_iban') OR (SELECT u.args->>'account_id') IN (a.bank_account, a.iban))
  LEFT JOIN LATERAL (
       SELECT b.* FROM bank_statement b
        WHERE b.tenant_id = $1 AND b.account IN (a.number, u.kept_for) AND b.statement_ref = u.ref
        ORDER BY b.account = a.number DESC LIMIT 1) AS s ON true
 CROSS JOIN LATERAL (
       SELECT coalesce(s.account, a.number) AS own, 'quarantined:' || s.id AS aside OFFSET 0) AS place
 CROSS JOIN LATERAL (
       SELECT jsonb_agg(x.at) FILTER (WHERE b.statement_id = s.id) AS here,
              jsonb_agg(x.at) FILTER (WHERE b.statement_id IS DISTINCT FROM s.id) AS elsewhere
         FROM (SELECT decode(l.line->>'fingerprint', 'hex') AS fp, (l.line->>'occurrence')::int AS occ, l.at - 1 AS at
                 FROM jsonb_array_elements(coalesce(u.args->'lines', '[]')) WITH ORDINALITY AS l(line, at)
               OFFSET 0) AS x
         JOIN bank_line b ON b.tenant_id = $1 AND b.fp = x.fp AND b.occ = x.occ
              AND b.account IN (place.own, place.aside)) AS k;

-- name: load_bank_line
-- "is_sure": the books' own scores (of the open exception of this line) say that the one target of the request
-- fits to the cent and better than any other, so that nobody need compare.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'line', to_jsonb(b) - 'tenant_id' - 'fp',
           'statement_state', s.state,
           'bank', erp_account_state($1, b.account),
           'account', erp_account_state($1, u.args->>'account'),
           'match', (SELECT to_jsonb(m) - 'tenant_id' FROM match m
                      WHERE m.tenant_id = $1 AND m.bank_line = b.id AND m.state = 'active'),
           'je', (SELECT to_jsonb(j) - 'tenant_id' FROM je j WHERE j.tenant_id = $1 AND j.id = b.je_id),
           'jl', (SELECT jsonb_agg(to_jsonb(l) - 'tenant_id' - 'je_id' ORDER BY l.no) FROM jl l
                   WHERE l.tenant_id = $1 AND l.je_id = b.je_id),
           'items', (SELECT jsonb_agg(jsonb_build_object('open_item', o.id, 'party', o.party, 'side', o.side,
                                          'ref', o.ref, 'open', o.open, 'reserved', o.reserved,
                                          'amount', o.amount, 'currency', o.currency))
                       FROM open_item o WHERE o.tenant_id = $1
                        AND o.id = ANY (ARRAY(SELECT (t->>'open_item')::bigint
                                       FROM jsonb_array_elements(coalesce(u.args->'targets', '[]')) t))),
           'payments', (SELECT jsonb_agg(jsonb_build_object('payment', p.id, 'party', p.party, 'state', p.state,
                                             'amount', p.amount, 'currency', p.currency))
                          FROM payment p WHERE p.tenant_id = $1
                           AND p.id = ANY (ARRAY(SELECT (t->>'payment')::bigint
                                          FROM jsonb_array_elements(coalesce(u.args->'targets', '[]')) t))),
           'roles', erp_roles($1), 'locks', erp_locks($1),
           'facts', jsonb_build_object(
               'is_sure', EXISTS (
                   SELECT FROM exception x
                    WHERE x.tenant_id = $1 AND x.resource = 'bank_line:' || b.id AND x.state = 'open'
                      AND jsonb_array_length(u.args->'targets') = 1
                      AND (x.evidence->'candidates'->0->>'id')::bigint
                          = (u.args->'targets'->0->>(x.evidence->'candidates'->0->>'kind'))::bigint
                      AND (x.evidence->'candidates'->0->>'score')::int >= 95
                      AND (x.evidence->'candidates'->0->>'difference')::bigint = 0
                      AND (x.evidence->'candidates'->0->>'score')::int
                          > coalesce((x.evidence->'candidates'->1->>'score')::int, 0)),
               'version', b.version, 'state', b.state, 'booked', b.booked,
               'party', jsonb_build_object('name', b.counterparty), 'memo', b.memo,
               'settles', (SELECT jsonb_agg(o.ref ORDER BY o.id) FROM open_item o WHERE o.tenant_id = $1
                              AND o.id = ANY (ARRAY(SELECT (t->>'open_item')::bigint
                                             FROM jsonb_array_elements(coalesce(u.args->'targets', '[]')) t))),
               'exceptions', erp_exceptions_of($1, 'bank_line:' || b.id),
               'amount', jsonb_build_object('minor', b.amount, 'currency', b.currency))) AS state
  FROM (SELECT a.unit, a.args, (a.args->>'bank_line')::bigint AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN bank_line b ON b.tenant_id = $1 AND b.id = u.key
  JOIN bank_statement s ON s.tenant_id = $1 AND s.id = b.statement_id;
