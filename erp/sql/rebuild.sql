-- rebuild.sql: projections are a function of the log.  All of it in one session, see 0110_rebuild.sql.

-- name: rebuild_begin
SELECT erp_rebuild_begin();

-- name: rebuild_compare
-- Where the log ends, and what differs: one row without a projection when nothing does.
-- params: tenant int4
SELECT h.event_seq, h.event_hash, d.projection, d.key, d.held, d.rebuilt
  FROM tenant_head h LEFT JOIN erp_rebuild_compare($1) AS d ON true
 WHERE h.tenant_id = $1;

-- name: rebuild_unstage
-- What a rebuild that did not end left there.
-- params: tenant int4
DELETE FROM projection_repair WHERE tenant_id = $1;

-- name: rebuild_stage
-- params: tenant int4
WITH found AS (
    INSERT INTO projection_repair (tenant_id, projection, key, seq, rebuilt)
    SELECT $1, d.projection, d.key, h.event_seq, d.rebuilt
      FROM tenant_head h CROSS JOIN erp_rebuild_compare($1) AS d
     WHERE h.tenant_id = $1
    RETURNING 1
)
SELECT h.event_seq, (SELECT count(*) FROM found) FROM tenant_head h WHERE h.tenant_id = $1;

-- name: rebuild_repair
-- params: tenant int4
SELECT r.seq, r.rows FROM erp_rebuild_repair($1) AS r;
