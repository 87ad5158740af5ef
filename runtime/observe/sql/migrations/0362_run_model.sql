-- 0362_run_model: a run that has waited for the model longer than a second is found by that (`--waiting-on model`), and
-- says which model, and since when.
--   model_wait   what a node says of a question that takes long; written by run_model_wait, once
--   run_asks     those that hold: until the answer is in the journal, while the run is open and the node that
--                asked lives and drives the company still.  So nobody has to take a row back; the next one does.
CREATE TABLE model_wait (
    tenant_id int NOT NULL, run_id bigint NOT NULL,
    epoch bigint NOT NULL,              -- of the company, when it was asked
    seq int NOT NULL,                   -- of the step that the answer becomes
    model text NOT NULL, since timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
);
CREATE FUNCTION run_asks(of_tenant int) RETURNS TABLE (run_id bigint, model text, since timestamptz)
LANGUAGE sql STABLE AS
$f$
    SELECT w.run_id, w.model, w.since
      FROM model_wait w
      JOIN tenant_head h ON h.tenant_id = w.tenant_id AND h.epoch = w.epoch
      JOIN node n ON n.node_id = h.owner_node AND n.lease_until > clock_timestamp()
      JOIN run r ON r.tenant_id = w.tenant_id AND r.id = w.run_id
     WHERE w.tenant_id = of_tenant
       AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
       AND NOT EXISTS (SELECT FROM journal j WHERE j.tenant_id = of_tenant AND j.run_id = w.run_id AND j.seq >= w.seq)
$f$;

-- The functions are changed in their places, as other migrations left them.
DO $do$
DECLARE
    changes text[] := ARRAY[
        ARRAY['run_find', $$'budget', 'lock', 'slot', 'rate')$$, $$'budget', 'lock', 'slot', 'rate', 'model')$$],
        ARRAY['run_find', $$IF kind IS NOT NULL OR who IS NOT NULL THEN$$,
              $$IF kind = 'model' THEN -- few, looked up by their numbers; its status is the one it works in
        rule := rule || ' AND r.id = ANY (ARRAY(SELECT a.run_id FROM run_asks($1) AS a))';
    ELSIF kind IS NOT NULL OR who IS NOT NULL THEN$$],
        ARRAY['run_find', $$IF word IS DISTINCT FROM 'stuck' AND$$,
              $$IF kind IS DISTINCT FROM 'model' AND word IS DISTINCT FROM 'stuck' AND$$],
        ARRAY['run_look', $$r.id = q.id$$, $$r.id = q.id
      LEFT JOIN run_asks(of_tenant) AS m ON m.run_id = r.id$$],
        ARRAY['run_look', $$SELECT r.*, o.is_over, p.roles,$$,
              $$SELECT r.*, o.is_over, p.roles, m.model, m.since AS asks_since,$$],
        ARRAY['run_look', $$WHEN r.status <> 'waiting' THEN r.changed_at$$,
              $$WHEN m.since IS NOT NULL THEN NULL
                WHEN r.status <> 'waiting' THEN r.changed_at$$],
        ARRAY['run_look', $$SELECT s.id, s.agent, s.status, s.waiting_on,$$,
              $$SELECT s.id, s.agent, s.status, CASE WHEN s.asks_since IS NULL THEN s.waiting_on ELSE 'model' END,$$],
        ARRAY['run_look', $$CASE WHEN s.status <> 'waiting' THEN NULL$$,
              $$CASE WHEN s.asks_since IS NOT NULL THEN concat_ws(' ', 'model', nullif(s.model, ''), 'since',
                      to_char(s.asks_since, 'YYYY-MM-DD HH24:MI:SS'))
            WHEN s.status <> 'waiting' THEN NULL$$],
        ARRAY['run_stuck', $$'reviewing', 'compensating')
       AND r.changed_at < (SELECT clock_timestamp() - interval '1 minute')$$,
              $$'reviewing', 'compensating')
       AND r.changed_at < (SELECT clock_timestamp() - interval '1 minute')
       AND NOT EXISTS (SELECT FROM run_asks(of_tenant) AS a WHERE a.run_id = r.id)$$]];
    change  text[];
    body    text;
BEGIN
    FOREACH change SLICE 1 IN ARRAY changes LOOP
        body := pg_get_functiondef(change[1]::regproc);
        IF strpos(body, change[2]) = 0 THEN
            RAISE EXCEPTION '% has no "%"', change[1], change[2];
        END IF;
        EXECUTE replace(body, change[2], change[3]);
    END LOOP;
END $do$;
