-- 0191_run_search: runs are found by how they stand, from indexes, in the state of this very transaction.
--   approval_wait   which roles an open approval of a run still needs; kept by triggers
--   run.attempt     how many runs for the same business key failed before this one
--   run_find        names of runs, newest first; run_look: how these stand; run_cost: what one has used
CREATE TABLE approval_wait (
    tenant_id int NOT NULL, role text NOT NULL, run_id bigint NOT NULL, approval_id bigint NOT NULL,
    PRIMARY KEY (tenant_id, role, run_id, approval_id)
);
CREATE INDEX approval_wait_one ON approval_wait (tenant_id, approval_id);
CREATE INDEX approval_asked ON approval (tenant_id, run_id) WHERE status = 'requested' AND run_id IS NOT NULL;

CREATE FUNCTION approval_wait_set(of_tenant int, of_approval bigint) RETURNS void LANGUAGE plpgsql AS
$f$
BEGIN -- plpgsql keeps the plans: every question to a person comes through here
    DELETE FROM approval_wait w WHERE w.tenant_id = of_tenant AND w.approval_id = of_approval;
    INSERT INTO approval_wait (tenant_id, role, run_id, approval_id)
    SELECT DISTINCT of_tenant, s.value->>'role', a.run_id, a.id
      FROM approval a CROSS JOIN LATERAL jsonb_array_elements(a.stages) AS s
     WHERE a.tenant_id = of_tenant AND a.id = of_approval AND a.status = 'requested' AND a.run_id IS NOT NULL
       AND s.value->>'role' IS NOT NULL
       AND coalesce((s.value->>'n')::int, 1) > (
           SELECT count(*) FROM approval_vote v
            WHERE v.tenant_id = of_tenant AND v.approval_id = a.id AND v.decision = 'approve'
              AND reeve_vote_roles(v.role) ? (s.value->>'role'));
END $f$;
CREATE FUNCTION approval_wait_changed() RETURNS trigger LANGUAGE plpgsql AS
$f$
BEGIN
    IF TG_TABLE_NAME = 'approval' THEN
        PERFORM approval_wait_set(NEW.tenant_id, NEW.id);
    ELSE
        PERFORM approval_wait_set(NEW.tenant_id, NEW.approval_id);
    END IF;
    RETURN NULL;
END $f$;
CREATE TRIGGER approval_wait_asked AFTER INSERT OR UPDATE OF status, stages ON approval
    FOR EACH ROW WHEN (NEW.run_id IS NOT NULL) EXECUTE FUNCTION approval_wait_changed();
CREATE TRIGGER approval_wait_voted AFTER INSERT ON approval_vote
    FOR EACH ROW EXECUTE FUNCTION approval_wait_changed();
DO $d$
BEGIN
    PERFORM approval_wait_set(a.tenant_id, a.id) FROM approval a WHERE a.status = 'requested' AND a.run_id IS NOT NULL;
END $d$;

CREATE INDEX run_key ON run (tenant_id, business_key text_pattern_ops, id) WHERE business_key IS NOT NULL;
UPDATE run r SET attempt = (SELECT count(*) FROM run e WHERE e.tenant_id = r.tenant_id AND e.business_key = r.business_key
                               AND e.id < r.id AND e.status = 'failed')
 WHERE r.business_key IS NOT NULL
   AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged');
CREATE INDEX run_agent ON run (tenant_id, agent, id);
CREATE INDEX run_waits ON run (tenant_id, waiting_on, id) WHERE status = 'waiting';
DROP INDEX run_people; -- the same, for one word
CREATE INDEX run_over ON run (tenant_id, status, id)
    WHERE status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged');
CREATE INDEX run_error ON run (tenant_id, error_code, id) WHERE error_code IS NOT NULL;
CREATE INDEX run_again ON run (tenant_id, id)
    WHERE attempt > 0 AND status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged');

-- A filter somebody gave a name; see the options of `reeve run list`.
CREATE TABLE run_view (
    tenant_id int NOT NULL, name text NOT NULL, filter jsonb NOT NULL,
    by text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, name)
);

-- What a journal entry says, wherever it is kept.
CREATE FUNCTION run_step_said(of_tenant int, stored bytea) RETURNS jsonb LANGUAGE sql STABLE AS
$f$
    SELECT convert_from(substr(CASE WHEN get_byte(stored, 0) = 2 THEN reeve_journal_out(of_tenant, stored) ELSE stored END, 2),
                        'UTF8')::jsonb
$f$;

-- Runs that could have moved for a minute: the conditions of the statement runs_due, each from its index.  A
-- journal entry has no time of its own, so a run that works on long without a change of status looks stuck, too.
CREATE FUNCTION run_stuck(of_tenant int) RETURNS TABLE (id bigint) LANGUAGE sql STABLE AS
$f$
    SELECT r.id FROM run r
     WHERE r.tenant_id = of_tenant AND r.status IN ('created', 'planning', 'executing', 'reviewing', 'compensating')
       AND r.changed_at < (SELECT clock_timestamp() - interval '1 minute')
     UNION ALL
    SELECT r.id FROM run r
     WHERE r.tenant_id = of_tenant AND r.status = 'waiting'
       AND r.wake_at < (SELECT clock_timestamp() - interval '1 minute')
       AND r.changed_at < (SELECT clock_timestamp() - interval '1 minute')
     UNION ALL
    SELECT r.id
      FROM (SELECT w.id FROM run w -- two indexes beside each other, before any row is looked at
             WHERE w.tenant_id = of_tenant AND w.status = 'waiting' AND w.waiting_on = 'approval'
               AND NOT EXISTS (SELECT FROM approval a WHERE a.tenant_id = of_tenant AND a.run_id = w.id
                                  AND a.status = 'requested')
            OFFSET 0) AS w
      JOIN run r ON r.tenant_id = of_tenant AND r.id = w.id
     WHERE (r.wake_at IS NULL OR r.wake_at >= (SELECT clock_timestamp() - interval '1 minute'))
       AND r.changed_at < (SELECT clock_timestamp() - interval '1 minute')
       AND NOT EXISTS (SELECT FROM approval a WHERE a.tenant_id = of_tenant AND a.run_id = r.id
                          AND a.decided_at > (SELECT clock_timestamp() - interval '1 minute'))
     UNION ALL
    SELECT r.id
      FROM (SELECT DISTINCT g.run_id FROM run_signal g -- each run once, however many signals it has
             WHERE g.tenant_id = of_tenant AND g.consumed_seq IS NULL AND g.name <> '$cancel'
               AND g.sent_at < (SELECT clock_timestamp() - interval '1 minute')) AS u
      JOIN run r ON r.tenant_id = of_tenant AND r.id = u.run_id
      JOIN journal j ON j.tenant_id = of_tenant AND j.run_id = r.id AND j.seq = r.steps
     WHERE r.status = 'waiting' AND r.waiting_on = 'signal'
       AND (r.wake_at IS NULL OR r.wake_at >= (SELECT clock_timestamp() - interval '1 minute'))
       AND r.changed_at < (SELECT clock_timestamp() - interval '1 minute')
       AND EXISTS (SELECT FROM run_signal g
                    WHERE g.tenant_id = of_tenant AND g.run_id = r.id AND g.consumed_seq IS NULL
                      AND g.sent_at < (SELECT clock_timestamp() - interval '1 minute')
                      AND g.name = run_step_said(of_tenant, j.out)->>'name')
$f$;

-- `filter`: {"status", "waiting_on", "role", "agent", "key", "error", "older", "runs", "below"}, all optional.
--   status      a status, or open, over, stuck, retrying, people
--   waiting_on  approval (person), timer, signal, run (child), effect, intent; else a role
--   key         the business key or its beginning;  older: seconds;  below: only runs before this one
-- The statement is put together from what is asked, so that each question has the plan of its own index.
CREATE FUNCTION run_find(of_tenant int, filter jsonb, most int) RETURNS SETOF bigint LANGUAGE plpgsql STABLE AS
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
    IF kind NOT IN ('approval', 'timer', 'signal', 'run', 'effect', 'intent') THEN
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

-- What a run has used so far, from its journal: {"calls", "tokens", "money": {currency: minor}}.
CREATE FUNCTION run_cost(of_tenant int, of_run bigint) RETURNS jsonb LANGUAGE sql STABLE AS
$f$
    SELECT jsonb_build_object('calls', count(*) FILTER (WHERE u.kind IN (1, 2)),
               'tokens', coalesce(sum((u.body->'usage'->>'tokens')::bigint) FILTER (WHERE u.kind = 2), 0))
           || coalesce((SELECT jsonb_build_object('money', jsonb_object_agg(m.currency, m.minor)) FROM (
                  SELECT a.body->'money'->>'currency' AS currency, sum((a.body->'money'->>'minor')::bigint) AS minor
                    FROM (SELECT run_step_said(of_tenant, k.out) AS body FROM journal k
                           WHERE k.tenant_id = of_tenant AND k.run_id = of_run AND k.kind = 7) AS a
                   WHERE a.body->'money' IS NOT NULL GROUP BY 1) AS m HAVING count(*) > 0), '{}')
      FROM (SELECT j.kind, CASE WHEN j.kind = 2 THEN run_step_said(of_tenant, j.out) END AS body
              FROM journal j WHERE j.tenant_id = of_tenant AND j.run_id = of_run) AS u
$f$;

-- How these runs stand, newest first.
--   since     when it could move, NULL while it cannot;  roles: who is still missing on its open approvals
--   standing  over: its status; stuck: it could have moved for a minute; retrying; else its status
--   waits     what it waits for, in words
DROP FUNCTION run_standing(int);
CREATE FUNCTION run_look(of_tenant int, ids bigint[])
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
            WHEN s.waiting_on IN ('timer', 'effect') AND s.wake_at IS NOT NULL THEN s.waiting_on || ' until ' || to_char(s.wake_at, 'YYYY-MM-DD HH24:MI:SS')
            ELSE s.waiting_on END,
       run_cost(of_tenant, s.id)
  FROM (
    SELECT r.*, o.is_over, p.roles,
           CASE WHEN o.is_over THEN NULL
                WHEN r.status <> 'waiting' THEN r.changed_at
                WHEN r.wake_at <= clock_timestamp() THEN greatest(r.changed_at, r.wake_at)
                WHEN r.waiting_on = 'approval' AND p.open = 0 THEN greatest(r.changed_at, p.decided_at)
                WHEN r.waiting_on = 'signal' THEN (
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

-- What else people are asked about the same thing: whichever is granted first, the others become void.
CREATE INDEX approval_resource ON approval (tenant_id, resource) WHERE status = 'requested' AND resource IS NOT NULL;
CREATE FUNCTION approval_rivals(of_tenant int, of_approval bigint) RETURNS jsonb LANGUAGE sql STABLE AS
$f$
    SELECT coalesce(jsonb_agg(jsonb_build_object('id', o.id::text, 'action', o.action, 'agent', o.agent,
               'run', 'r_' || o.run_id, 'since', o.requested_at, 'reason', o.reason) ORDER BY o.id), '[]')
      FROM approval a JOIN approval o ON o.tenant_id = of_tenant AND o.resource = a.resource
                                     AND o.status = 'requested' AND o.id <> a.id
     WHERE a.tenant_id = of_tenant AND a.id = of_approval AND a.status = 'requested' AND a.resource IS NOT NULL
$f$;
