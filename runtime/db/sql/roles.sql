-- roles.sql: who owns the database's objects, and who may become that.
--
--   reeve_owner   NOLOGIN   owns tables and functions; the migrator becomes it, the runtime never can
--   reeve_app     NOLOGIN   what the runtime may do, table by table (security.sql)
--   a login that is only a member of reeve_app: the runtime's; "reeve" in reeve's own PostgreSQL
--   a login that is a member of reeve_owner, or a superuser: the migrator's
--
-- All of it is idempotent and runs at the beginning of the migrator's transaction.

-- name: roles_private
-- Only in reeve's own PostgreSQL, as its superuser: the login is brought down to what it may be.  Before
-- 0090 it owned the database and made roles.
DO $do$
DECLARE
    owner name := (SELECT pg_get_userbyid(d.datdba) FROM pg_database d WHERE d.datname = current_database());
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['reeve_owner', 'reeve_app', 'reeve'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I', wanted);
        END IF;
    END LOOP;
    ALTER ROLE reeve_owner NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;
    ALTER ROLE reeve_app NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;
    ALTER ROLE reeve LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;
    -- with CASCADE, so that a right to hand it on goes too
    FOR wanted IN SELECT DISTINCT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                   WHERE m.member = 'reeve'::regrole AND (g.rolname <> 'reeve_app' OR m.admin_option)
    LOOP
        EXECUTE format('REVOKE %I FROM reeve CASCADE', wanted);
    END LOOP;
    GRANT reeve_app TO reeve;
    IF owner <> 'reeve_owner' THEN
        EXECUTE format('ALTER DATABASE %I OWNER TO reeve_owner', current_database());
    END IF;
END $do$;

-- name: roles_owner
-- Finds the two roles or makes them, then hands over what an older reeve left with the login that migrated
-- then.  How many objects that were stands in reeve.taken.
DO $do$
DECLARE
    former oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = to_regclass('schema_migration')
                                                       AND c.relowner <> coalesce(to_regrole('reeve_owner'), 0));
    mighty boolean := (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = session_user);
    wanted text;
    item record;
    taken int := 0;
BEGIN
    PERFORM set_config('search_path', format('%I, pg_temp', current_schema()), true);
    FOREACH wanted IN ARRAY ARRAY['reeve_owner', 'reeve_app'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = wanted);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            IF wanted = 'reeve_owner' AND NOT mighty THEN
                EXECUTE format('GRANT reeve_owner TO %I', session_user);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'the role % is missing and "%" may not create roles', wanted, session_user
                USING ERRCODE = '42501', HINT = format('An administrator runs once: CREATE ROLE reeve_owner NOLOGIN; '
                    'CREATE ROLE reeve_app NOLOGIN; GRANT reeve_owner TO %I; (runtime/README.md, "Your own PostgreSQL")',
                    session_user);
        WHEN duplicate_object OR unique_violation THEN
            NULL; -- another database of this server made it at the same moment
        END;
    END LOOP;
    IF NOT pg_has_role(session_user, 'reeve_owner', 'MEMBER') THEN
        RAISE EXCEPTION 'the login role "%" may not migrate: it is no member of reeve_owner', session_user
            USING ERRCODE = '42501', HINT = 'Set database.owner_uri, or give `reeve db migrate --owner-uri URI`: '
                'a login that is a member of reeve_owner, never the one that reeve runs as.';
    END IF;
    IF NOT has_schema_privilege('reeve_owner', current_schema(), 'CREATE') THEN
        BEGIN
            EXECUTE format('GRANT CREATE, USAGE ON SCHEMA %I TO reeve_owner', current_schema());
        EXCEPTION WHEN insufficient_privilege THEN
            NULL; -- said below
        END;
        IF NOT has_schema_privilege('reeve_owner', current_schema(), 'CREATE') THEN
            RAISE EXCEPTION 'reeve_owner may not create tables in schema "%"', current_schema()
                USING ERRCODE = '42501', HINT = format('An administrator runs once: ALTER DATABASE %I OWNER TO '
                    'reeve_owner; or GRANT CREATE, USAGE ON SCHEMA %I TO reeve_owner;', current_database(),
                    current_schema());
        END IF;
    END IF;
    IF former IS NOT NULL AND NOT pg_has_role(session_user, former, 'MEMBER') THEN
        RAISE EXCEPTION 'the tables belong to "%", not to reeve_owner', pg_get_userbyid(former)
            USING ERRCODE = '42501', HINT = format('Run `reeve db migrate --owner-uri URI` once as an '
                'administrator or as %I (then a member of reeve_owner): it hands them over.', pg_get_userbyid(former));
    END IF;
    -- what the extensions of the schema brought stays theirs; indexes and owned sequences follow their table
    FOR item IN
        SELECT format('ALTER %s %s OWNER TO reeve_owner', k.what, k.name) AS statement
          FROM (SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW'
                            WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END AS what,
                       c.oid::regclass::text AS name, 'pg_class'::regclass AS class, c.oid
                  FROM pg_class c
                 WHERE c.relnamespace = current_schema()::regnamespace AND c.relowner = former
                   AND c.relkind IN ('r', 'p', 'S', 'v', 'm', 'c')
                   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                                      AND d.objid = c.oid AND d.deptype IN ('a', 'i') AND c.relkind = 'S')
                UNION ALL
                SELECT 'ROUTINE', p.oid::regprocedure::text, 'pg_proc'::regclass, p.oid
                  FROM pg_proc p
                 WHERE p.pronamespace = current_schema()::regnamespace AND p.proowner = former
                UNION ALL
                SELECT 'TYPE', t.oid::regtype::text, 'pg_type'::regclass, t.oid
                  FROM pg_type t
                 WHERE t.typnamespace = current_schema()::regnamespace AND t.typowner = former
                   AND t.typtype IN ('e', 'd')) AS k
         WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = k.class AND d.objid = k.oid AND d.deptype = 'e')
    LOOP
        EXECUTE item.statement;
        taken := taken + 1;
    END LOOP;
    -- whoever owns the database or the schema may drop what is in it
    BEGIN
        IF former = (SELECT d.datdba FROM pg_database d WHERE d.datname = current_database()) THEN
            EXECUTE format('ALTER DATABASE %I OWNER TO reeve_owner', current_database());
        END IF;
        IF former = (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = current_schema()) THEN
            EXECUTE format('ALTER SCHEMA %I OWNER TO reeve_owner', current_schema());
        END IF;
    EXCEPTION WHEN insufficient_privilege THEN
        NULL; -- `reeve doctor` tells whom it concerns
    END;
    PERFORM set_config('reeve.taken', taken::text, true);
END $do$;

-- name: roles_taken
SELECT current_setting('reeve.taken')::int;

-- name: roles_become
SET LOCAL ROLE reeve_owner;
