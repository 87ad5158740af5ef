-- load_exception.sql: the state behind exception.resolve, snooze, note and reopen.

-- name: load_exception
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'exception', to_jsonb(x) - 'tenant_id' || jsonb_build_object('key', encode(x.key, 'hex')),
           'facts', jsonb_build_object(
               'version', x.version, 'state', x.state, 'exception', jsonb_build_object(
                   'type', x.type, 'tier', x.tier, 'resource', x.resource),
               'vendor', erp_party_state($1, x.party),
               'amount', jsonb_build_object('minor', coalesce(x.money, 0), 'currency', x.currency))) AS state
  FROM (SELECT a.unit, a.args, decode(a.args->>'key', 'hex') AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args) OFFSET 0) AS u
  JOIN exception x ON x.tenant_id = $1 AND x.key = u.key;
