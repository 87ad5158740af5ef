-- bootstrap.sql: the first SQL of a new cluster, for a single-user server (each statement ends in an empty
-- line).  The owner of the database is no superuser: row-level security holds for it.
CREATE ROLE reeve LOGIN CREATEROLE;

CREATE DATABASE reeve OWNER reeve;

