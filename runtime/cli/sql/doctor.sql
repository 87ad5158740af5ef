-- doctor.sql: what `reeve doctor` asks the database about itself.

-- name: doctor_server
SELECT current_setting('server_version_num')::int8,
       (extract(epoch FROM clock_timestamp()) * 1000000)::int8,
       to_regclass('schema_migration') IS NOT NULL;

-- name: doctor_migrations
SELECT name, checksum FROM schema_migration ORDER BY name;
