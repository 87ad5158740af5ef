-- lease.sql: which node drives which company.

-- name: node_beat
-- params: node int8, host text, pid int4, lease_ms int8
SELECT reeve_node_beat($1, $2, $3, make_interval(secs => $4 / 1000.0));

-- name: node_prune
-- Nodes that died long ago; what they drove has been claimed or is free.
DELETE FROM node WHERE lease_until < clock_timestamp() - interval '1 day';

-- name: lease_claim
-- params: node int8, only_tenant int4, most int4
SELECT c.tenant_id, c.epoch FROM reeve_lease_claim($1, $2, $3) AS c;

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
