-- 0321_journal_order: the columns of a journal without a gap between them: 8 bytes less for most steps.  Partitions that
-- have entries stay as they are, in their order of columns, which PostgreSQL allows; those that come and those that are
-- empty have the new one.
DO $do$
DECLARE
    asked text[]; -- the indexes of the journal; each partition has its own already
    part record;
    one text;
    filled boolean;
BEGIN
    SELECT array_agg(replace(pg_get_indexdef(x.indexrelid), ' ON ONLY ', ' ON ') ORDER BY x.indexrelid) INTO asked
      FROM pg_index x WHERE x.indrelid = 'journal'::regclass AND NOT x.indisprimary;
    ALTER TABLE journal RENAME TO journal_former;
    FOR one IN SELECT c.relname FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
                WHERE x.indrelid = 'journal_former'::regclass LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I', one, one || '_former');
    END LOOP;
    CREATE TABLE journal (
        run_id    bigint   NOT NULL,
        tenant_id int      NOT NULL,
        seq       int      NOT NULL,
        kind      smallint NOT NULL,
        name      text     NOT NULL,
        digest    bytea    NOT NULL,                  -- first 16 bytes of SHA-256 of the canonical arguments
        out       bytea    NOT NULL,                  -- version byte 1 = compact JSON text follows; 2 = blob hash
        PRIMARY KEY (run_id, seq)
    ) PARTITION BY RANGE (run_id);
    FOREACH one IN ARRAY coalesce(asked, '{}') LOOP
        EXECUTE one;
    END LOOP;
    -- the default partition last: it is looked through once, for whatever came to stand beside it
    FOR part IN SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound
                  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = 'journal_former'::regclass
                 ORDER BY pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', c.relname LOOP
        EXECUTE format('ALTER TABLE journal_former DETACH PARTITION %I', part.relname);
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', part.relname) INTO filled;
        IF filled THEN
            EXECUTE format('ALTER TABLE journal ATTACH PARTITION %I %s', part.relname, part.bound);
        ELSE
            EXECUTE format('DROP TABLE %I', part.relname);
            EXECUTE format('CREATE TABLE %I PARTITION OF journal %s', part.relname, part.bound);
        END IF;
    END LOOP;
    DROP TABLE journal_former;
END $do$;
