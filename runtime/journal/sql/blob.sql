-- blob.sql: large contents, see runtime/journal/blob.h.

-- name: blob_part_put
-- One part of an upload under way; the same one twice is the same.
-- params: tenant int4, content int8, n int4, bytes bytea
INSERT INTO blob_part (tenant_id, content, n, bytes) VALUES ($1, $2, $3, $4)
    ON CONFLICT (tenant_id, content, n) DO NOTHING;

-- name: blob_upload_end
-- All parts are there: the content has its name now.  Where it was there before, the new parts go and the
-- old ones count as put again.  No row: parts are missing.
-- params: tenant int4, hash bytea, size int8, content int8, media text, made_by text
WITH kept AS (
    INSERT INTO blob (tenant_id, hash, size, content, media, made_by)
    SELECT $1, $2, $3, $4, $5, $6
     WHERE $3 = (SELECT coalesce(sum(length(p.bytes)), 0) FROM blob_part p
                  WHERE p.tenant_id = $1 AND p.content = $4)
        ON CONFLICT (tenant_id, hash) DO UPDATE SET touched_at = clock_timestamp()
    RETURNING content, media),
     spare AS (
    DELETE FROM blob_part p USING kept k
     WHERE p.tenant_id = $1 AND p.content = $4 AND k.content <> $4)
SELECT k.media, k.content = $4 AS fresh FROM kept k;

-- name: blob_insert
-- Small ones that are written with the entry of a journal.  One that is there already is touched, which
-- also keeps it from being pruned at this moment.
-- params: tenant int4, hash bytea[], size int8[], content int8[], media text[], made_by text[]
INSERT INTO blob (tenant_id, hash, size, content, media, made_by)
SELECT DISTINCT ON (r.hash) $1::int, r.hash, r.size, r.content, r.media, r.made_by
  FROM unnest($2::bytea[], $3::int8[], $4::int8[], $5::text[], $6::text[])
       AS r(hash, size, content, media, made_by)
 ORDER BY r.hash
    ON CONFLICT (tenant_id, hash) DO UPDATE SET touched_at = clock_timestamp();

-- name: blob_parts_insert
-- Their parts, where the content was not there already.
-- params: tenant int4, content int8[], n int4[], bytes bytea[]
INSERT INTO blob_part (tenant_id, content, n, bytes)
SELECT $1, r.content, r.n, r.bytes
  FROM unnest($2::int8[], $3::int4[], $4::bytea[]) AS r(content, n, bytes)
 WHERE EXISTS (SELECT FROM blob b WHERE b.tenant_id = $1 AND b.content = r.content);

-- name: blob_use_put
-- A run refers to what is there; what is not there cannot be kept.  The lock keeps it from being pruned
-- before the use is seen.
-- params: tenant int4, hash bytea[], run int8[]
WITH held AS (
    SELECT b.hash FROM blob b WHERE b.tenant_id = $1 AND b.hash = ANY ($2::bytea[]) FOR KEY SHARE)
INSERT INTO blob_use (tenant_id, hash, run_id)
SELECT DISTINCT $1::int, r.hash, r.run
  FROM unnest($2::bytea[], $3::int8[]) AS r(hash, run) JOIN held h ON h.hash = r.hash
    ON CONFLICT (tenant_id, hash, run_id) DO NOTHING;

-- name: blob_look
-- params: tenant int4, hash bytea
SELECT b.size, b.media, b.content FROM blob b WHERE b.tenant_id = $1 AND b.hash = $2;

-- name: blob_slice
-- `length` bytes from `from`; every part but the last is 262144 bytes long.
-- params: tenant int4, hash bytea, from int8, length int4
SELECT b.size,
       coalesce((SELECT substr(string_agg(p.bytes, ''::bytea ORDER BY p.n), ($3 % 262144)::int + 1, $4)
                   FROM blob_part p
                  WHERE p.tenant_id = $1 AND p.content = b.content
                    AND p.n BETWEEN ($3 / 262144)::int AND (($3 + $4 - 1) / 262144)::int), '')
  FROM blob b
 WHERE b.tenant_id = $1 AND b.hash = $2;

-- name: blob_parts
-- params: tenant int4, content int8
SELECT p.bytes FROM blob_part p WHERE p.tenant_id = $1 AND p.content = $2 ORDER BY p.n;

-- name: blob_prune
-- params: grace_s int8, most int4
SELECT reeve_blob_prune(make_interval(secs => $1), $2);
