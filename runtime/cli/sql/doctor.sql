-- doctor.sql: what `reeve doctor` asks the database about itself.

-- name: doctor_server
SELECT current_setting('server_version_num')::int8,
       (extract(epoch FROM clock_timestamp()) * 1000000)::int8,
       to_regclass('schema_migration') IS NOT NULL;

-- name: doctor_migrations
SELECT name, checksum FROM schema_migration ORDER BY name;

-- name: doctor_login
-- What the login could do beyond what reeve_app may.  Who may make roles may make itself a member of any
-- (PostgreSQL 15), so that counts too.
SELECT session_user::text, r.rolsuper, r.rolbypassrls, r.rolcreaterole,
       coalesce((SELECT pg_has_role(session_user, o.oid, 'MEMBER') FROM pg_roles o WHERE o.rolname = 'reeve_owner'),
                false),
       (SELECT count(*) FROM pg_class c
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relowner = r.oid),
       has_schema_privilege(session_user, current_schema(), 'CREATE'),
       coalesce((SELECT o.rolcanlogin FROM pg_roles o WHERE o.rolname = 'reeve_owner'), false)
  FROM pg_roles r WHERE r.rolname = session_user;

-- name: doctor_open_tables
-- Tables with a company's rows that are not behind row-level security.
SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
   AND NOT (c.relrowsecurity AND c.relforcerowsecurity);
