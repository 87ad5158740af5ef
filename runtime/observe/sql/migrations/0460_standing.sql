-- 0460_standing: what a run did and could not take back, as a first answer to whoever operates it.
--   run_stands             whether it is so of a run; most have no compensation, which an index knows
--   run_left_standing      the runs of a company of which it is so, and which no other run goes on for
--   run_effects_standing   what of a run: [{"action", "number", "connector", "key", "step", "undo", "code", "reason"}];
--                          "undo" is what came of taking it back: failed, denied, refused, expired, ...
-- All of it follows from the journal: the outcome says what was left, the entries before it say why.  The functions
-- run_find, run_dead_letters (0400) and reeve_backlog (0270) know it.
CREATE INDEX journal_compensation ON journal (tenant_id, run_id) WHERE kind = 10;

CREATE FUNCTION run_stands(of_tenant int, of_run bigint) RETURNS boolean LANGUAGE sql STABLE AS
$f$
    SELECT EXISTS (SELECT FROM journal c WHERE c.tenant_id = of_tenant AND c.run_id = of_run AND c.kind = 10)
       AND coalesce((SELECT convert_from(substr(CASE WHEN get_byte(o.out, 0) = 2 THEN reeve_journal_out(of_tenant, o.out)
                                                     ELSE o.out END, 2), 'UTF8')::jsonb ? 'not_taken_back'
                       FROM journal o
                      WHERE o.tenant_id = of_tenant AND o.run_id = of_run AND o.kind = 9
                      ORDER BY o.seq DESC LIMIT 1), false)
$f$;

CREATE FUNCTION run_left_standing(of_tenant int) RETURNS TABLE (id bigint) LANGUAGE sql STABLE AS
$f$
    SELECT r.id
      FROM (SELECT DISTINCT c.run_id FROM journal c WHERE c.tenant_id = of_tenant AND c.kind = 10 OFFSET 0) AS c
      JOIN run r ON r.tenant_id = of_tenant AND r.id = c.run_id AND r.status = 'failed'
     WHERE run_stands(of_tenant, r.id)
       AND NOT EXISTS (SELECT FROM run_revival v WHERE v.tenant_id = of_tenant AND v.of_run = r.id)
$f$;

-- Actions are taken back in turn, the newest first, so what came of each is found by its place among those of the same end.
CREATE FUNCTION run_effects_standing(of_tenant int, of_run bigint) RETURNS jsonb LANGUAGE sql STABLE AS
$f$
WITH said AS MATERIALIZED (
    SELECT j.seq, j.kind, j.name,
           convert_from(substr(CASE WHEN get_byte(j.out, 0) = 2 THEN reeve_journal_out(of_tenant, j.out) ELSE j.out END, 2),
                        'UTF8')::jsonb AS out
      FROM journal j
     WHERE j.tenant_id = of_tenant AND j.run_id = of_run AND j.kind IN (8, 9, 10, 15)
       AND j.seq >= (SELECT min(c.seq) FROM journal c WHERE c.tenant_id = of_tenant AND c.run_id = of_run AND c.kind = 10)),
done AS (
    SELECT e.one, row_number() OVER (PARTITION BY e.one->>'compensated' ORDER BY e.n DESC) AS place
      FROM (SELECT s.out FROM said s WHERE s.kind = 9 ORDER BY s.seq DESC LIMIT 1) AS o
     CROSS JOIN LATERAL jsonb_array_elements(o.out->'executed') WITH ORDINALITY AS e(one, n)
     WHERE e.one->>'compensated' NOT IN ('executed', 'repeated')),
tried AS (
    SELECT t.*, row_number() OVER (PARTITION BY t.result ORDER BY t.seq) AS place
      FROM (SELECT s.seq, 'failed' AS result, s.out->>'code' AS code, s.out->>'message' AS reason
              FROM said s WHERE s.kind = 15 AND s.out->'ok' = 'false'
             UNION ALL
            SELECT s.seq, s.out->>'result', s.out->>'code', s.out->>'message'
              FROM said s WHERE s.kind = 10 AND s.out->>'result' NOT IN ('executed', 'repeated', 'held')
             UNION ALL
            SELECT s.seq, s.name, s.name, 'the approval was ' || s.name
              FROM said s WHERE s.kind = 8 AND s.name <> 'approved') AS t)
SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('action', d.one->>'action',
           'number', (d.one->>'index')::int + 1, 'connector', d.one #>> '{args,connector}', 'key', d.one #>> '{answer,key}',
           'step', t.seq, 'undo', d.one->>'compensated', 'code', t.code, 'reason', t.reason))
           ORDER BY (d.one->>'index')::int), '[]')
  FROM done d LEFT JOIN tried t ON t.result = d.one->>'compensated' AND t.place = d.place
$f$;

-- run_find is changed in its places, as other migrations left it.
DO $do$
DECLARE
    body    text := pg_get_functiondef('run_find'::regproc);
    changes text[] := ARRAY[
        ARRAY[$$IF word = 'stuck' THEN$$,
              $$IF word = 'standing' THEN
        rule := rule || ' AND r.id = ANY (ARRAY(SELECT k.id FROM run_left_standing($1) AS k))';
    ELSIF word = 'stuck' THEN$$],
        ARRAY[$$WHEN word IS NULL OR word = 'stuck' THEN$$, $$WHEN word IS NULL OR word IN ('stuck', 'standing') THEN$$],
        ARRAY[$$word IS DISTINCT FROM 'stuck' AND$$,
              $$word IS DISTINCT FROM 'stuck' AND word IS DISTINCT FROM 'standing' AND$$]];
    change  text[];
BEGIN
    FOREACH change SLICE 1 IN ARRAY changes LOOP
        IF strpos(body, change[1]) = 0 THEN
            RAISE EXCEPTION 'run_find has no "%"', change[1];
        END IF;
        body := replace(body, change[1], change[2]);
    END LOOP;
    EXECUTE body;
END $do$;

-- Dead letters: runs that did not end well, and runs that are over with a message that nobody read.
--   class     what kind of thing stopped it, from its error code:
--               budget      a limit of the manifest, or a cap
--               plan        the plan itself: a mistake in it, or an answer that it did not expect
--               permission  the policy said no
--               books       the books said no, or somebody else was first
--               passing     something was away; another time it may be there
--               version     the journal and the plan do not agree
--               standing    something that it did could not be taken back: somebody must look at it
--               unread      the run is over, and nobody has read the message
--   attempts  runs for the same business that ended like this, up to this one
--   message   what it took last, or has not read
--   revived   the run that goes on for it
CREATE OR REPLACE FUNCTION run_dead_letters(in_tenant int)
RETURNS TABLE (id bigint, agent text, version text, status text, error_code text, error_text text, class text,
               attempts bigint, steps int, business_key text, ended_at timestamptz, revived bigint, input jsonb,
               message jsonb)
LANGUAGE sql STABLE AS $f$
SELECT d.id, d.agent, p.version, d.status, d.error_code, d.error_text,
       CASE WHEN d.unread THEN 'unread'
            WHEN run_stands(in_tenant, d.id) THEN 'standing'
            WHEN d.status = 'diverged' THEN 'version'
            WHEN d.error_code = 'limit' THEN 'budget'
            WHEN d.error_code = 'denied' THEN 'permission'
            WHEN d.error_code IN ('conflict', 'not_found') THEN 'books'
            WHEN d.error_code IN ('unavailable', 'timeout', 'interrupted', 'io') THEN 'passing'
            ELSE 'plan' END,
       (SELECT count(*) FROM run e WHERE e.tenant_id = in_tenant AND e.business_key = d.business_key AND e.id < d.id
           AND e.status IN ('failed', 'compensated', 'diverged')) + 1,
       d.steps, d.business_key, d.changed_at,
       (SELECT v.run_id FROM run_revival v WHERE v.tenant_id = in_tenant AND v.of_run = d.id),
       i.input - 'trace', m.message
  FROM (SELECT r.*, false AS unread FROM run r
         WHERE r.tenant_id = in_tenant AND r.status IN ('failed', 'compensated', 'diverged')
         UNION ALL
        SELECT r.*, true FROM run r
          JOIN (SELECT DISTINCT s.run_id FROM run_signal s
                 WHERE s.tenant_id = in_tenant AND s.consumed_seq IS NULL AND s.name NOT IN ('$cancel', '$budget')) u ON u.run_id = r.id
         WHERE r.tenant_id = in_tenant AND r.status IN ('done', 'cancelled')) d
 CROSS JOIN LATERAL run_given(in_tenant, d.id, d.input) AS i
  LEFT JOIN plan_source p ON p.tenant_id = in_tenant AND p.hash = d.plan_hash
  LEFT JOIN LATERAL (
       SELECT jsonb_build_object('kind', CASE WHEN starts_with(s.name, '$update.') THEN 'update' ELSE 'signal' END,
                  'name', regexp_replace(s.name, '^\$update\.', ''), 'body', s.body, 'sent_by', s.sent_by,
                  'sent_at', s.sent_at, 'step', s.consumed_seq) AS message
         FROM run_signal s
        WHERE s.tenant_id = in_tenant AND s.run_id = d.id AND s.name NOT IN ('$cancel', '$budget')
          AND (s.consumed_seq IS NULL OR NOT d.unread)
        ORDER BY s.consumed_seq DESC NULLS LAST, s.id LIMIT 1) m ON true
$f$;

CREATE OR REPLACE FUNCTION reeve_backlog(most int) RETURNS TABLE (name text, kind text, value bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT 'runs_open', w.kind, count(*)
      FROM (SELECT CASE WHEN r.status = 'waiting' THEN coalesce(r.waiting_on, 'nothing') ELSE 'nothing' END AS kind
              FROM run r WHERE r.status NOT IN ('done','failed','cancelled','compensated','diverged')
             LIMIT most) w
     GROUP BY w.kind
    UNION ALL
    SELECT 'runs_dead', '', count(*)
      FROM (SELECT FROM run r WHERE r.status IN ('failed', 'compensated', 'diverged') LIMIT most) w
    UNION ALL
    SELECT 'runs_standing', '', count(*)
      FROM (SELECT FROM tenant t CROSS JOIN LATERAL run_left_standing(t.tenant_id) LIMIT most) w
    UNION ALL
    SELECT 'approvals_waiting', '', count(*)
      FROM (SELECT FROM approval a WHERE a.status = 'requested' LIMIT most) w
    UNION ALL
    SELECT 'approvals_oldest_seconds', '',
           coalesce(max(extract(epoch FROM clock_timestamp() - w.requested_at)), 0)::bigint
      FROM tenant t
      CROSS JOIN LATERAL (SELECT a.requested_at FROM approval a
                           WHERE a.tenant_id = t.tenant_id AND a.status = 'requested'
                           ORDER BY a.requested_at LIMIT 1) w
    UNION ALL
    SELECT 'exceptions_open', '', count(*)
      FROM (SELECT FROM exception e WHERE e.state = 'open' LIMIT most) w
    UNION ALL
    SELECT 'effects_open', w.state, count(*)
      FROM (SELECT i.state FROM effect_intent i WHERE i.state NOT IN ('done', 'failed') LIMIT most) w
     GROUP BY w.state
    UNION ALL
    SELECT 'hook_deliveries_waiting', '', count(*)
      FROM (SELECT FROM hook_delivery d WHERE d.status = 'pending' LIMIT most) w
    UNION ALL
    SELECT 'hook_deliveries_late_seconds', '',
           greatest(0, extract(epoch FROM clock_timestamp() - min(d.next_at)))::bigint
      FROM hook_delivery d WHERE d.status = 'pending'
    UNION ALL
    SELECT 'schedules_late_seconds', '',
           greatest(0, extract(epoch FROM clock_timestamp() - min(s.due_at)))::bigint
      FROM schedule s WHERE s.status = 'active'
    UNION ALL
    SELECT 'schedules_paused', '', count(*)
      FROM (SELECT FROM schedule s WHERE s.status = 'paused' LIMIT most) w
$$;
