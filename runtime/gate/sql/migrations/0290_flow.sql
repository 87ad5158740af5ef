-- 0290: slots and tokens, see runtime/run/flow.h.
--   run_flow  what a run must have to begin, one row a key, in the order of `place`
--     most     places of the key;  seconds: NULL a slot, else a token that comes back so long after the beginning
--     turn     who comes first: microseconds since 1970, less what the priority is worth
--     waits    the run waits for this one;  holds: it has it, NULL `until` as long as it is open
-- A run that waits is found by ?waiting_on=slot or rate and shown with the key.  The functions are those of 0240, with
-- that.
CREATE TABLE run_flow (
    tenant_id int NOT NULL,
    run_id    bigint NOT NULL,
    place     int NOT NULL,
    key       text NOT NULL,
    most      int NOT NULL CHECK (most > 0),
    seconds   int CHECK (seconds > 0),
    turn      bigint NOT NULL,
    waits     boolean NOT NULL DEFAULT false,
    holds     boolean NOT NULL DEFAULT false,
    until     timestamptz,
    PRIMARY KEY (tenant_id, run_id, place)
);
CREATE INDEX run_flow_waits ON run_flow (tenant_id, key, turn, run_id) WHERE waits;
CREATE INDEX run_flow_holds ON run_flow (tenant_id, key, until) WHERE holds;
CREATE INDEX run_flow_until ON run_flow (tenant_id, until) WHERE until IS NOT NULL;

--   waiting_on  approval (person), timer, signal, run (child), effect, intent, budget, lock, slot, rate; else a role
CREATE OR REPLACE FUNCTION run_find(of_tenant int, filter jsonb, most int) RETURNS SETOF bigint LANGUAGE plpgsql STABLE AS
$f$
DECLARE
    word   text := nullif(filter->>'status', '');
    kind   text := nullif(filter->>'waiting_on', '');
    who    text := nullif(filter->>'role', '');
    closed constant text := '(''done'', ''failed'', ''cancelled'', ''compensated'', ''diverged'')';
    rows   text := 'run r';
    rule   text := 'r.tenant_id = $1';
BEGIN
    IF word = 'people' THEN
        word := NULL;
        kind := coalesce(kind, 'approval');
    END IF;
    kind := CASE kind WHEN 'person' THEN 'approval' WHEN 'people' THEN 'approval' WHEN 'child' THEN 'run' ELSE kind END;
    IF kind NOT IN ('approval', 'timer', 'signal', 'run', 'effect', 'intent', 'budget', 'lock', 'slot', 'rate') THEN
        who := coalesce(who, kind);
        kind := 'approval';
    END IF;
    IF word = 'stuck' THEN
        rows := 'run_stuck($1) AS k JOIN run r ON r.id = k.id';
    ELSIF who IS NOT NULL THEN
        rows := '(SELECT DISTINCT w.run_id FROM approval_wait w WHERE w.tenant_id = $1 AND w.role = $3
                     AND ($8::bigint IS NULL OR w.run_id < $8) ORDER BY w.run_id DESC) AS k JOIN run r ON r.id = k.run_id';
    END IF;
    IF word = 'stuck' AND who IS NOT NULL THEN
        rule := rule || ' AND EXISTS (SELECT FROM approval_wait w WHERE w.tenant_id = $1 AND w.role = $3 AND w.run_id = r.id)';
    END IF;
    rule := rule || CASE
        WHEN word IS NULL OR word = 'stuck' THEN ''
        WHEN word = 'open' THEN ' AND r.status NOT IN ' || closed
        WHEN word = 'over' THEN ' AND r.status IN ' || closed
        WHEN word = 'retrying' THEN ' AND r.attempt > 0 AND r.status NOT IN ' || closed
        WHEN word IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
            THEN ' AND r.status IN ' || closed || ' AND r.status = $2'
        ELSE ' AND r.status = $2' END;
    IF kind IS NOT NULL OR who IS NOT NULL THEN
        rule := rule || ' AND r.status = ''waiting'' AND r.waiting_on = $4';
        kind := coalesce(kind, 'approval');
    END IF;
    IF nullif(filter->>'agent', '') IS NOT NULL THEN
        rule := rule || ' AND r.agent = $5';
    END IF;
    IF nullif(filter->>'key', '') IS NOT NULL THEN -- what row security lets an index answer
        rule := rule || ' AND r.business_key ~>=~ $6 AND r.business_key ~<~ ($6 || chr(1114111))';
    END IF;
    IF nullif(filter->>'error', '') IS NOT NULL THEN
        rule := rule || ' AND r.error_code = $7';
    END IF;
    IF (filter->>'below')::bigint IS NOT NULL THEN
        rule := rule || ' AND r.id < $8';
    END IF;
    IF coalesce((filter->>'older')::bigint, 0) > 0 THEN
        rule := rule || ' AND r.created_at < (SELECT clock_timestamp()) - make_interval(secs => $9)';
    END IF;
    IF jsonb_typeof(filter->'runs') = 'array' THEN
        rule := rule || ' AND r.id = ANY (ARRAY(SELECT x::bigint FROM jsonb_array_elements_text($10) AS x))';
    END IF;
    RETURN QUERY EXECUTE 'SELECT r.id FROM ' || rows || ' WHERE ' || rule || ' ORDER BY r.id DESC LIMIT $11'
        USING of_tenant, word, who, kind, filter->>'agent', filter->>'key', filter->>'error',
              (filter->>'below')::bigint, (filter->>'older')::bigint, filter->'runs', most;
END $f$;

CREATE OR REPLACE FUNCTION run_look(of_tenant int, ids bigint[])
RETURNS TABLE (id bigint, agent text, status text, waiting_on text, wake_at timestamptz, business_key text,
               parent bigint, steps int, attempt int, error_code text, error_text text, created_at timestamptz,
               changed_at timestamptz, roles text[], since timestamptz, standing text, waits text, cost jsonb)
LANGUAGE sql STABLE AS $f$
SELECT s.id, s.agent, s.status, s.waiting_on, s.wake_at, s.business_key, s.parent, s.steps, s.attempt + 1,
       s.error_code, s.error_text, s.created_at, s.changed_at, s.roles, s.since,
       CASE WHEN s.is_over THEN s.status
            WHEN s.since < clock_timestamp() - interval '1 minute' THEN 'stuck'
            WHEN s.attempt > 0 THEN 'retrying' ELSE s.status END,
       CASE WHEN s.status <> 'waiting' THEN NULL
            WHEN s.roles IS NOT NULL THEN s.waiting_on || ' of ' || array_to_string(s.roles, ' + ')
            WHEN s.waiting_on = 'run' THEN 'run ' || (SELECT run_step_said(of_tenant, j.out)->>'run'
                  FROM journal j WHERE j.tenant_id = of_tenant AND j.run_id = s.id AND j.seq = s.steps)
            WHEN s.waiting_on = 'lock' THEN concat_ws(' ', 'lock', (SELECT 'of r_' || h.id FROM run h
                  WHERE h.tenant_id = of_tenant AND h.business_key = s.business_key AND h.claims
                    AND h.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')))
            WHEN s.waiting_on IN ('slot', 'rate') THEN coalesce((SELECT concat_ws(' ', w.key, '(' || (
                      SELECT count(*) FROM run_flow u WHERE u.tenant_id = of_tenant AND u.key = w.key AND u.holds
                         AND (u.until IS NULL OR u.until > clock_timestamp())) || ' of ' || w.most || ')',
                      'until ' || CASE WHEN s.waiting_on = 'rate' THEN to_char(s.wake_at, 'YYYY-MM-DD HH24:MI:SS') END)
                  FROM run_flow w WHERE w.tenant_id = of_tenant AND w.run_id = s.id AND w.waits), s.waiting_on)
            WHEN s.waiting_on = 'budget' THEN concat_ws(' ', 'budget', (SELECT run_step_said(of_tenant, j.out)->>'budget'
                  FROM journal j WHERE j.tenant_id = of_tenant AND j.run_id = s.id AND j.seq = s.steps))
            WHEN s.waiting_on IN ('timer', 'effect') AND s.wake_at IS NOT NULL THEN s.waiting_on || ' until ' || to_char(s.wake_at, 'YYYY-MM-DD HH24:MI:SS')
            ELSE s.waiting_on END,
       CASE WHEN s.steps <= 10000 THEN run_cost(of_tenant, s.id) END
  FROM (
    SELECT r.*, o.is_over, p.roles,
           CASE WHEN o.is_over THEN NULL
                WHEN r.status <> 'waiting' THEN r.changed_at
                WHEN r.wake_at <= clock_timestamp() THEN greatest(r.changed_at, r.wake_at)
                WHEN r.waiting_on = 'approval' AND p.open = 0 THEN greatest(r.changed_at, p.decided_at)
                WHEN r.waiting_on IN ('signal', 'budget') THEN (
                    SELECT greatest(r.changed_at, min(g.sent_at)) FROM run_signal g
                      JOIN journal j ON j.tenant_id = g.tenant_id AND j.run_id = g.run_id AND j.seq = r.steps
                     WHERE g.tenant_id = r.tenant_id AND g.run_id = r.id AND g.consumed_seq IS NULL
                       AND g.name = run_step_said(of_tenant, j.out)->>'name'
                    HAVING count(*) > 0)
           END AS since
      FROM unnest(ids) AS q(id) JOIN run r ON r.tenant_id = of_tenant AND r.id = q.id
     CROSS JOIN LATERAL (SELECT r.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged') AS is_over) o
      LEFT JOIN LATERAL (
           SELECT count(*) FILTER (WHERE a.status = 'requested') AS open, max(a.decided_at) AS decided_at,
                  (SELECT array_agg(DISTINCT w.role ORDER BY w.role) FROM approval b
                     JOIN approval_wait w ON w.tenant_id = b.tenant_id AND w.approval_id = b.id
                    WHERE b.tenant_id = r.tenant_id AND b.run_id = r.id AND b.status = 'requested') AS roles
             FROM approval a
            WHERE a.tenant_id = r.tenant_id AND a.run_id = r.id
              AND r.status = 'waiting' AND r.waiting_on = 'approval') p ON true) s
 ORDER BY s.id DESC
$f$;
