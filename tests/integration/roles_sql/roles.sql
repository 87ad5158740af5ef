-- name: roles_fill
-- As superuser: a row of company 1 and one of company 2 in every table that has a tenant_id, whatever its
-- columns are.  Checks and foreign keys are taken away for it; they are not what is tested.
DO $do$
DECLARE
    t record;
    c record;
    tenant int;
    names text;
    texts text;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR c IN SELECT k.conname, k.conrelid::regclass AS owner FROM pg_constraint k
              WHERE k.contype = 'c' AND k.conrelid <> 0 AND k.conislocal AND k.connamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.owner, c.conname);
    END LOOP;
    FOR t IN SELECT a.attrelid AS oid FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid
              WHERE a.attname = 'tenant_id' AND r.relnamespace = 'public'::regnamespace AND r.relkind IN ('r', 'p')
                AND NOT r.relispartition
    LOOP
        FOREACH tenant IN ARRAY ARRAY[1, 2] LOOP
            SELECT string_agg(quote_ident(a.attname), ', '),
                   string_agg(format('%L::%s', CASE WHEN a.attname = 'tenant_id' THEN tenant::text
                                                    WHEN y.typcategory = 'A' THEN '{}'
                                                    WHEN y.typcategory IN ('N', 'S') THEN tenant::text
                                                    WHEN y.typcategory = 'D' THEN '2026-01-01'
                                                    WHEN y.typcategory = 'B' THEN 'true'
                                                    WHEN y.typcategory = 'T' THEN '1 day'
                                                    WHEN y.typname = 'bytea' THEN '\x0' || tenant
                                                    ELSE '{}' END,
                                     format_type(a.atttypid, a.atttypmod)), ', ')
              INTO names, texts
              FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
             WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
               AND (a.attnotnull OR a.attname = 'tenant_id');
            EXECUTE format('INSERT INTO %s (%s) VALUES (%s)', t.oid::regclass, names, texts);
        END LOOP;
    END LOOP;
END $do$;

-- name: roles_tables
-- Every table with a tenant_id: its name, whether it is a part of another, whether its rows are for ever, and the columns
-- that are written.
SELECT r.oid::regclass::text, r.relispartition,
       EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = r.oid AND g.tgname = 'append_only'),
       (SELECT string_agg(quote_ident(c.attname), ', ' ORDER BY c.attnum) FROM pg_attribute c
         WHERE c.attrelid = r.oid AND c.attnum > 0 AND NOT c.attisdropped AND c.attgenerated = '')
  FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid
 WHERE a.attname = 'tenant_id' AND r.relnamespace = 'public'::regnamespace AND r.relkind IN ('r', 'p')
 ORDER BY 1;

-- name: roles_strays
-- What is not as it must be: somebody else's object, a table without its wall, a table of the node that
-- nobody thought of, a function that anybody may call or that looks for names elsewhere.
SELECT 'owner of ' || r.oid::regclass::text FROM pg_class r
 WHERE r.relnamespace = 'public'::regnamespace AND r.relowner <> 'reeve_owner'::regrole
UNION ALL
SELECT 'owner of ' || p.oid::regprocedure::text FROM pg_proc p
 WHERE p.pronamespace = 'public'::regnamespace AND p.proowner <> 'reeve_owner'::regrole
UNION ALL
SELECT 'owner of ' || t.oid::regtype::text FROM pg_type t
 WHERE t.typnamespace = 'public'::regnamespace AND t.typowner <> 'reeve_owner'::regrole
UNION ALL
SELECT 'no forced policy on ' || r.oid::regclass::text FROM pg_class r JOIN pg_attribute a ON a.attrelid = r.oid
 WHERE r.relnamespace = 'public'::regnamespace AND r.relkind IN ('r', 'p') AND a.attname = 'tenant_id'
   AND NOT (r.relrowsecurity AND r.relforcerowsecurity
            AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = r.oid AND p.polname = 'tenant_only'))
UNION ALL
SELECT 'a policy for somebody else on ' || p.polrelid::regclass::text FROM pg_policy p
 WHERE NOT p.polroles <@ ARRAY['reeve_app'::regrole::oid, 'reeve_owner'::regrole::oid]
UNION ALL
SELECT 'no tenant_id in ' || r.relname FROM pg_class r
 WHERE r.relnamespace = 'public'::regnamespace AND r.relkind IN ('r', 'p')
   AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attname = 'tenant_id')
   AND r.relname NOT IN ('node', 'node_key', 'writer', 'tolerance_default', 'schema_migration', 'model_version',
                         'journal_period')
UNION ALL
SELECT 'anybody may call ' || p.oid::regprocedure::text FROM pg_proc p
 WHERE p.pronamespace = 'public'::regnamespace
   AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x WHERE x.grantee = 0)
UNION ALL
SELECT 'no fixed search_path in ' || p.oid::regprocedure::text FROM pg_proc p
 WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
   AND NOT coalesce(p.proconfig @> ARRAY['search_path=public, pg_temp'], false)
UNION ALL
SELECT 'a view with its owner''s rights: ' || r.relname FROM pg_class r
 WHERE r.relnamespace = 'public'::regnamespace AND r.relkind IN ('v', 'm')
   AND NOT coalesce(r.reloptions @> ARRAY['security_invoker=true'], false)
UNION ALL
SELECT 'may log in: ' || r.rolname FROM pg_roles r
 WHERE r.rolname IN ('reeve_owner', 'reeve_app')
   AND (r.rolcanlogin OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb)
UNION ALL
SELECT 'may create in the schema: ' || r.rolname FROM pg_roles r
 WHERE r.rolname IN ('reeve', 'reeve_app') AND has_schema_privilege(r.oid, 'public', 'CREATE');

-- name: roles_as_before
-- As superuser: the database as a reeve before 0090 left it, with the login "former" as its owner.
DO $do$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'former') THEN
        CREATE ROLE former LOGIN CREATEROLE;
        GRANT reeve_app TO former;
    END IF;
    EXECUTE format('ALTER DATABASE %I OWNER TO former', current_database());
    REASSIGN OWNED BY reeve_owner TO former;
    DROP OWNED BY reeve_owner; -- its policies and grants
    DELETE FROM schema_migration WHERE name = '0090_roles';
END $do$;
