-- security.sql: grants and row-level security, derived from the tables that exist.  Idempotent; runs as
-- reeve_owner (roles.sql) after every migration, so that no table with a tenant_id can be forgotten.

-- name: security_apply
DO $do$
DECLARE
    t record;
    f record;
    append_only text[] := ARRAY['event', 'journal', 'audit_record', 'audit_checkpoint', 'approval_vote',
                                'command_log', 'effect_log', 'agent_change', 'run_revival',
                                'run_settled'];
    -- texts and files that are pinned by their hash: a change is another row (a model's state goes through
    -- functions of the owner); and what made an answer
    insert_only text[] := ARRAY['plan_source', 'policy_bundle', 'model_version', 'model_answer'];
    -- no statement of the runtime writes them
    read_only text[] := ARRAY['schema_migration', 'tolerance_default', 'node_key', 'journal_period'];
    -- the same for tables of companies
    owner_only text[] := ARRAY['journal_drop'];
BEGIN
    ASSERT current_user = 'reeve_owner'; -- the policies and the functions' rights depend on it
    -- on a database that was made before PostgreSQL 15 everybody may create tables here
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, reeve_app', current_schema());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO reeve_app', current_schema());

    CREATE OR REPLACE FUNCTION reeve_append_only() RETURNS trigger LANGUAGE plpgsql AS $f$
    BEGIN
        RAISE EXCEPTION 'table % only grows: rows are never changed or deleted', TG_TABLE_NAME
            USING ERRCODE = '42501';
    END $f$;

    FOR t IN SELECT c.oid, c.relname, c.relispartition,
                    EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
                               AND NOT a.attisdropped) AS tenanted
               FROM pg_class c
              WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
    LOOP
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', t.relname);
        IF t.relname = ANY (read_only) THEN
            EXECUTE format('REVOKE ALL ON %I FROM reeve_app', t.relname);
            EXECUTE format('GRANT SELECT ON %I TO reeve_app', t.relname);
            CONTINUE;
        END IF;
        IF t.tenanted THEN
            PERFORM reeve_policies(t.relname);
        END IF;
        IF t.relispartition THEN
            CONTINUE; -- reached through the parent only
        END IF;
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO reeve_app', t.relname);
        IF t.relname = ANY (owner_only) THEN
            EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %I FROM reeve_app', t.relname);
        END IF;
        IF t.relname = ANY (insert_only) THEN
            EXECUTE format('REVOKE UPDATE, DELETE ON %I FROM reeve_app', t.relname);
        END IF;
        IF t.relname = ANY (append_only) THEN
            EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %I FROM reeve_app', t.relname);
            EXECUTE format('DROP TRIGGER IF EXISTS append_only ON %I', t.relname);
            EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I
                            FOR EACH ROW EXECUTE FUNCTION reeve_append_only()', t.relname);
            EXECUTE format('DROP TRIGGER IF EXISTS append_only_whole ON %I', t.relname);
            EXECUTE format('CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON %I
                            FOR EACH STATEMENT EXECUTE FUNCTION reeve_append_only()', t.relname);
        END IF;
    END LOOP;
    -- Functions of the owner: nobody else calls them, and those that run with its rights resolve names
    -- in our schema only (pg_temp last: a temporary table must not stand in for one of ours).
    FOR f IN SELECT p.oid::regprocedure AS signature, p.prosecdef
               FROM pg_proc p
              WHERE p.pronamespace = current_schema()::regnamespace AND p.proowner = current_user::regrole
                AND p.prokind = 'f'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f.signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO reeve_app', f.signature);
        IF f.prosecdef THEN
            EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', f.signature, current_schema());
        END IF;
    END LOOP;
END $do$;
