-- 0231: from a trace to what belongs to it.  A run whose trace was given (by whoever asked over HTTP, or by the run that
-- started it) is found by it; any other run has one that follows from its number (runtime/run/run_trace.h) and is
-- asked for by that.  A delivery keeps the trace that it was sent with.
CREATE FUNCTION run_trace_id(of_tenant int, of_run bigint, input jsonb) RETURNS text LANGUAGE sql STABLE AS
$f$
    SELECT coalesce(input->>'trace', encode(substr(sha256(convert_to(format('reeve run %s %s', of_tenant, of_run), 'UTF8')), 1, 16), 'hex'))
$f$;
ALTER TABLE run_input ADD COLUMN trace text GENERATED ALWAYS AS (input->>'trace') STORED;
CREATE INDEX run_input_trace ON run_input (tenant_id, trace) WHERE trace IS NOT NULL;
ALTER TABLE hook_delivery ADD COLUMN trace text;
CREATE INDEX hook_delivery_trace ON hook_delivery (tenant_id, trace) WHERE trace IS NOT NULL;
