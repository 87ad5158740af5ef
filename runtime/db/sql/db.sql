-- db.sql: what every connection says, and what the migrator does.

-- name: db_setup
-- The runtime never works as owner or superuser: both skip row-level security.  Where the login role
-- is a member of reeve_app (the owner is), it becomes reeve_app.
DO $$ BEGIN
    PERFORM set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false),
            set_config('bytea_output', 'hex', false), set_config('statement_timeout', '600s', false),
            set_config('lock_timeout', '60s', false),
            set_config('idle_in_transaction_session_timeout', '60s', false);
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'reeve_app')
       AND pg_has_role(session_user, 'reeve_app', 'MEMBER') THEN
        SET ROLE reeve_app;
    END IF;
END $$;

-- name: db_begin
BEGIN;

-- name: db_commit
COMMIT;

-- name: db_rollback
ROLLBACK;

-- name: db_set_tenant
-- params: tenant text
SELECT set_config('reeve.tenant', $1, true);

-- name: migrate_prepare
CREATE TABLE IF NOT EXISTS schema_migration (
    name text PRIMARY KEY, checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp());

-- name: migrate_lock
SELECT pg_advisory_xact_lock(7215604198);

-- name: migrate_find
-- params: name text
SELECT checksum FROM schema_migration WHERE name = $1;

-- name: migrate_record
-- params: name text, checksum text
INSERT INTO schema_migration (name, checksum) VALUES ($1, $2);
