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
-- For batches that need nothing of the head: fails (division by zero) when another node has the tenant,
-- and leaves the batch id in the committer's own row.
-- params: tenant int4, epoch int8, batch int8, writer int8
WITH moved AS (
    UPDATE tenant_head SET last_batch = $3 WHERE tenant_id = $1 AND ($2 = 0 OR epoch = $2) RETURNING 1),
     mine AS (
    UPDATE writer SET last_batch = $3 WHERE writer_id = $4 RETURNING 1)
SELECT 1 / ((SELECT count(*) FROM moved) * (SELECT count(*) FROM mine));

-- name: batch_begin
-- The company of the batch.  Its statements differ in their arrays only: a plan of its own for each
-- execution costs more than it could gain (half the time of a lone gated step).
-- params: tenant text
SELECT set_config('reeve.tenant', $1, true), set_config('plan_cache_mode', 'force_generic_plan', true);

-- name: plans_discard
DISCARD PLANS;

-- name: writer_lock
-- Held by the committer's connection as long as its backend lives: a new connection waits here until
-- the old one cannot commit any more, and only then asks what became of its last transaction.
-- A process that is stopped between the two trips of a batch holds the head of its company: the server
-- ends that transaction before the lease (RV_LEASE_MS) is over, or nobody could take the company then.
-- params: writer int8
SELECT pg_advisory_lock($1), set_config('idle_in_transaction_session_timeout', '4s', false);

-- name: writer_register
-- params: writer int8
INSERT INTO writer (writer_id) VALUES ($1) ON CONFLICT (writer_id) DO NOTHING;

-- name: writer_prune
-- Rows of committers that are long gone: nobody holds their lock.
DELETE FROM writer w
 WHERE w.started_at < clock_timestamp() - interval '30 days'
   AND NOT EXISTS (SELECT FROM pg_locks l
                    WHERE l.locktype = 'advisory' AND l.objsubid = 1
                      AND ((l.classid::bigint << 32) | l.objid::bigint) = w.writer_id);

-- name: commit_lookup
-- Was this transaction committed?  By its id where we had heard it, else by the committer's row.
-- params: xid text, batch int8, writer int8
SELECT CASE WHEN $1 <> '' THEN coalesce(pg_xact_status($1::xid8) = 'committed', false)
            ELSE coalesce((SELECT w.last_batch = $2 FROM writer w WHERE w.writer_id = $3), false) END;
