-- name: people_set
-- Adds or renews a person; a new password ends all sessions.
-- params: tenant int4, name text, roles text, password_hash text
WITH ended AS (DELETE FROM web_session WHERE tenant_id = $1 AND person = $2)
INSERT INTO person (tenant_id, name, roles, password_hash)
VALUES ($1, $2, string_to_array($3, ','), $4)
ON CONFLICT (tenant_id, name) DO UPDATE
SET roles = EXCLUDED.roles, enabled = true,
    password_hash = coalesce(EXCLUDED.password_hash, person.password_hash)
RETURNING name;

-- name: people_enable
-- params: tenant int4, name text, enabled bool
WITH ended AS (DELETE FROM web_session WHERE tenant_id = $1 AND person = $2 AND NOT $3)
UPDATE person SET enabled = $3 WHERE tenant_id = $1 AND name = $2
RETURNING name;

-- name: token_make
-- No row when there is no such person.
-- params: tenant int4, id int8, person text, token_hash bytea, label text, expires_at timestamptz
INSERT INTO api_token (tenant_id, id, person, token_hash, label, expires_at)
SELECT p.tenant_id, $2, p.name, $4, $5, $6 FROM person p
WHERE p.tenant_id = $1 AND p.name = $3 AND p.enabled
RETURNING id AS token;

-- name: token_revoke
-- params: tenant int4, id int8
UPDATE api_token SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE tenant_id = $1 AND id = $2
RETURNING id AS token;

-- name: company_make
-- No row: the number or the name is taken.
-- params: tenant int4, name text, company jsonb, person text, roles text
SELECT made AS company FROM reeve_company_make($1, $2, $3, $4, string_to_array($5, ',')) AS made;
