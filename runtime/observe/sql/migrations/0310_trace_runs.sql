-- 0310_trace_runs: what traces of runs are read from.
-- The record of one run is found by the run: for traces, and for `reeve explain`.
CREATE INDEX audit_record_run ON audit_record (tenant_id, run_id) WHERE run_id IS NOT NULL;

-- Microseconds since 1970; NULL of NULL.
CREATE FUNCTION reeve_us(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT (extract(epoch FROM at) * 1000000)::bigint $$;
