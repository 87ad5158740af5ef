-- 0320_run_rows: what a run costs on the disk, above all while it waits: 583 bytes were a parked one, of which 142 were
-- indexes that said the same thing, 116 an input of 30 bytes, and 16 gaps between columns.
--   order    columns of 8, 4, 2 and 1 bytes first: none is padded
--   input    a small one stands in the row itself (rv_journal_run_new says which); NULL: it is in run_input.  A large
--            one is not copied with each change of the status
--   span     16.4 s of the time at which runs begin (numbers of runs sort by time).  An index over (.., span) has many
--            equal keys, of which PostgreSQL keeps one and 6 bytes for each row; an index over (.., id) has as many
--            keys as rows, of 28 to 40 bytes.  What is asked for in order of numbers is asked by (span, id), and only
--            the runs of one span are sorted
--   run_open, run_agent   by span; run_open knows what a run waits for, and is run_waits too
-- The table is written anew, with the columns and indexes that other rooms gave it.
CREATE FUNCTION run_span(id bigint) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT (id >> 36)::int $$;

DO $do$
DECLARE
    shared text;   -- the columns, by name
    later text[];  -- the indexes that stay as they are
    one text;
BEGIN
    SELECT array_agg(pg_get_indexdef(x.indexrelid) ORDER BY x.indexrelid) INTO later
      FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
     WHERE x.indrelid = 'run'::regclass AND NOT x.indisprimary AND c.relname NOT IN ('run_open', 'run_waits', 'run_agent', 'run_over');
    FOR one IN SELECT x.indexrelid::regclass::text FROM pg_index x WHERE x.indrelid = 'run'::regclass AND NOT x.indisprimary LOOP
        EXECUTE 'DROP INDEX ' || one;
    END LOOP;
    ALTER TABLE run RENAME TO run_before;
    ALTER INDEX run_pkey RENAME TO run_before_pkey;

    CREATE TABLE run (
        id           bigint NOT NULL,
        wake_at      timestamptz,
        created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
        changed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
        parent       bigint,
        tenant_id    int NOT NULL,
        steps        int NOT NULL DEFAULT 0,          -- written on status change only
        attempt      int NOT NULL DEFAULT 0,          -- how many failed at the same business key before
        priority     int NOT NULL DEFAULT 0,          -- of its claim on the business key
        span         int NOT NULL GENERATED ALWAYS AS (run_span(id)) STORED,
        depth        smallint NOT NULL DEFAULT 0,
        claims       boolean NOT NULL DEFAULT true,
        agent        text NOT NULL,
        plan_hash    bytea NOT NULL,
        status       text NOT NULL CONSTRAINT run_status_check CHECK (status IN ('created','planning','executing','waiting','reviewing',
                     'compensating','done','failed','cancelled','compensated','diverged')),
        waiting_on   text,                            -- approval | timer | signal | model | ...
        business_key text,                            -- e.g. exception key; claim of the orchestrator
        error_code   text, error_text text,
        close        text CONSTRAINT run_close_check CHECK (close IN ('cancel', 'abandon', 'wait', 'handoff')),
        input        jsonb,
        PRIMARY KEY (tenant_id, id)
    );
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO shared
      FROM pg_attribute a WHERE a.attrelid = 'run_before'::regclass AND a.attnum > 0 AND NOT a.attisdropped;
    EXECUTE format('INSERT INTO run (%1$s) SELECT %1$s FROM run_before ORDER BY tenant_id, id', shared);
    DROP TABLE run_before;

    CREATE INDEX run_open ON run (tenant_id, span, waiting_on)
        WHERE status NOT IN ('done','failed','cancelled','compensated','diverged');
    CREATE INDEX run_agent ON run (tenant_id, agent, span);
    CREATE INDEX run_over ON run (tenant_id, status, span)
        WHERE status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged');
    FOREACH one IN ARRAY coalesce(later, '{}') LOOP
        EXECUTE one;
    END LOOP;
END $do$;
ANALYZE run;

-- What a run was begun with, wherever it stands; no row when it is nowhere.  `near`: run.input.
CREATE FUNCTION run_given(of_tenant int, of_run bigint, near jsonb) RETURNS TABLE (input jsonb, budget jsonb)
LANGUAGE sql STABLE AS
$f$
    SELECT near, '{}'::jsonb WHERE near IS NOT NULL
     UNION ALL
    SELECT i.input, i.budget FROM run_input i WHERE near IS NULL AND i.tenant_id = of_tenant AND i.run_id = of_run
$f$;
