-- commit.sql: the frame of a group commit.

-- name: head_lock
-- Locks the tenant's head for this transaction and gives it, with the one clock of the transaction and
-- the id by which a lost commit can be looked up.
-- params: tenant int4
SELECT h.epoch, h.event_seq, h.event_hash, h.audit_size, h.audit_frontier, h.checkpoint_size,
       (extract(epoch FROM greatest(h.checkpoint_at, 'epoch'::timestamptz)) * 1000000)::bigint,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
       pg_current_xact_id()::text
  FROM tenant_head h
 WHERE h.tenant_id = $1
   FOR UPDATE;

-- name: head_update
-- params: tenant int4, batch int8, event_seq int8, event_hash bytea, audit_size int8, frontier bytea, checkpoint_size int8, checkpoint_at timestamptz
UPDATE tenant_head
   SET last_batch = $2, event_seq = $3, event_hash = $4, audit_size = $5, audit_frontier = $6,
       checkpoint_size = $7, checkpoint_at = $8
 WHERE tenant_id = $1;

-- name: head_fence
-- For batches that need nothing of the head: division by zero when another node has the tenant.
-- params: tenant int4, epoch int8, batch int8
WITH moved AS (
    UPDATE tenant_head SET last_batch = $3 WHERE tenant_id = $1 AND ($2 = 0 OR epoch = $2) RETURNING 1)
SELECT 1 / count(*) FROM moved;

-- name: commit_lookup
-- Was this transaction committed?  By its id where we had heard it, else by the batch id.
-- params: tenant int4, batch int8, xid text
SELECT CASE WHEN $3 <> '' THEN coalesce(pg_xact_status($3::xid8) = 'committed', false)
            ELSE h.last_batch = $2 END,
       $3 <> '' AND pg_xact_status(nullif($3, '')::xid8) = 'in progress'
  FROM tenant_head h WHERE h.tenant_id = $1;
