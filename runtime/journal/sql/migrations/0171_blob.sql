-- 0171_blob: what is too large for a row, by its content.  The table of 0010 had no size and was never
-- written.
--   blob       one content of a company: its SHA-256, and under which number its parts lie
--   blob_part  the bytes, 256 KiB a row, uncompressed: documents mostly are compressed already
--   blob_use   which runs refer to it; what no run refers to goes after a day (reeve_blob_prune)
DROP TABLE blob;
CREATE TABLE blob (
    tenant_id  int NOT NULL,
    hash       bytea NOT NULL CHECK (length(hash) = 32),
    size       bigint NOT NULL,
    content    bigint NOT NULL,
    media      text NOT NULL,
    made_by    text NOT NULL,
    touched_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- made, or put again
    PRIMARY KEY (tenant_id, hash)
);
CREATE UNIQUE INDEX blob_content ON blob (tenant_id, content);

CREATE TABLE blob_part (
    tenant_id int NOT NULL,
    content   bigint NOT NULL,
    n         int NOT NULL,
    bytes     bytea NOT NULL,
    made_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, content, n)
);
ALTER TABLE blob_part ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE blob_use (
    tenant_id int NOT NULL,
    hash      bytea NOT NULL,
    run_id    bigint NOT NULL,
    PRIMARY KEY (tenant_id, hash, run_id)
);
CREATE INDEX blob_use_run ON blob_use (tenant_id, run_id);

-- The output of a journal entry whose first byte is 2 (a hash follows), as if it stood in the row.
CREATE FUNCTION reeve_journal_out(in_tenant int, stored bytea) RETURNS bytea
LANGUAGE sql STABLE SET search_path FROM CURRENT AS
$$
    SELECT '\x01'::bytea || string_agg(p.bytes, ''::bytea ORDER BY p.n)
      FROM blob b JOIN blob_part p ON p.tenant_id = b.tenant_id AND p.content = b.content
     WHERE b.tenant_id = in_tenant AND b.hash = substr(stored, 2, 32)
$$;

-- Takes away, in all companies: uses by runs that are gone, blobs without a use that nobody has touched
-- for `grace`, and parts of uploads that never came to their end.  At most `most` blobs a call; one node at
-- a time.  Gives how many blobs went.
CREATE FUNCTION reeve_blob_prune(grace interval, most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    gone bigint := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('reeve_blob_prune')) THEN
        RETURN 0;
    END IF;
    DELETE FROM blob_use u
     WHERE NOT EXISTS (SELECT FROM run r WHERE r.tenant_id = u.tenant_id AND r.id = u.run_id);
    WITH old AS (
        SELECT b.tenant_id, b.hash FROM blob b
         WHERE b.touched_at < clock_timestamp() - grace
           AND NOT EXISTS (SELECT FROM blob_use u WHERE u.tenant_id = b.tenant_id AND u.hash = b.hash)
         LIMIT most
           FOR UPDATE OF b SKIP LOCKED),
    deleted AS (
        DELETE FROM blob b USING old WHERE b.tenant_id = old.tenant_id AND b.hash = old.hash
        RETURNING b.tenant_id, b.content),
    parts AS (
        DELETE FROM blob_part p USING deleted d WHERE p.tenant_id = d.tenant_id AND p.content = d.content)
    SELECT count(*) INTO gone FROM deleted;
    DELETE FROM blob_part p
     WHERE p.made_at < clock_timestamp() - grace
       AND NOT EXISTS (SELECT FROM blob b WHERE b.tenant_id = p.tenant_id AND b.content = p.content);
    RETURN gone;
END $$;
