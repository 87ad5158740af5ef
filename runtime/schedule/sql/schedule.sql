-- schedule.sql: administration by the command line (blocking) and the service's turns.

-- name: schedule_insert
-- No row: the name is taken.
-- params: tenant int4, name text, cron text, zone text, gap text, fold text, overlap text, window int4, jitter int4, action text, input jsonb, next timestamptz, due timestamptz, tzdata text, except text
INSERT INTO schedule (tenant_id, name, cron, zone, gap, fold, overlap, catch_up_window_s, jitter_s,
                      action, input, next_at, due_at, tzdata, except_dates)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, string_to_array($15, ',')::date[])
ON CONFLICT (tenant_id, name) DO NOTHING
RETURNING 1;

-- name: schedule_get
-- params: tenant int4, name text
SELECT name, cron, zone, gap, fold, catch_up_window_s, jitter_s, next_at, last_at,
       array_to_string(except_dates, ','), overlap, paused_until, status
FROM schedule WHERE tenant_id = $1 AND name = $2;

-- name: schedule_set
-- One that had ended or was broken becomes active; one that is paused stays it.
-- params: tenant int4, name text, cron text, zone text, gap text, fold text, overlap text, window int4, jitter int4, except text, next timestamptz, due timestamptz, tzdata text
UPDATE schedule
SET cron = $3, zone = $4, gap = $5, fold = $6, overlap = $7, catch_up_window_s = $8, jitter_s = $9,
    except_dates = string_to_array($10, ',')::date[], next_at = $11, due_at = $12, tzdata = $13,
    reason = CASE WHEN status = 'paused' THEN reason END,
    status = CASE WHEN status = 'paused' THEN status ELSE 'active' END
WHERE tenant_id = $1 AND name = $2
  AND ($11::timestamptz IS NOT NULL OR status = 'paused') -- resumed meanwhile: the caller looks again
RETURNING 1;

-- name: schedule_backfill
-- params: tenant int4, name text, ids int8[], instants timestamptz[]
INSERT INTO schedule_fire (tenant_id, id, schedule, instant, manual, backfill, state, exclusive)
SELECT $1, f.id, s.name, f.instant, true, true, 'waiting', s.overlap <> 'allow'
FROM schedule s, unnest($3::bigint[], $4::timestamptz[]) AS f (id, instant)
WHERE s.tenant_id = $1 AND s.name = $2
ON CONFLICT (tenant_id, schedule, instant) DO NOTHING
RETURNING id;

-- name: schedule_list
-- params: tenant int4
SELECT s.name, s.status, s.cron, s.zone, s.action, s.next_at, s.last_at, s.overlap, s.paused_until,
       s.reason,
       (SELECT count(*) FROM schedule_fire f
        WHERE f.tenant_id = $1 AND f.schedule = s.name AND f.state = 'running') AS running,
       array_to_string(s.except_dates, ',') AS except
FROM schedule s WHERE s.tenant_id = $1 ORDER BY s.name;

-- name: schedule_pause
-- `next` is the first fire after `until`; both NULL: until somebody resumes it.
-- params: tenant int4, name text, until timestamptz, reason text, next timestamptz, due timestamptz, tzdata text
UPDATE schedule SET status = 'paused', paused_until = $3, reason = $4, next_at = $5, due_at = $6, tzdata = $7
WHERE tenant_id = $1 AND name = $2 AND status IN ('active', 'paused')
RETURNING 1;

-- name: schedule_resume
-- Also for one that was broken or had ended; what it missed meanwhile is not caught up.
-- params: tenant int4, name text, next timestamptz, due timestamptz, tzdata text
UPDATE schedule SET status = 'active', paused_until = NULL, reason = NULL, next_at = $3, due_at = $4, tzdata = $5
WHERE tenant_id = $1 AND name = $2 AND status <> 'active'
RETURNING 1;

-- name: schedule_remove
-- params: tenant int4, name text
DELETE FROM schedule WHERE tenant_id = $1 AND name = $2 RETURNING 1;

-- name: schedule_run_now
-- No row: the overlap policy is "skip" and one is waiting or running.
-- params: tenant int4, name text, id int8, now timestamptz
INSERT INTO schedule_fire (tenant_id, id, schedule, instant, manual, state, exclusive)
SELECT $1, $3, s.name, $4, true, 'waiting', s.overlap <> 'allow' FROM schedule s
WHERE s.tenant_id = $1 AND s.name = $2
  AND NOT (s.overlap = 'skip' AND EXISTS (
        SELECT FROM schedule_fire f WHERE f.tenant_id = $1 AND f.schedule = s.name
           AND (f.state = 'running' OR (f.state = 'waiting' AND NOT f.backfill))))
ON CONFLICT (tenant_id, schedule, instant) DO NOTHING
RETURNING 1;

-- name: schedule_work
-- params: now timestamptz, version text
SELECT tenant_id, next_due FROM reeve_schedule_work($1, $2);

-- name: schedule_refresh
-- Pauses that are over end; fires whose node died wait again, or fail when too many died with them.
-- params: tenant int4, now timestamptz, attempts int4
WITH resumed AS (
    UPDATE schedule SET status = 'active', paused_until = NULL, reason = NULL
    WHERE tenant_id = $1 AND status = 'paused' AND paused_until <= $2
)
UPDATE schedule_fire
SET state = CASE WHEN attempt < $3 THEN 'waiting' ELSE 'failed' END,
    reason = CASE WHEN attempt < $3 THEN NULL ELSE 'the node that ran it was lost, every time' END,
    ended_at = CASE WHEN attempt < $3 THEN NULL ELSE clock_timestamp() END
WHERE tenant_id = $1 AND state = 'running' AND lease_until <= clock_timestamp();

-- name: schedule_due
-- Schedules to move on: due ones, and with `version` those computed with another tzdata.
-- params: tenant int4, now timestamptz, version text, limit int4
SELECT name, cron, zone, gap, fold, catch_up_window_s, jitter_s, next_at, last_at,
       array_to_string(except_dates, ',')
FROM schedule
WHERE tenant_id = $1 AND status = 'active' AND (due_at <= $2 OR ($3::text IS NOT NULL AND tzdata <> $3))
ORDER BY due_at, name LIMIT $4;

-- name: schedule_claim
-- Moves a schedule from the expected next fire to the following one and records the fires between.
-- No row: another node was quicker.  Fires older than 30 days are forgotten on the way.
-- params: tenant int4, name text, expected timestamptz, next timestamptz, due timestamptz, tzdata text, last timestamptz, ids int8[], instants timestamptz[], states text[], reasons text[]
WITH moved AS (
    UPDATE schedule
    SET next_at = $4, due_at = $5, tzdata = $6, last_at = coalesce($7, last_at),
        status = CASE WHEN $4::timestamptz IS NULL THEN 'ended' ELSE status END
    WHERE tenant_id = $1 AND name = $2 AND status = 'active' AND next_at = $3
    RETURNING name, overlap
), made AS (
    INSERT INTO schedule_fire (tenant_id, id, schedule, instant, state, exclusive, reason, ended_at)
    SELECT $1, f.id, m.name, f.instant, f.state, m.overlap <> 'allow', f.reason,
           CASE WHEN f.state = 'skipped' THEN clock_timestamp() END
    FROM moved m, unnest($8::bigint[], $9::timestamptz[], $10::text[], $11::text[])
         AS f (id, instant, state, reason)
    ON CONFLICT (tenant_id, schedule, instant) DO NOTHING
), forgotten AS (
    DELETE FROM schedule_fire f USING moved m
    WHERE f.tenant_id = $1 AND f.schedule = m.name AND f.state IN ('done', 'failed', 'skipped')
      AND f.instant < $3::timestamptz - interval '30 days'
)
SELECT name FROM moved;

-- name: schedule_break
-- It cannot be computed any more (its zone is gone): a person must look at it.
-- params: tenant int4, name text, reason text
UPDATE schedule SET status = 'broken', reason = $3, next_at = NULL, due_at = NULL
WHERE tenant_id = $1 AND name = $2 AND status = 'active';

-- name: schedule_start
-- Applies the overlap policy to what waits: oldest first, an interrupted one before all.  "skip" runs
-- one and skips the rest, "buffer_one" keeps one waiting behind the running one, "allow" runs all.
-- What is filled in afterwards comes last and waits its turn, whatever the policy.
-- params: tenant int4, limit int4, lease_ms int8
WITH candidate AS (
    SELECT f.id, f.schedule, f.instant, s.overlap, s.action, s.input,
           row_number() OVER (PARTITION BY f.schedule
               ORDER BY f.attempt > 0 DESC, f.backfill, f.attempt DESC, f.instant, f.id) AS place,
           f.backfill,
           EXISTS (SELECT FROM schedule_fire r WHERE r.tenant_id = $1 AND r.schedule = f.schedule
                      AND r.state = 'running') AS busy
    FROM schedule_fire f JOIN schedule s ON s.tenant_id = f.tenant_id AND s.name = f.schedule
    WHERE f.tenant_id = $1 AND f.state = 'waiting' AND (f.manual OR s.status <> 'paused')
), chosen AS (
    SELECT id FROM candidate WHERE overlap = 'allow' OR (place = 1 AND NOT busy)
    ORDER BY instant, id LIMIT $2
), skipped AS (
    UPDATE schedule_fire f SET state = 'skipped', ended_at = clock_timestamp(),
           reason = 'the one before still runs (overlap ' || c.overlap || ')'
    FROM candidate c
    WHERE f.tenant_id = $1 AND f.id = c.id AND f.state = 'waiting' AND NOT c.backfill
      AND ((c.overlap = 'skip' AND (c.busy OR c.place > 1))
           OR (c.overlap = 'buffer_one' AND c.place > CASE WHEN c.busy THEN 1 ELSE 2 END))
), started AS (
    UPDATE schedule_fire f
    SET state = 'running', attempt = f.attempt + 1, started_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => $3 / 1000.0)
    FROM chosen WHERE f.tenant_id = $1 AND f.id = chosen.id AND f.state = 'waiting'
    RETURNING f.id, f.attempt
)
SELECT t.id, t.attempt, c.schedule, c.action, c.input, c.instant
FROM started t JOIN candidate c ON c.id = t.id ORDER BY c.instant, t.id;

-- name: schedule_beat
-- Keeps this node's running fires.
-- params: tenant int4, ids int8[], lease_ms int8
UPDATE schedule_fire SET lease_until = clock_timestamp() + make_interval(secs => $3 / 1000.0)
WHERE tenant_id = $1 AND id = ANY ($2) AND state = 'running';

-- name: schedule_done
-- params: tenant int4, id int8, attempt int4, state text, reason text
UPDATE schedule_fire SET state = $4, reason = $5, ended_at = clock_timestamp(), lease_until = NULL
WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND state = 'running';
