-- registry.sql: versions of models, who is served by which, and the companies' adapters.

-- name: model_serving
-- tenant 0 is everybody; a company's own row goes before it.  Everybody's says what answered before; '' the setting.
SELECT s.tenant_id, s.name, s.version, s.path, s.sha256, s.template,
       coalesce(s.before_name || '@' || s.before_version, '') AS before, coalesce(s.before_path, '') AS before_path,
       coalesce(s.before_sha256, '') AS before_sha256, coalesce(s.before_template, '') AS before_template
  FROM reeve_model_serving() AS s;

-- name: model_versions
-- params: name text
SELECT m.name, m.version, m.state, m.sha256, array_to_string(reeve_model_canaries(m.name, m.version), ',') AS companies,
       to_char(m.loaded_at, 'YYYY-MM-DD HH24:MI') AS loaded, m.loaded_by, to_char(m.changed_at, 'YYYY-MM-DD HH24:MI') AS
       changed, m.changed_by, m.path, m.template
  FROM model_version m WHERE $1 = '' OR m.name = $1
 ORDER BY m.name, m.version;

-- name: model_version_load
-- The next version of that name; no row where it has that file with that chat format already.
-- params: name text, path text, sha256 text, bytes int8, person text, template text
INSERT INTO model_version (name, version, path, sha256, bytes, loaded_by, changed_by, template)
SELECT $1, 1 + coalesce((SELECT max(m.version) FROM model_version m WHERE m.name = $1), 0), $2, $3, $4, $5, $5, $6
 WHERE NOT EXISTS (SELECT FROM model_version m WHERE m.name = $1 AND m.sha256 = $3 AND m.template = $6)
RETURNING version;

-- name: model_try
-- params: name text, version int4, person text
SELECT c.model, c.hash FROM reeve_model_try($1, $2, $3) AS c;

-- name: model_try_end
-- params: name text, version int4, person text
SELECT c.model, c.hash FROM reeve_model_try_end($1, $2, $3) AS c;

-- name: model_promote
-- params: name text, version int4, person text
SELECT p.model, p.hash, p.before FROM reeve_model_promote($1, $2, $3) AS p;

-- name: model_rollback
-- params: name text, person text
SELECT r.model, r.hash, r.from_model FROM reeve_model_rollback($1, $2) AS r;

-- name: model_adapter_put
-- No row where the company has exactly this one already.
-- params: tenant int4, name text, path text, sha256 text, person text
INSERT INTO model_adapter AS a (tenant_id, name, path, sha256, loaded_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, name) DO UPDATE
SET path = excluded.path, sha256 = excluded.sha256, loaded_by = excluded.loaded_by, loaded_at = clock_timestamp()
 WHERE (a.path, a.sha256) IS DISTINCT FROM (excluded.path, excluded.sha256)
RETURNING a.name AS adapter;

-- name: model_adapter_remove
-- params: tenant int4, name text
DELETE FROM model_adapter a WHERE a.tenant_id = $1 AND a.name = $2 RETURNING a.sha256 AS hash;

-- name: model_adapter_find
-- params: tenant int4, name text
SELECT a.name, a.path, a.sha256 FROM model_adapter a WHERE a.tenant_id = $1 AND a.name = $2;

-- name: model_adapter_for_agents
-- The one of that name; '': the one that the company's agents ask with where they name none.
-- params: tenant int4, name text
SELECT a.name, a.path, a.sha256 FROM model_adapter a
 WHERE a.tenant_id = $1
   AND a.name = CASE WHEN $2 <> '' THEN $2 ELSE (SELECT u.name FROM model_adapter_use u WHERE u.tenant_id = $1) END;

-- name: model_adapter_use
-- params: tenant int4, name text
INSERT INTO model_adapter_use AS u (tenant_id, name)
SELECT a.tenant_id, a.name FROM model_adapter a WHERE a.tenant_id = $1 AND a.name = $2
ON CONFLICT (tenant_id) DO UPDATE SET name = excluded.name
RETURNING u.name AS adapter;

-- name: model_adapter_use_none
-- params: tenant int4
DELETE FROM model_adapter_use u WHERE u.tenant_id = $1 RETURNING u.name AS adapter;

-- name: model_adapters
-- params: tenant int4
SELECT a.name, CASE WHEN u.name IS NULL THEN '' ELSE 'yes' END AS agents, a.sha256,
       to_char(a.loaded_at, 'YYYY-MM-DD HH24:MI') AS loaded, a.loaded_by, a.path
  FROM model_adapter a LEFT JOIN model_adapter_use u ON u.tenant_id = a.tenant_id AND u.name = a.name
 WHERE a.tenant_id = $1 ORDER BY a.name;
