-- bootstrap.sql: the first SQL of a new cluster, for a single-user server (each statement ends in an empty
-- line).  Who is who: runtime/db/sql/roles.sql.
CREATE ROLE reeve_owner NOLOGIN;

CREATE ROLE reeve_app NOLOGIN;

CREATE ROLE reeve LOGIN;

GRANT reeve_app TO reeve;

CREATE DATABASE reeve OWNER reeve_owner;

