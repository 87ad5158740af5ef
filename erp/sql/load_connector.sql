-- load_connector.sql: the state behind http.request, mail.send and file.write.

-- name: load_connector
-- A row for every unit, so that a connector that is not there is refused by name.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT a.unit, jsonb_build_object(
           'connector', CASE WHEN c.name IS NOT NULL THEN c.settings
               || jsonb_build_object('name', c.name, 'kind', c.kind, 'target', c.target, 'enabled', c.enabled) END,
           'facts', jsonb_build_object('version', coalesce(c.version, 0), 'connector', a.args->>'connector',
               'kind', c.kind, 'host', c.settings->>'host')) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS a(unit, args)
  LEFT JOIN connector c ON c.tenant_id = $1 AND c.name = a.args->>'connector';
