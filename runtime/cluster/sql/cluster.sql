-- cluster.sql: who is there to be dialled.

-- name: cluster_peers
-- Living nodes with a line, except the process that asks.
-- params: boot int8
SELECT n.boot, n.node_id, n.host, n.link, n.link_mark
  FROM node n
 WHERE n.serves AND n.link <> '' AND n.boot <> $1 AND n.lease_until > clock_timestamp()
 ORDER BY n.boot;
