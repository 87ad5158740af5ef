-- db.sql: what every connection says, and what the migrator does.

-- name: db_setup
-- The runtime never works as owner or superuser: policies bind neither as they bind reeve_app.  The wall
-- is the login, which is a member of reeve_app only (roles.sql); becoming reeve_app here is for a server
-- whose administrator gave a mightier one (`reeve doctor` warns).  A mighty login that is no member is
-- refused.  A connection whose client is gone ends within seconds, also inside a statement.
DO $$ BEGIN
    PERFORM set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false),
            set_config('bytea_output', 'hex', false), set_config('jit', 'off', false),
            set_config('statement_timeout', '600s', false), set_config('lock_timeout', '60s', false),
            set_config('idle_in_transaction_session_timeout', '60s', false),
            set_config('client_connection_check_interval', '2s', false),
            set_config('tcp_keepalives_idle', '15', false),
            set_config('tcp_keepalives_interval', '5', false),
            set_config('tcp_keepalives_count', '3', false);
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reeve_app') THEN
        IF to_regclass('tenant_head') IS NOT NULL THEN
            RAISE EXCEPTION 'the role reeve_app is missing on this server' USING ERRCODE = '42501',
                HINT = 'Run `reeve db migrate` as the owner of the database.';
        END IF;
    ELSIF pg_has_role(session_user, 'reeve_app', 'MEMBER') THEN
        SET ROLE reeve_app;
    ELSIF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = session_user AND (r.rolsuper OR r.rolbypassrls))
       OR EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('tenant_head')
                                           AND pg_has_role(session_user, c.relowner, 'USAGE')) THEN
        RAISE EXCEPTION 'the login role % is not bound by row-level security', session_user
            USING ERRCODE = '42501', HINT = format('Run: GRANT reeve_app TO %I;', session_user);
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

-- name: db_set_tenant_and_limit
-- The same, and the server itself ends a statement that takes longer (milliseconds).
-- params: tenant text, limit_ms text
SELECT set_config('reeve.tenant', $1, true), set_config('statement_timeout', $2, true);

-- name: migrate_settings
SET client_min_messages = warning;

-- name: migrate_prepare
CREATE TABLE IF NOT EXISTS schema_migration (
    name text PRIMARY KEY, checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp());

-- name: migrate_lock
SELECT pg_advisory_xact_lock(7215604198);

-- name: migrate_known
-- Whether there is a list at all, then the list; asked by anybody, also before the first migration.
SELECT to_regclass('schema_migration') IS NOT NULL;

-- name: migrate_list
SELECT name, checksum FROM schema_migration;

-- name: migrate_record
-- params: name text, checksum text
INSERT INTO schema_migration (name, checksum) VALUES ($1, $2);
