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

-- name: heads_free
-- Ends sessions of nodes that stand still in the middle of a batch.
-- params: longer_ms int8
SELECT reeve_heads_free(make_interval(secs => $1 / 1000.0));

-- name: lease_held
-- params: node int8
SELECT c.tenant_id, c.epoch FROM reeve_lease_held($1) AS c ORDER BY c.tenant_id;

-- name: lease_release
-- params: node int8
SELECT reeve_lease_leave($1);

-- name: node_serve
-- params: node int8, boot int8, lease_ms int8, link text, mark text, api text, version text, machine text
SELECT reeve_node_serve($1, $2, $3, $4, $5, $6, $7, $8);

-- name: nodes_gone
-- Ends the lease of nodes whose lock is free.
SELECT reeve_nodes_gone(0);

-- name: node_named
-- Who serves under a name, and for how long (ms) it lives without another beat.
-- params: name text
SELECT n.pid, n.started_at, (extract(epoch FROM n.lease_until - clock_timestamp()) * 1000)::bigint, n.node_id,
       n.machine
  FROM node n WHERE n.host = $1 AND n.serves AND n.lease_until > clock_timestamp()
 ORDER BY n.lease_until DESC LIMIT 1;

-- name: node_of
-- params: tenant int4
SELECT n.node_id, n.boot, n.name, n.api FROM reeve_node_of($1) AS n;

-- name: nodes_all
SELECT n.name, n.node_id, n.pid, n.link, n.api, n.since, n.seen_ms, n.lives, n.serves, n.companies, n.load, n.version,
       n.boot, n.link_mark
  FROM reeve_nodes() AS n;

-- name: placement_sample
-- params: node int8, tenants int4[], weights int4[]
SELECT reeve_placement_sample($1, $2, $3);

-- name: placement_propose
-- params: node int8, most int4
SELECT p.tenant_id, p.to_node FROM reeve_placement_propose($1, $2) AS p;

-- name: lease_pass
-- params: tenant int4, node int8, epoch int8
SELECT reeve_lease_pass($1, $2, $3);

-- name: tenants_all
SELECT t.tenant_id, t.name, t.company FROM reeve_tenants() AS t;

-- name: tenant_create
-- params: name text, company jsonb
SELECT reeve_tenant_create($1, $2);
