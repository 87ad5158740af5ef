-- lease.sql: which node drives which company.

-- name: node_here
-- The beat of a node; it says whether it holds its lock (node_presence).
-- params: node int8, host text, pid int4, lease_ms int8, holds bool
SELECT reeve_node_here($1, $2, $3, make_interval(secs => $4 / 1000.0), $5);

-- name: node_presence
-- Held as long as this connection lives: who finds it free knows that the node is gone.
-- params: node int8
SELECT pg_advisory_lock($1);

-- name: node_absence
-- Of who we were before.
SELECT pg_advisory_unlock_all();

-- name: wake_listen
LISTEN reeve_wake;

-- name: wake_tell
-- To whoever drives the company: something has been committed that may let a run go on.
-- params: tenant text
SELECT pg_notify('reeve_wake', $1);

-- name: node_prune
-- Nodes that died long ago; what they drove has been claimed or is free.
DELETE FROM node WHERE lease_until < clock_timestamp() - interval '1 day';

-- name: lease_take
-- params: node int8, only_tenant int4, most int4
SELECT c.tenant_id, c.epoch FROM reeve_lease_take($1, $2, $3) AS c;

-- name: lease_held
-- params: node int8
SELECT c.tenant_id, c.epoch FROM reeve_lease_held($1) AS c;

-- name: lease_release
-- params: node int8
SELECT reeve_lease_release($1);

-- name: tenants_all
SELECT t.tenant_id, t.name, t.company FROM reeve_tenants() AS t;

-- name: tenant_create
-- params: name text, company jsonb
SELECT reeve_tenant_create($1, $2);
