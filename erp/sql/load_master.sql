-- load_master.sql: the state behind account.register, party.register, tolerance.set, period.lock.

-- name: load_account
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'account', erp_account_state($1, u.args->>'number'),
           'role_taken', (SELECT a.number FROM account a WHERE a.tenant_id = $1 AND a.role = (SELECT u.args->>'role')
                             AND a.role <> 'bank' AND a.number <> u.args->>'number'),
           'facts', jsonb_build_object('version', coalesce((erp_account_state($1, u.args->>'number')->>'version')::int, 0))) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args);

-- name: load_party
-- The party by id, else as a document would find it.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'party', p.state,
           'facts', jsonb_build_object(
               'version', coalesce((p.state->>'version')::int, 0),
               'vendor', p.state,
               'iban_changes', u.args ? 'iban' AND p.state->>'iban' IS DISTINCT FROM u.args->>'iban')) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args)
 CROSS JOIN LATERAL (
       SELECT erp_party_state($1, CASE WHEN u.args ? 'id' THEN (u.args->>'id')::bigint
                                       ELSE erp_find_party($1, jsonb_build_object(
                                                'vat_id', u.args->>'vat_id', 'id', u.args->>'ext_id',
                                                'name', u.args->>'name')) END) AS state) AS p;

-- name: load_tolerance
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'known', EXISTS (SELECT FROM tolerance_default d WHERE d.key = (SELECT u.args->>'key')),
           'current', (SELECT to_jsonb(t) FROM erp_tolerance($1, u.args->>'key') t),
           'facts', jsonb_build_object('version', coalesce((SELECT t.version FROM tolerance t
                        WHERE t.tenant_id = $1 AND t.key = (SELECT u.args->>'key')), 0))) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args);

-- name: load_period
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'state', coalesce(l.state, 'open'),
           'facts', jsonb_build_object('version', coalesce(l.version, 0), 'state', coalesce(l.state, 'open'))) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args)
  LEFT JOIN period_lock l ON l.tenant_id = $1 AND l.class = (SELECT u.args->>'class') AND l.period = (SELECT u.args->>'period');
