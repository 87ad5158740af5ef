-- 0032_writer: one row per committer (never reused), moved by each of its commits that does not learn
-- its transaction id beforehand: tells after a lost answer whether that commit happened.
CREATE TABLE writer (
    writer_id  bigint PRIMARY KEY,                -- also the key of the advisory lock of its connection
    last_batch bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
