-- audit.sql: records and checkpoints; both tables only grow.

-- name: audit_append
-- params: tenant int4, seq int8[], at timestamptz[], kind text[], run int8[], step int4[], body text[], leaf bytea[]
INSERT INTO audit_record (tenant_id, seq, at, kind, run_id, step, body, leaf)
SELECT $1, r.seq, r.at, r.kind, nullif(r.run, 0), nullif(r.step, -1), r.body, r.leaf
  FROM unnest($2::int8[], $3::timestamptz[], $4::text[], $5::int8[], $6::int4[], $7::text[], $8::bytea[])
       AS r(seq, at, kind, run, step, body, leaf);

-- name: audit_checkpoint_append
-- params: tenant int4, size int8[], root bytea[], note text[], at timestamptz[]
INSERT INTO audit_checkpoint (tenant_id, size, root, note, at)
SELECT $1, r.size, r.root, r.note, r.at
  FROM unnest($2::int8[], $3::bytea[], $4::text[], $5::timestamptz[]) AS r(size, root, note, at);

-- name: audit_records_all
-- Also the columns that only repeat what the body says: an edit of them must be found too.
-- params: tenant int4
SELECT r.seq, r.body, r.leaf, r.kind, coalesce(r.run_id, 0), coalesce(r.step, -1), r.at
  FROM audit_record r WHERE r.tenant_id = $1 ORDER BY r.seq;

-- name: audit_checkpoints_all
-- params: tenant int4
SELECT c.size, c.root, c.note FROM audit_checkpoint c WHERE c.tenant_id = $1 ORDER BY c.size;

-- name: audit_head
-- params: tenant int4
SELECT h.audit_size, h.audit_frontier, h.checkpoint_size FROM tenant_head h WHERE h.tenant_id = $1;

-- name: audit_leaves
-- params: tenant int4, below int8
SELECT r.seq, r.leaf FROM audit_record r WHERE r.tenant_id = $1 AND r.seq < $2 ORDER BY r.seq;

-- name: audit_record_one
-- params: tenant int4, seq int8
SELECT r.body FROM audit_record r WHERE r.tenant_id = $1 AND r.seq = $2;
