-- 0450_run_once: what was asked under a key of its own (the field Idempotency-Key, runtime/run/once.h), with the answer.
-- A row goes in with what was asked, in one transaction; the primary key decides between two that ask at once.
CREATE TABLE run_once (
    tenant_id int NOT NULL,
    asked_by text NOT NULL,                       -- the principal: two people may choose one key
    key text NOT NULL,
    digest bytea NOT NULL,                        -- SHA-256 of the canonical form of what was asked
    answer jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, asked_by, key)
);
CREATE INDEX run_once_at ON run_once (at);

-- The function of 0395, which takes keys older than a day (RV_RUN_ONCE_KEEP_S) as well.
CREATE OR REPLACE FUNCTION reeve_journal_sweep(most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$f$
DECLARE
    d journal_drop;
    gone bigint := 0;
    piece bigint;
    from_table text;
BEGIN
    DELETE FROM run_once o
     WHERE o.ctid = ANY (ARRAY(SELECT x.ctid FROM run_once x WHERE x.at < now() - interval '24 hours' LIMIT most));
    SELECT * INTO d FROM journal_drop x WHERE NOT x.swept LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF d.period IS NULL THEN
        DELETE FROM model_answer a
         WHERE a.ctid = ANY (ARRAY(SELECT x.ctid FROM model_answer x
                                    WHERE x.at < (SELECT max(p.ends) FROM journal_period p WHERE p.dropped_at IS NOT NULL)
                                    LIMIT most));
        GET DIAGNOSTICS gone = ROW_COUNT;
        RETURN gone;
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
