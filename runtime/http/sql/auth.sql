-- name: http_token
-- The person behind an API token; the secret's hash is compared by the program.
-- params: tenant int4, id int8
SELECT t.token_hash, p.name, array_to_string(p.roles, ',')
FROM api_token t JOIN person p ON p.tenant_id = t.tenant_id AND p.name = t.person
WHERE t.tenant_id = $1 AND t.id = $2 AND p.enabled AND t.revoked_at IS NULL
  AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp());

-- name: http_session
-- params: tenant int4, token_hash bytea
SELECT s.token_hash, p.name, array_to_string(p.roles, ','), s.csrf
FROM web_session s JOIN person p ON p.tenant_id = s.tenant_id AND p.name = s.person
WHERE s.tenant_id = $1 AND s.token_hash = $2 AND p.enabled AND s.expires_at > clock_timestamp();

-- name: http_tenant
-- The number of a tenant by name; NULL when there is none.
-- params: name text
SELECT reeve_tenant_id($1);

-- name: http_person
-- params: tenant int4, name text
SELECT p.password_hash, array_to_string(p.roles, ',')
FROM person p
WHERE p.tenant_id = $1 AND p.name = $2 AND p.enabled AND p.password_hash IS NOT NULL;

-- name: http_session_add
-- Opens a session and forgets the person's expired ones.
-- params: tenant int4, token_hash bytea, person text, csrf text, expires_at timestamptz
WITH old AS (
    DELETE FROM web_session WHERE tenant_id = $1 AND person = $3 AND expires_at < clock_timestamp()
)
INSERT INTO web_session (tenant_id, token_hash, person, csrf, expires_at)
VALUES ($1, $2, $3, $4, $5);

-- name: http_session_drop
-- params: tenant int4, token_hash bytea
DELETE FROM web_session WHERE tenant_id = $1 AND token_hash = $2;
