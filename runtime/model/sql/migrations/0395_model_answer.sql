-- 0395_model_answer: what made each choice of an answer of the API, so that it can be made again: no text, and nothing of who asked.
-- (Of answers to agents the journal has it.)
CREATE TABLE model_answer (
    tenant_id     int4 NOT NULL REFERENCES tenant,
    id            text NOT NULL,              -- as the answer has it
    choice        int4 NOT NULL,              -- its index there
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome       text NOT NULL,              -- stop, length, or why it ended early
    model         text NOT NULL,              -- NAME@VERSION, or the name in the file
    hash          text NOT NULL,              -- SHA-256 of the file
    adapter       text, adapter_hash text,    -- NULL: without
    template      text NOT NULL,
    sampler       text NOT NULL,
    seed          int8,                       -- NULL: of embeddings, which have none
    prompt_tokens int8 NOT NULL, cached_tokens int8 NOT NULL,
    answer_tokens int8 NOT NULL, thinking_tokens int8 NOT NULL,
    PRIMARY KEY (tenant_id, id, choice)
);
CREATE INDEX model_answer_at ON model_answer (at);

-- As before; then what is older than the newest period whose journals were dropped: kept as long as those.
CREATE OR REPLACE FUNCTION reeve_journal_sweep(most int) RETURNS bigint
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
