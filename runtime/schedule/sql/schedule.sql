-- schedule.sql: administration by the command line (blocking) and the service's turns.

-- name: schedule_insert
-- No row: the name is taken.
-- params: tenant int4, name text, cron text, zone text, gap text, fold text, overlap text, window int4, jitter int4, action text, input jsonb, next timestamptz, due timestamptz, tzdata text, except text, now timestamptz, most int4, pause_after int4, calendar text
WITH made AS (
    INSERT INTO schedule (tenant_id, name, cron, zone, gap, fold, overlap, catch_up_window_s, jitter_s,
                          action, input, next_at, due_at, tzdata, except_dates, catch_up_max, pause_after,
                          calendar)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, string_to_array($15, ',')::date[],
            $17, $18, $19)
    ON CONFLICT (tenant_id, name) DO NOTHING
    RETURNING tenant_id, name
)
INSERT INTO schedule_rule (tenant_id, schedule, valid_from, cron, zone, gap, fold, except_dates, calendar)
SELECT tenant_id, name, $16, $3, $4, $5, $6, string_to_array($15, ',')::date[], $19 FROM made
RETURNING 1;

-- name: schedule_get
-- Columns 0 to 11 are those of schedule_due.
-- params: tenant int4, name text
SELECT s.name, s.cron, s.zone, s.gap, s.fold, s.catch_up_window_s, s.jitter_s, s.next_at, s.last_at,
       array_to_string(s.except_dates, ','), s.catch_up_max, s.calendar,
       s.overlap, s.paused_until, s.status, s.pause_after, c.weekend,
       (SELECT string_agg(d.day::text, ',') FROM calendar_day d
        WHERE d.tenant_id = $1 AND d.calendar = s.calendar) AS holidays, s.action
FROM schedule s LEFT JOIN calendar c ON c.tenant_id = s.tenant_id AND c.name = s.calendar
WHERE s.tenant_id = $1 AND s.name = $2;

-- name: schedule_set
-- One that had ended or was broken becomes active; one that is paused stays it.  What was due stays due, unless what
-- decides about times changes; then the history of expressions grows.
-- params: tenant int4, name text, cron text, zone text, gap text, fold text, overlap text, window int4, jitter int4, except text, next timestamptz, due timestamptz, tzdata text, now timestamptz, most int4, pause_after int4, calendar text, action text, input jsonb
WITH changed AS (
    UPDATE schedule s
    SET cron = $3, zone = $4, gap = $5, fold = $6, overlap = $7, catch_up_window_s = $8, jitter_s = $9,
        except_dates = string_to_array($10, ',')::date[],
        next_at = CASE WHEN same.times THEN s.next_at ELSE $11 END,
        due_at = CASE WHEN same.times THEN s.next_at + ($12 - $11::timestamptz) ELSE $12 END,
        tzdata = CASE WHEN same.times THEN s.tzdata ELSE $13 END,
        catch_up_max = $15, pause_after = $16, calendar = $17, action = coalesce($18, action), input = coalesce($19, input),
        reason = CASE WHEN status = 'paused' THEN reason END,
        status = CASE WHEN status = 'paused' THEN status ELSE 'active' END
    FROM (SELECT o.status = 'active' AND o.next_at IS NOT NULL
                 AND (o.cron, o.zone, o.gap, o.fold, o.except_dates, o.calendar)
                     IS NOT DISTINCT FROM ($3, $4, $5, $6, string_to_array($10, ',')::date[], $17) AS times
            FROM schedule o WHERE o.tenant_id = $1 AND o.name = $2) same
    WHERE s.tenant_id = $1 AND s.name = $2
      AND ($11::timestamptz IS NOT NULL OR s.status = 'paused') -- resumed meanwhile: the caller looks again
    RETURNING s.name
), ruled AS (
    INSERT INTO schedule_rule (tenant_id, schedule, valid_from, cron, zone, gap, fold, except_dates, calendar)
    SELECT $1, old.name,
           greatest($14, (SELECT max(r.valid_from) + interval '1 microsecond' FROM schedule_rule r
                          WHERE r.tenant_id = $1 AND r.schedule = old.name)),
           $3, $4, $5, $6, string_to_array($10, ',')::date[], $17
    FROM changed JOIN schedule old ON old.tenant_id = $1 AND old.name = changed.name -- as it was before
    WHERE (old.cron, old.zone, old.gap, old.fold, old.except_dates, old.calendar)
          IS DISTINCT FROM ($3, $4, $5, $6, string_to_array($10, ',')::date[], $17)
)
SELECT 1 FROM changed;

-- name: schedule_rules
-- The history of expressions, oldest first.
-- params: tenant int4, name text
SELECT r.valid_from, r.cron, r.zone, r.gap, r.fold, array_to_string(r.except_dates, ','), r.calendar,
       c.weekend,
       (SELECT string_agg(d.day::text, ',') FROM calendar_day d
        WHERE d.tenant_id = $1 AND d.calendar = r.calendar), s.forgotten_to
FROM schedule_rule r JOIN schedule s ON s.tenant_id = r.tenant_id AND s.name = r.schedule LEFT JOIN calendar c ON c.tenant_id = r.tenant_id AND c.name = r.calendar
WHERE r.tenant_id = $1 AND r.schedule = $2 ORDER BY r.valid_from;

-- name: schedule_backfill
-- params: tenant int4, name text, overlap text, gap_ms int4, ids int8[], instants timestamptz[]
INSERT INTO schedule_fire (tenant_id, id, schedule, instant, manual, backfill, state, exclusive, overlap, gap_ms)
SELECT $1, f.id, s.name, f.instant, true, true, 'waiting', $3 <> 'allow_all', $3, $4
FROM schedule s, unnest($5::bigint[], $6::timestamptz[]) AS f (id, instant)
WHERE s.tenant_id = $1 AND s.name = $2
ON CONFLICT (tenant_id, schedule, instant) DO NOTHING
RETURNING id;

-- name: schedule_list
-- params: tenant int4, name text
SELECT s.name, s.status, s.cron, s.zone, s.action, s.next_at, s.last_at, s.overlap, s.paused_until,
       s.paused_by, s.reason,
       (SELECT count(*) FROM schedule_fire f
        WHERE f.tenant_id = $1 AND f.schedule = s.name AND f.state = 'running') AS running,
       array_to_string(s.except_dates, ',') AS except, s.calendar, s.gap, s.fold, s.catch_up_window_s,
       s.catch_up_max, s.jitter_s, s.pause_after, s.failures, s.due_at,
       (SELECT count(*) FROM schedule_fire f
        WHERE f.tenant_id = $1 AND f.schedule = s.name AND f.state = 'waiting') AS waiting,
       l.state AS last_outcome, l.reason AS last_reason, l.instant AS last_instant, l.ended_at AS last_ended,
       s.input
FROM schedule s LEFT JOIN LATERAL (
    SELECT f.state, f.reason, f.instant, f.ended_at FROM schedule_fire f
    WHERE f.tenant_id = $1 AND f.schedule = s.name AND f.state NOT IN ('waiting', 'running')
    ORDER BY f.instant DESC LIMIT 1) l ON true
WHERE s.tenant_id = $1 AND ($2::text IS NULL OR s.name = $2) ORDER BY s.name;

-- name: schedule_last_fires
-- The newest first; also those that wait or run.
-- params: tenant int4, name text, limit int4
SELECT instant, state, manual, backfill, attempt, reason, started_at, ended_at FROM schedule_fire
WHERE tenant_id = $1 AND schedule = $2 ORDER BY instant DESC LIMIT $3;

-- name: schedule_unrecorded
-- Which of these instants have no fire yet.
-- params: tenant int4, name text, instants timestamptz[]
SELECT i.at FROM unnest($3::timestamptz[]) AS i (at)
WHERE NOT EXISTS (SELECT FROM schedule_fire f WHERE f.tenant_id = $1 AND f.schedule = $2 AND f.instant = i.at)
ORDER BY i.at;

-- name: schedule_agent
-- params: tenant int4, name text
SELECT 1 FROM agent a WHERE a.tenant_id = $1 AND a.name = $2 AND a.enabled AND a.active_hash IS NOT NULL;

-- name: schedule_company_zone
-- params: tenant int4
SELECT coalesce(t.company->>'timezone', 'UTC') FROM tenant t WHERE t.tenant_id = $1;

-- name: schedule_fire_known
-- Whether somebody asked for this very fire before.
-- params: tenant int4, name text, id int8
SELECT 1 FROM schedule_fire WHERE tenant_id = $1 AND schedule = $2 AND id = $3;

-- name: schedule_pause
-- `next` is the first fire at `until` or later; both NULL: until somebody resumes it.
-- params: tenant int4, name text, until timestamptz, reason text, next timestamptz, due timestamptz, tzdata text, person text
UPDATE schedule SET status = 'paused', paused_until = $3, reason = $4, next_at = $5, due_at = $6, tzdata = $7,
       paused_by = $8
WHERE tenant_id = $1 AND name = $2 AND status IN ('active', 'paused')
RETURNING 1;

-- name: schedule_resume
-- Also for one that was broken or had ended; what it missed meanwhile is not caught up.
-- params: tenant int4, name text, next timestamptz, due timestamptz, tzdata text
UPDATE schedule SET status = 'active', paused_until = NULL, paused_by = NULL, reason = NULL, next_at = $3,
       due_at = $4, tzdata = $5, failures = 0
WHERE tenant_id = $1 AND name = $2 AND status <> 'active'
RETURNING 1;

-- name: schedule_remove
-- Gives how many of its fires run: they go on, and nobody counts them any more.
-- params: tenant int4, name text
WITH gone AS (DELETE FROM schedule WHERE tenant_id = $1 AND name = $2 RETURNING name)
SELECT (SELECT count(*) FROM schedule_fire f
        WHERE f.tenant_id = $1 AND f.schedule = gone.name AND f.state = 'running') FROM gone;

-- name: schedule_run_now
-- No row: the overlap policy is "skip" and one is waiting or running.
-- params: tenant int4, name text, id int8, now timestamptz
INSERT INTO schedule_fire (tenant_id, id, schedule, instant, manual, state, exclusive)
SELECT $1, $3, s.name, $4, true, 'waiting', s.overlap <> 'allow_all' FROM schedule s
WHERE s.tenant_id = $1 AND s.name = $2
  AND NOT (s.overlap = 'skip' AND EXISTS (
        SELECT FROM schedule_fire f WHERE f.tenant_id = $1 AND f.schedule = s.name
           AND (f.state = 'running' OR (f.state = 'waiting' AND NOT f.backfill))))
ON CONFLICT DO NOTHING -- the same instant, or the same id again
RETURNING 1;

-- ---- the service's turns ----

-- name: schedule_work
-- params: now timestamptz, version text
SELECT tenant_id, next_due, clock_timestamp() FROM reeve_schedule_work($1, $2);

-- name: schedule_refresh
-- Fires whose node died wait again; too often, they are over when they were asked to stop, and what a terminated one
-- began is not told any more.  One that has begun its run only watches it, which takes no node down.  Gives the company's calendars, how many
-- fires took a node down once too often (schedule_lost), and how many pauses are over (schedule_rested).
-- params: tenant int4, now timestamptz, attempts int4
WITH lost AS MATERIALIZED (
    SELECT f.id, f.state, f.stop, x.losses, x.losses < $3 AS again
      FROM schedule_fire f CROSS JOIN LATERAL (
           SELECT f.losses + CASE WHEN EXISTS (SELECT FROM run r WHERE r.tenant_id = $1 AND r.id = f.id) THEN 0 ELSE 1 END
                  AS losses) x
     WHERE f.tenant_id = $1 AND f.state IN ('running', 'terminated') AND f.lease_until <= clock_timestamp()
), again AS (
    UPDATE schedule_fire f
    SET state = CASE WHEN l.again THEN 'waiting' ELSE 'cancelled' END,
        reason = CASE WHEN NOT l.again THEN 'its node was lost while it was asked to stop' END,
        ended_at = CASE WHEN NOT l.again THEN clock_timestamp() END,
        lease_until = NULL, losses = l.losses
    FROM lost l
    WHERE f.tenant_id = $1 AND f.id = l.id AND l.state = 'running' AND (l.again OR f.stop)
), given_up AS (
    UPDATE schedule_fire f SET lease_until = NULL
    FROM lost l WHERE f.tenant_id = $1 AND f.id = l.id AND l.state = 'terminated' AND NOT l.again
)
SELECT c.name, c.weekend,
       (SELECT string_agg(d.day::text, ',') FROM calendar_day d WHERE d.tenant_id = $1 AND d.calendar = c.name),
       x.lost, (SELECT count(*) FROM schedule s WHERE s.tenant_id = $1 AND s.status = 'paused' AND s.paused_until <= $2)
FROM (SELECT count(*) AS lost FROM lost l WHERE l.state = 'running' AND NOT l.stop AND NOT l.again) x
LEFT JOIN calendar c ON c.tenant_id = $1;

-- name: schedule_lost
-- Fires whose node died with them too often have failed.  Gives the schedules that rest now, and why.
-- params: tenant int4, attempts int4
WITH lost AS (
    UPDATE schedule_fire
    SET state = 'failed', reason = 'the node that ran it was lost, every time', ended_at = clock_timestamp(),
        lease_until = NULL
    WHERE tenant_id = $1 AND state = 'running' AND lease_until <= clock_timestamp() AND NOT stop
      AND losses >= $2 - 1 AND NOT EXISTS (SELECT FROM run r WHERE r.tenant_id = $1 AND r.id = schedule_fire.id)
    RETURNING schedule, reason
), struck AS (
    SELECT l.schedule, reeve_schedule_strike($1, l.schedule, count(*)::int, false, max(l.reason)) AS reason
    FROM lost l GROUP BY l.schedule
)
SELECT schedule, reason FROM struck WHERE reason IS NOT NULL ORDER BY schedule;

-- name: schedule_rested
-- Pauses whose time is over end.  Gives the schedules that go on, and why.
-- params: tenant int4, now timestamptz
WITH over AS (
    SELECT name, paused_until FROM schedule
    WHERE tenant_id = $1 AND status = 'paused' AND paused_until <= $2 FOR UPDATE
), resumed AS (
    UPDATE schedule s SET status = 'active', paused_until = NULL, paused_by = NULL, reason = NULL, failures = 0
    FROM over o WHERE s.tenant_id = $1 AND s.name = o.name
)
SELECT name, 'it was paused until ' || to_char(paused_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM over ORDER BY name;

-- name: schedule_due
-- Schedules to move on: due ones, those whose calendar changed, and with `version` those computed with
-- another tzdata.
-- params: tenant int4, now timestamptz, version text, limit int4
WITH due AS (
    (SELECT * FROM schedule
     WHERE tenant_id = $1 AND status = 'active' AND due_at <= $2 ORDER BY due_at LIMIT $4)
    UNION ALL
    (SELECT * FROM schedule
     WHERE tenant_id = $1 AND status = 'active' AND tzdata = '' AND due_at > $2 LIMIT $4)
    UNION ALL
    (SELECT * FROM schedule
     WHERE $3::text IS NOT NULL AND tenant_id = $1 AND status = 'active' AND tzdata <> $3 AND tzdata <> ''
       AND due_at > $2 LIMIT $4)
)
SELECT name, cron, zone, gap, fold, catch_up_window_s, jitter_s, next_at, last_at,
       array_to_string(except_dates, ','), catch_up_max, calendar, action, input
FROM due LIMIT $4;

-- name: schedule_claim
-- Moves schedules from the expected next fire to the following one and records the fires between.  A
-- fire that comes alone (`alone`) while no other of its schedule waits or runs starts in the same breath:
-- it is given back; the others wait for schedule_start.  A schedule that was moved meanwhile was moved by
-- another node.  Fires older than 30 days are forgotten on the way, but those that somebody filled in.
-- params: tenant int4, tzdata text, names text[], expected timestamptz[], nexts timestamptz[], dues timestamptz[], lasts timestamptz[], fires text[], ids int8[], instants timestamptz[], states text[], reasons text[], alone bool[], lease_ms int8
WITH moved AS (
    UPDATE schedule s
    SET next_at = w.next_at, due_at = w.due_at, tzdata = $2, last_at = coalesce(w.last_at, s.last_at),
        status = CASE WHEN w.next_at IS NULL THEN 'ended' ELSE s.status END,
        forgotten_to = greatest(s.forgotten_to, (
            SELECT max(f.instant) FROM schedule_fire f
             WHERE f.tenant_id = $1 AND f.schedule = s.name AND f.state NOT IN ('waiting', 'running') AND NOT f.backfill
               AND f.instant < w.expected - interval '30 days'))
    FROM unnest($3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
        AS w (name, expected, next_at, due_at, last_at)
    WHERE s.tenant_id = $1 AND s.name = w.name AND s.status = 'active' AND s.next_at = w.expected
    RETURNING s.name, s.overlap, w.expected
), fire AS MATERIALIZED (
    SELECT f.*, m.overlap, f.alone AND NOT (f.name IN (
               SELECT r.schedule FROM schedule_fire r WHERE r.tenant_id = $1 AND r.state = 'waiting'
               UNION ALL
               SELECT r.schedule FROM schedule_fire r WHERE r.tenant_id = $1 AND r.state = 'running')) AS starts
    FROM moved m JOIN unnest($8::text[], $9::bigint[], $10::timestamptz[], $11::text[], $12::text[], $13::bool[])
         AS f (name, id, instant, state, reason, alone) ON f.name = m.name
), made AS (
    INSERT INTO schedule_fire (tenant_id, id, schedule, instant, state, exclusive, reason, ended_at, attempt,
                               started_at, lease_until)
    SELECT $1, id, name, instant, CASE WHEN starts THEN 'running' ELSE state END, overlap <> 'allow_all', reason,
           CASE WHEN state = 'skipped' THEN clock_timestamp() END, CASE WHEN starts THEN 1 ELSE 0 END,
           CASE WHEN starts THEN clock_timestamp() END,
           CASE WHEN starts THEN clock_timestamp() + make_interval(secs => $14 / 1000.0) END
    FROM fire
    ON CONFLICT (tenant_id, schedule, instant) DO NOTHING
    RETURNING id, state
), forgotten AS (
    DELETE FROM schedule_fire f USING moved m
    WHERE f.tenant_id = $1 AND f.schedule = m.name AND f.state NOT IN ('waiting', 'running') AND NOT f.backfill
      AND f.instant < m.expected - interval '30 days'
)
SELECT id FROM made WHERE state = 'running';

-- name: schedule_break
-- It cannot be computed any more (its zone is gone): a person must look at it.
-- params: tenant int4, name text, reason text
UPDATE schedule SET status = 'broken', reason = $3, next_at = NULL, due_at = NULL
WHERE tenant_id = $1 AND name = $2 AND status = 'active';

-- name: schedule_start
-- Applies the overlap policies to what waits (README.md, "Overlap").  `place` is the turn within the
-- schedule: what is regular before what is filled in afterwards, of each what was interrupted first, then
-- the oldest.  `newer` counts the regular ones that became due later.  Of a backfill with a rate only the
-- first may start, not before its time; what is regular waits for one that runs, whatever its policy skips.  One that was interrupted starts again before a later one takes its
-- place, whatever the policy: what it began must be told to stop.  Gives what starts, what starts only to hear
-- that it shall stop, and what runs and is to stop: cancelled ones are asked, terminated ones are over.  A terminated
-- one keeps its lease until what it began is over: where that runs out, its node has not told it.
-- Sets of fires are asked for with "(x IN (...)) IS TRUE", which is a hash table whatever the statistics say: thousands may wait where none did a second ago.
-- params: tenant int4, limit int4, lease_ms int8, now timestamptz, buffer int4
WITH candidate AS MATERIALIZED (
    SELECT f.id, f.schedule, f.instant, f.backfill, f.gap_ms, coalesce(f.overlap, s.overlap) AS overlap,
           row_number() OVER (PARTITION BY f.schedule
               ORDER BY f.backfill, f.attempt > 0 DESC, f.instant, f.id) AS place,
           first_value(f.attempt > 0) OVER (PARTITION BY f.schedule
               ORDER BY f.backfill, f.attempt > 0 DESC, f.instant, f.id) AS interrupted,
           count(*) OVER (PARTITION BY f.schedule, f.backfill ORDER BY f.instant DESC, f.id DESC) - 1 AS newer,
           row_number() OVER (PARTITION BY f.schedule, f.gap_ms IS NULL ORDER BY f.instant, f.id) AS rated,
           coalesce(s.backfill_at, '-infinity') <= $4 AS in_time,
           f.schedule IN (SELECT r.schedule FROM schedule_fire r
                          WHERE r.tenant_id = $1 AND r.state = 'running') AS busy,
           f.schedule IN (SELECT r.schedule FROM schedule_fire r
                          WHERE r.tenant_id = $1 AND r.state = 'running' AND NOT r.backfill) AS busy_regular
    FROM schedule_fire f JOIN schedule s ON s.tenant_id = f.tenant_id AND s.name = f.schedule
    WHERE f.tenant_id = $1 AND f.state = 'waiting' AND (f.manual OR f.attempt > 0 OR s.status <> 'paused')
), judged AS MATERIALIZED (
    SELECT c.*, CASE
        WHEN c.gap_ms IS NOT NULL AND (c.rated > 1 OR NOT c.in_time) THEN 'wait'
        WHEN c.overlap = 'allow_all' THEN 'start'
        WHEN c.overlap IN ('cancel_other', 'terminate_other') AND c.interrupted AND NOT c.busy THEN
            CASE WHEN c.place = 1 THEN 'start' WHEN c.newer > 0 THEN 'replaced' ELSE 'wait' END
        WHEN c.overlap = 'cancel_other' THEN
            CASE WHEN c.newer > 0 THEN 'replaced' WHEN c.busy THEN 'cancel' ELSE 'start' END
        WHEN c.overlap = 'terminate_other' THEN CASE WHEN c.newer > 0 THEN 'replaced' ELSE 'start' END
        WHEN c.place = 1 AND NOT c.busy THEN 'start'
        WHEN c.overlap = 'skip' THEN CASE WHEN c.place = 1 AND NOT c.backfill AND NOT c.busy_regular THEN 'wait' ELSE 'skip' END
        WHEN c.overlap = 'buffer_one' AND c.place > CASE WHEN c.busy THEN 1 ELSE 2 END THEN 'skip'
        WHEN c.overlap = 'buffer_all' AND NOT c.backfill AND c.place > $5 THEN 'full'
        ELSE 'wait' END AS verdict
    FROM candidate c
), chosen AS MATERIALIZED (
    SELECT id, schedule, overlap FROM judged WHERE verdict = 'start' ORDER BY instant, id LIMIT $2
), skipped AS (
    UPDATE schedule_fire f SET state = 'skipped', ended_at = clock_timestamp(),
           reason = CASE
               WHEN f.id IN (SELECT j.id FROM judged j WHERE j.verdict = 'replaced')
                   THEN 'a later one took its place'
               WHEN f.id IN (SELECT j.id FROM judged j WHERE j.verdict = 'full') THEN 'too many wait already'
               ELSE 'the one before still runs' END
               || ' (overlap ' || coalesce(f.overlap, s.overlap) || ')'
    FROM schedule s
    WHERE f.tenant_id = $1 AND f.state = 'waiting' AND s.tenant_id = $1 AND s.name = f.schedule
      AND (f.id IN (SELECT j.id FROM judged j WHERE j.verdict IN ('replaced', 'skip', 'full'))) IS TRUE
), asked AS (
    UPDATE schedule_fire f SET stop = true
    WHERE f.tenant_id = $1 AND f.state = 'running' AND NOT f.stop
      AND (f.schedule IN (SELECT j.schedule FROM judged j WHERE j.verdict = 'cancel')) IS TRUE
    RETURNING f.id, f.attempt, f.schedule
), ended AS (
    UPDATE schedule_fire f SET state = 'terminated', ended_at = clock_timestamp(),
           reason = 'the next one was due (overlap terminate_other)'
    WHERE f.tenant_id = $1 AND f.state = 'running'
      AND (f.schedule IN (SELECT c.schedule FROM chosen c WHERE c.overlap = 'terminate_other')) IS TRUE
    RETURNING f.id, f.attempt, f.schedule
), started AS (
    UPDATE schedule_fire f
    SET state = 'running', attempt = f.attempt + 1, started_at = clock_timestamp(),
        exclusive = coalesce(f.overlap, s.overlap) <> 'allow_all',
        lease_until = clock_timestamp() + make_interval(secs => $3 / 1000.0)
    FROM schedule s
    WHERE f.tenant_id = $1 AND f.state = 'waiting' AND s.tenant_id = $1 AND s.name = f.schedule
      AND (f.id IN (SELECT c.id FROM chosen c)) IS TRUE
      AND (SELECT count(*) FROM ended) >= 0 -- those that make room are over first
    RETURNING f.id, f.attempt, f.schedule, s.action, s.input, f.instant, f.gap_ms, f.stop
), untold AS (
    UPDATE schedule_fire f
    SET attempt = f.attempt + 1, lease_until = clock_timestamp() + make_interval(secs => $3 / 1000.0),
        losses = f.losses + CASE WHEN EXISTS (SELECT FROM run r WHERE r.tenant_id = $1 AND r.id = f.id) THEN 0 ELSE 1 END
    FROM schedule s
    WHERE f.tenant_id = $1 AND s.tenant_id = $1 AND s.name = f.schedule
      AND (f.id IN (SELECT u.id FROM schedule_fire u
                     WHERE u.tenant_id = $1 AND u.state = 'terminated' AND u.lease_until <= clock_timestamp()
                     ORDER BY u.id LIMIT $2)) IS TRUE
    RETURNING f.id, f.attempt, f.schedule, s.action, s.input, f.instant
), paced AS (
    UPDATE schedule s SET backfill_at = $4 + make_interval(secs => t.gap_ms / 1000.0)
    FROM started t WHERE s.tenant_id = $1 AND s.name = t.schedule AND t.gap_ms IS NOT NULL
)
SELECT CASE WHEN stop THEN 'stop' ELSE 'start' END AS what, id, attempt, schedule, action, input, instant FROM started
UNION ALL SELECT 'tell', id, attempt, schedule, action, input, instant FROM untold
UNION ALL SELECT 'cancel', id, attempt, schedule, NULL, NULL, NULL FROM asked
UNION ALL SELECT 'terminate', id, attempt, schedule, NULL, NULL, NULL FROM ended
ORDER BY instant NULLS FIRST, id;

-- name: schedule_beat
-- Keeps this node's running fires; gives those that are its own no more, or are to stop.  `what`: cancel and
-- terminate as in schedule_start, removed with the schedule, or lost: the lease ran out, and it is another's or
-- waits for one.  `over`: it is recorded so.  A fire that changes at this very moment is told of with the next beat.
-- Here and in schedule_done "IS TRUE" keeps the index of what runs away: on a table that was empty a second
-- ago it looks shorter than the key, and every fire would be looked for among all that run.
-- params: tenant int4, ids int8[], attempts int4[], lease_ms int8
WITH kept AS (
    UPDATE schedule_fire f SET lease_until = clock_timestamp() + make_interval(secs => $4 / 1000.0)
    FROM unnest($2::bigint[], $3::int[]) AS m (id, attempt)
    WHERE f.tenant_id = $1 AND f.id = m.id AND f.attempt = m.attempt
      AND (f.state = 'running' OR (f.state = 'terminated' AND f.lease_until IS NOT NULL)) IS TRUE
    RETURNING f.id, f.stop, f.state
), told AS (
    SELECT m.id, m.attempt, k.id IS NULL AS over,
           CASE WHEN k.state = 'terminated' THEN 'terminate' WHEN k.id IS NOT NULL THEN 'cancel' ELSE coalesce((
               SELECT CASE WHEN f.attempt <> m.attempt THEN 'lost'
                           WHEN f.state = 'running' THEN 'changing'
                           WHEN f.state = 'terminated' THEN 'terminate'
                           WHEN f.stop THEN 'cancel'
                           ELSE 'lost' END
               FROM schedule_fire f WHERE f.tenant_id = $1 AND f.id = m.id), 'removed') END AS what
    FROM unnest($2::bigint[], $3::int[]) AS m (id, attempt) LEFT JOIN kept k ON k.id = m.id
    WHERE k.id IS NULL OR k.stop OR k.state = 'terminated'
)
SELECT id, attempt, what, over FROM told WHERE what <> 'changing';

-- name: schedule_release
-- This node ends in order: another one may have its fires now, and tell what a terminated one began.
-- params: tenant int4, ids int8[], attempts int4[]
UPDATE schedule_fire f
SET lease_until = CASE WHEN f.state = 'terminated' THEN clock_timestamp() END,
    state = CASE WHEN f.state = 'terminated' THEN f.state ELSE 'waiting' END
FROM unnest($2::bigint[], $3::int[]) AS m (id, attempt)
WHERE f.tenant_id = $1 AND f.id = m.id AND f.attempt = m.attempt
  AND (f.state = 'running' OR (f.state = 'terminated' AND f.lease_until IS NOT NULL)) IS TRUE;

-- name: schedule_done
-- Of a terminated fire nothing counts any more; what it began is over.  Gives the schedules that rest now, and why; none
-- unless one of these fires failed.
-- params: tenant int4, ids int8[], attempts int4[], states text[], reasons text[]
WITH over AS (
    UPDATE schedule_fire f SET state = e.state, reason = e.reason, ended_at = clock_timestamp(), lease_until = NULL
    FROM unnest($2::bigint[], $3::int[], $4::text[], $5::text[]) AS e (id, attempt, state, reason)
    WHERE f.tenant_id = $1 AND f.id = e.id AND f.attempt = e.attempt AND (f.state = 'running') IS TRUE
    RETURNING f.schedule, f.state, f.reason
), told AS (
    UPDATE schedule_fire f SET lease_until = NULL
    FROM unnest($2::bigint[], $3::int[]) AS e (id, attempt)
    WHERE f.tenant_id = $1 AND f.id = e.id AND f.attempt = e.attempt AND (f.state = 'terminated') IS TRUE
), tally AS (
    SELECT schedule, count(*) FILTER (WHERE state = 'failed')::int AS failed, bool_or(state = 'done') AS succeeded,
           max(reason) FILTER (WHERE state = 'failed') AS why
    FROM over WHERE state IN ('done', 'failed') GROUP BY schedule
), struck AS (
    SELECT t.schedule, reeve_schedule_strike($1, t.schedule, t.failed, t.succeeded, t.why) AS reason
    FROM tally t JOIN schedule s ON s.tenant_id = $1 AND s.name = t.schedule
    WHERE t.failed > 0 OR s.failures > 0
)
SELECT schedule, reason FROM struck WHERE reason IS NOT NULL ORDER BY schedule;
