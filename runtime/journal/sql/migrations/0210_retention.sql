-- 0210_retention: journals lie by the time their run began, so that what is past its retention goes as a whole: a
-- dropped table leaves nothing to vacuum.
--   journal_period   the partitions of `journal`, made ahead of time (reeve_journal_ahead, by every node), and which
--                    of them were dropped.  Times are UTC; numbers of runs sort by time (rv_id_make)
--   journal_before   the partition of everything that an older reeve left in journal_default
--   journal_default  what has no period: a node whose clock is wrong.  It is never dropped
--   journal_drop     what of each company went with a period; who asks for such a journal is told
-- What stays of a run whose journal is gone: its row, input and result (the books' exceptions rest on them), its
-- approvals, its effects outside, the audit record, the events.  Its signals, updates and uses of blobs go after it
-- (reeve_journal_sweep), its blobs a day later (reeve_blob_prune).
-- Dropping is the owner's act alone: reeve_journal_drop runs with the rights of who calls it.
CREATE TABLE journal_period (
    name       text PRIMARY KEY,
    begins     timestamptz NOT NULL,
    ends       timestamptz NOT NULL,
    from_id    bigint NOT NULL,                   -- runs from here ...
    to_id      bigint NOT NULL,                   -- ... to before here
    made_at    timestamptz,                       -- NULL: planned
    dropped_at timestamptz,
    dropped_by text
);
CREATE TABLE journal_drop (
    tenant_id  int NOT NULL,
    period     text NOT NULL REFERENCES journal_period,
    from_id    bigint NOT NULL, to_id bigint NOT NULL,
    runs       bigint NOT NULL, steps bigint NOT NULL,
    dropped_at timestamptz NOT NULL,
    dropped_by text NOT NULL,
    swept      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, period)
);

-- The first number that a run of this instant can have.
CREATE FUNCTION reeve_run_bound(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT greatest(((extract(epoch FROM at) - 1577836800) * 1000)::bigint, 0) << 22 $$;

-- When a run of this number began.
CREATE FUNCTION reeve_run_time(id bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT to_timestamp(1577836800 + (greatest(id, 0) >> 22) / 1000.0) $$;

-- Row-level security of a table with a tenant_id; security.sql asks it of all of them, whoever makes one later of its
-- own.
CREATE FUNCTION reeve_policies(of_table name) RETURNS void LANGUAGE plpgsql SET client_min_messages = warning AS
$f$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', of_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', of_table);
    EXECUTE format('DROP POLICY IF EXISTS tenant_only ON %I', of_table);
    EXECUTE format('DROP POLICY IF EXISTS owner_functions ON %I', of_table);
    -- the sub-select is evaluated once per statement; an empty setting is no tenant, not an error
    EXECUTE format($p$CREATE POLICY tenant_only ON %I TO reeve_app
        USING (tenant_id = (SELECT nullif(current_setting('reeve.tenant', true), '')::int))
        WITH CHECK (tenant_id = (SELECT nullif(current_setting('reeve.tenant', true), '')::int))$p$, of_table);
    -- FORCE binds the owner too: this lets its SECURITY DEFINER functions see the node's tables
    EXECUTE format('CREATE POLICY owner_functions ON %I TO %I USING (true) WITH CHECK (true)', of_table, current_user);
END $f$;

-- One more partition.  It is made beside the journal and then put in, which lets writers go on; the default partition,
-- which is locked meanwhile, is (nearly) empty.
CREATE FUNCTION reeve_journal_make(of_name text, of_begins timestamptz, of_ends timestamptz) RETURNS void
LANGUAGE plpgsql AS
$f$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE journal INCLUDING ALL)', of_name);
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', of_name);
    PERFORM reeve_policies(of_name::name);
    EXECUTE format('ALTER TABLE journal ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', of_name,
                   reeve_run_bound(of_begins), reeve_run_bound(of_ends));
    INSERT INTO journal_period (name, begins, ends, from_id, to_id, made_at)
    VALUES (of_name, of_begins, of_ends, reeve_run_bound(of_begins), reeve_run_bound(of_ends), clock_timestamp());
END $f$;

-- What an older reeve left in journal_default becomes journal_before, which ends with this month or the next.  A
-- table of up to `small` bytes is looked through under the lock (some ten milliseconds); a larger one gets a constraint
-- first, which is checked while everybody goes on, and then nothing has to be looked through.  One piece of that a
-- call; NULL: nothing to do.
CREATE FUNCTION reeve_journal_settle(small bigint) RETURNS text LANGUAGE plpgsql AS
$f$
DECLARE
    plan journal_period;
    newest timestamptz;
    large boolean;
BEGIN
    SELECT * INTO plan FROM journal_period p WHERE p.name = 'journal_before';
    IF plan.made_at IS NOT NULL OR (plan.name IS NULL AND EXISTS (SELECT FROM journal_period)) THEN
        RETURN NULL;
    END IF;
    SELECT reeve_run_time(max(d.run_id)) INTO newest FROM journal_default d;
    IF newest IS NULL THEN
        RETURN NULL;
    ELSIF newest > clock_timestamp() + interval '60 days' THEN
        RETURN 'stays'; -- numbers from the future: no bound can be drawn
    END IF;
    large := pg_relation_size('journal_default') > small;
    IF plan.name IS NULL THEN
        plan.ends := date_trunc('month', greatest(newest, clock_timestamp()), 'UTC')
                     + CASE WHEN large THEN interval '2 months' ELSE interval '1 month' END;
        INSERT INTO journal_period (name, begins, ends, from_id, to_id)
        VALUES ('journal_before', '-infinity', plan.ends, -9223372036854775808, reeve_run_bound(plan.ends))
        RETURNING * INTO plan;
        IF large THEN
            EXECUTE format('ALTER TABLE journal_default ADD CONSTRAINT journal_before_bound CHECK (run_id < %s) NOT VALID',
                           plan.to_id);
            RETURN 'bounded';
        END IF;
    ELSIF clock_timestamp() > plan.ends - interval '14 days' THEN
        ALTER TABLE journal_default DROP CONSTRAINT IF EXISTS journal_before_bound; -- never in the way of a run
        DELETE FROM journal_period p WHERE p.name = 'journal_before';
        RETURN 'begun anew';
    ELSIF EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = 'journal_default'::regclass
                     AND c.conname = 'journal_before_bound' AND NOT c.convalidated) THEN
        ALTER TABLE journal_default VALIDATE CONSTRAINT journal_before_bound;
        RETURN 'checked';
    END IF;
    ALTER TABLE journal DETACH PARTITION journal_default;
    ALTER TABLE journal_default RENAME TO journal_before;
    EXECUTE format('ALTER TABLE journal ATTACH PARTITION journal_before FOR VALUES FROM (MINVALUE) TO (%s)', plan.to_id);
    ALTER TABLE journal_before DROP CONSTRAINT IF EXISTS journal_before_bound;
    CREATE TABLE journal_default PARTITION OF journal DEFAULT;
    REVOKE ALL ON journal_default FROM PUBLIC;
    PERFORM reeve_policies('journal_default');
    UPDATE journal_period p SET made_at = clock_timestamp() WHERE p.name = 'journal_before';
    RETURN 'settled';
END $f$;

-- The partitions of this period and the next `ahead`; `unit` is day, week or month.  Does one thing a call and says
-- what; NULL: nothing is to be done; "busy": somebody holds the journal, another time.
CREATE FUNCTION reeve_journal_ahead(unit text, ahead int) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '300ms' SET TimeZone = 'UTC'
SET client_min_messages = warning AS
$f$
DECLARE
    span interval := CASE unit WHEN 'day' THEN interval '1 day' WHEN 'week' THEN interval '7 days'
                               WHEN 'month' THEN interval '1 month' END;
    from_at timestamptz;
    to_at timestamptz;
    said text;
    wanted text;
BEGIN
    IF span IS NULL OR ahead NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION 'no such period: % %', unit, ahead USING ERRCODE = '22023';
    ELSIF NOT pg_try_advisory_xact_lock(hashtext('reeve_journal_ahead')) THEN
        RETURN 'busy';
    END IF;
    said := reeve_journal_settle(64 << 20);
    IF said IS NOT NULL THEN
        RETURN nullif(said, 'stays');
    END IF;
    FOR i IN 0 .. ahead LOOP
        from_at := date_trunc(unit, clock_timestamp()) + i * span;
        to_at := from_at + span;
        wanted := 'journal_' || to_char(from_at, CASE unit WHEN 'month' THEN 'YYYY_MM' ELSE 'YYYY_MM_DD' END);
        CONTINUE WHEN EXISTS (SELECT FROM journal_period p WHERE p.name = wanted OR (p.from_id < reeve_run_bound(to_at)
                                                                                     AND p.to_id > reeve_run_bound(from_at)));
        CONTINUE WHEN EXISTS (SELECT FROM journal_default d WHERE d.run_id >= reeve_run_bound(from_at)
                                                              AND d.run_id < reeve_run_bound(to_at));
        PERFORM reeve_journal_make(wanted, from_at, to_at);
        RETURN wanted;
    END LOOP;
    RETURN NULL;
EXCEPTION WHEN lock_not_available THEN
    RETURN 'busy';
END $f$;

-- Every period, the oldest first.  `past`: it ended `keep_months` months ago (0: nothing ever is); `open`: runs that are
-- not over and so keep it, of which `held` names the first 20, of all companies.  Rows are the server's estimate.
CREATE FUNCTION reeve_journal_periods(keep_months int)
RETURNS TABLE (name text, begins timestamptz, ends timestamptz, rows bigint, bytes bigint, open bigint, held jsonb,
               past boolean, dropped_at timestamptz, dropped_by text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$f$
SELECT p.name, nullif(p.begins, '-infinity'), p.ends, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid),
       o.n, o.named, p.dropped_at IS NULL AND keep_months > 0 AND p.ends <= clock_timestamp() - make_interval(months => keep_months),
       p.dropped_at, p.dropped_by
  FROM journal_period p
  LEFT JOIN pg_class c ON c.oid = to_regclass(p.name) AND p.dropped_at IS NULL
  LEFT JOIN LATERAL (
       SELECT coalesce(sum(x.n), 0)::bigint AS n, jsonb_agg(x.named) FILTER (WHERE x.n > 0) AS named
         FROM tenant t
        CROSS JOIN LATERAL (
              SELECT count(*) AS n, jsonb_build_object('company', t.name, 'runs',
                         (array_agg('r_' || r.id ORDER BY r.id))[1:20]) AS named
                FROM run r
               WHERE r.tenant_id = t.tenant_id AND r.id >= p.from_id AND r.id < p.to_id
                 AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')) AS x) AS o
       ON p.dropped_at IS NULL
 WHERE p.made_at IS NOT NULL
 UNION ALL
SELECT 'journal_default', NULL, NULL, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid), NULL, NULL, false, NULL, NULL
  FROM pg_class c WHERE c.oid = 'journal_default'::regclass AND EXISTS (SELECT FROM journal_default)
 ORDER BY 3 NULLS LAST
$f$;

-- What would go of each company with a period: its runs and their steps, counted.
CREATE FUNCTION reeve_journal_tally(of_period text)
RETURNS TABLE (tenant_id int, company text, runs bigint, steps bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$f$
DECLARE
    p journal_period;
BEGIN
    SELECT * INTO p FROM journal_period j WHERE j.name = of_period AND j.made_at IS NOT NULL AND j.dropped_at IS NULL;
    IF p.name IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format('SELECT t.tenant_id, t.name, x.runs, coalesce(j.steps, 0)
          FROM tenant t
          LEFT JOIN (SELECT s.tenant_id, count(*) AS steps FROM %I s GROUP BY 1) AS j ON j.tenant_id = t.tenant_id
         CROSS JOIN LATERAL (SELECT count(*) AS runs FROM run r
                              WHERE r.tenant_id = t.tenant_id AND r.id >= $1 AND r.id < $2) AS x
         WHERE x.runs > 0 OR j.steps > 0 ORDER BY 1', p.name) USING p.from_id, p.to_id;
END $f$;

-- Drops a period that is past and that no open run keeps; `tally` is what reeve_journal_tally said, as a list.
CREATE FUNCTION reeve_journal_drop(of_period text, keep_months int, who text, tally jsonb) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '2s' AS
$f$
DECLARE
    p journal_period;
BEGIN
    SELECT * INTO p FROM journal_period j WHERE j.name = of_period AND j.made_at IS NOT NULL AND j.dropped_at IS NULL
       FOR UPDATE;
    IF p.name IS NULL THEN
        RAISE EXCEPTION 'there is no period %', of_period USING ERRCODE = '02000';
    ELSIF keep_months < 1 OR p.ends > clock_timestamp() - make_interval(months => keep_months) THEN
        RAISE EXCEPTION 'the journals of % are not past their retention of % months', of_period, keep_months
            USING ERRCODE = '42501';
    END IF;
    EXECUTE format('DROP TABLE %I', of_period);
    -- under the lock: nothing can begin there any more
    IF EXISTS (SELECT FROM tenant t CROSS JOIN LATERAL (
                    SELECT FROM run r WHERE r.tenant_id = t.tenant_id AND r.id >= p.from_id AND r.id < p.to_id
                       AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged') LIMIT 1) AS o) THEN
        RAISE EXCEPTION 'runs of % are still open', of_period USING ERRCODE = '55006';
    END IF;
    UPDATE journal_period j SET dropped_at = clock_timestamp(), dropped_by = who WHERE j.name = of_period;
    INSERT INTO journal_drop (tenant_id, period, from_id, to_id, runs, steps, dropped_at, dropped_by)
    SELECT x.tenant_id, p.name, p.from_id, p.to_id, x.runs, x.steps, clock_timestamp(), who
      FROM jsonb_to_recordset(tally) AS x(tenant_id int, runs bigint, steps bigint);
END $f$;

-- Takes away what only those journals gave a meaning: signals, updates and uses of blobs, at most `most` rows of each a
-- call.  Gives how many went.
CREATE FUNCTION reeve_journal_sweep(most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$f$
DECLARE
    d journal_drop;
    gone bigint := 0;
    piece bigint;
    from_table text;
BEGIN
    SELECT * INTO d FROM journal_drop x WHERE NOT x.swept LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF d.period IS NULL THEN
        RETURN 0;
    END IF;
    FOREACH from_table IN ARRAY ARRAY['run_signal', 'run_update', 'blob_use'] LOOP
        EXECUTE format('DELETE FROM %I WHERE ctid = ANY (ARRAY(SELECT x.ctid FROM %I x WHERE x.tenant_id = $1
                        AND x.run_id >= $2 AND x.run_id < $3 LIMIT $4)) AND tenant_id = $1', from_table, from_table)
          USING d.tenant_id, d.from_id, d.to_id, most;
        GET DIAGNOSTICS piece = ROW_COUNT;
        gone := gone + piece;
    END LOOP;
    IF gone = 0 THEN
        UPDATE journal_drop x SET swept = true WHERE x.tenant_id = d.tenant_id AND x.period = d.period;
    END IF;
    RETURN gone;
END $f$;

-- When and by whom the journal of a run was dropped: {"at", "by", "period"}; NULL: it was not.
CREATE FUNCTION reeve_journal_dropped(of_tenant int, of_run bigint) RETURNS jsonb LANGUAGE sql STABLE AS
$$
    SELECT jsonb_build_object('at', d.dropped_at, 'by', d.dropped_by, 'period', d.period)
      FROM journal_drop d
     WHERE d.tenant_id = of_tenant AND of_run >= d.from_id AND of_run < d.to_id
     ORDER BY d.from_id DESC LIMIT 1
$$;

DO $do$
DECLARE
    said text := '';
BEGIN
    WHILE said IS NOT NULL AND said NOT IN ('busy', 'bounded') LOOP -- a large one is the nodes' work
        said := reeve_journal_ahead('month', 3);
    END LOOP;
END $do$;
