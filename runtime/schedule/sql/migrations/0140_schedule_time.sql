-- 0140_schedule_time: business calendars, six overlap policies, a third policy for gaps, the history of
-- expressions, backfill with a rate, pauses after failures, a cap on catching up.

CREATE TABLE calendar (
    tenant_id int NOT NULL,
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    weekend int NOT NULL CHECK (weekend BETWEEN 0 AND 126), -- bit n: weekday n is free, Sunday is 0
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, name)
);
CREATE TABLE calendar_day (
    tenant_id int NOT NULL, calendar text NOT NULL, day date NOT NULL,
    label text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, calendar, day),
    FOREIGN KEY (tenant_id, calendar) REFERENCES calendar ON DELETE CASCADE
);

-- "shift" was the name of what is "boundary" now; "allow" that of "allow_all".
ALTER TABLE schedule DROP CONSTRAINT schedule_gap_check;
ALTER TABLE schedule DROP CONSTRAINT schedule_overlap_check;
UPDATE schedule SET gap = 'boundary' WHERE gap = 'shift';
UPDATE schedule SET overlap = 'allow_all' WHERE overlap = 'allow';
ALTER TABLE schedule
    ADD CONSTRAINT schedule_gap_check CHECK (gap IN ('boundary', 'shift', 'skip')),
    ADD CONSTRAINT schedule_overlap_check CHECK (overlap IN ('skip', 'buffer_one', 'buffer_all',
        'cancel_other', 'terminate_other', 'allow_all')),
    ADD COLUMN calendar text,
    ADD COLUMN catch_up_max int NOT NULL DEFAULT 1000 CHECK (catch_up_max > 0),
    ADD COLUMN pause_after int NOT NULL DEFAULT 0 CHECK (pause_after >= 0), -- failures in a row; 0 never
    ADD COLUMN failures int NOT NULL DEFAULT 0,                             -- in a row, so far
    ADD COLUMN backfill_at timestamptz, -- not before this may the next fire of a backfill with a rate start
    ADD FOREIGN KEY (tenant_id, calendar) REFERENCES calendar;

-- `tzdata` '' says that next_at must be computed anew: the calendar was changed.
CREATE INDEX schedule_stale ON schedule (tenant_id) WHERE status = 'active' AND tzdata = '';
CREATE INDEX schedule_turn ON schedule (tenant_id, due_at) WHERE status = 'active';
CREATE INDEX schedule_backfill ON schedule (backfill_at) WHERE backfill_at IS NOT NULL;

-- Which expression held from when on: what is filled in afterwards uses the one of that time.
CREATE TABLE schedule_rule (
    tenant_id int NOT NULL, schedule text NOT NULL, valid_from timestamptz NOT NULL,
    cron text NOT NULL, zone text NOT NULL, gap text NOT NULL, fold text NOT NULL,
    except_dates date[] NOT NULL, calendar text,
    PRIMARY KEY (tenant_id, schedule, valid_from),
    FOREIGN KEY (tenant_id, schedule) REFERENCES schedule ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, calendar) REFERENCES calendar
);
INSERT INTO schedule_rule (tenant_id, schedule, valid_from, cron, zone, gap, fold, except_dates)
SELECT tenant_id, name, created_at, cron, zone, gap, fold, except_dates FROM schedule;

ALTER TABLE schedule_fire DROP CONSTRAINT schedule_fire_state_check;
ALTER TABLE schedule_fire
    ADD CONSTRAINT schedule_fire_state_check CHECK (state IN ('waiting', 'running', 'done', 'failed',
        'skipped', 'cancelled', 'terminated')),
    ADD COLUMN overlap text,                        -- of a backfill: its own policy
    ADD COLUMN gap_ms int,                          -- ... and the time between two starts
    ADD COLUMN stop boolean NOT NULL DEFAULT false; -- it was asked to stop

DROP INDEX schedule_fire_running;
CREATE INDEX schedule_fire_running ON schedule_fire (tenant_id, lease_until) WHERE state = 'running';

-- Counts failures in a row; too many pause the schedule.
CREATE FUNCTION reeve_schedule_strike(of_tenant int, of_schedule text, failed int, succeeded boolean,
                                      why text) RETURNS void
LANGUAGE sql VOLATILE AS
$$
    UPDATE schedule s
    SET failures = n.failures,
        status = CASE WHEN n.too_many THEN 'paused' ELSE s.status END,
        paused_until = CASE WHEN n.too_many THEN NULL ELSE s.paused_until END,
        next_at = CASE WHEN n.too_many THEN NULL ELSE s.next_at END,
        due_at = CASE WHEN n.too_many THEN NULL ELSE s.due_at END,
        reason = CASE WHEN n.too_many THEN
            format('%s failures in a row; the last: %s', n.failures, coalesce(why, 'no reason given'))
            ELSE s.reason END
    FROM (SELECT o.name, o.total AS failures,
                 o.pause_after > 0 AND o.total >= o.pause_after AND o.status = 'active' AS too_many
          FROM (SELECT name, pause_after, status,
                       CASE WHEN succeeded THEN 0 ELSE failures END + failed AS total
                FROM schedule WHERE tenant_id = of_tenant AND name = of_schedule FOR UPDATE) o) n
    WHERE s.tenant_id = of_tenant AND s.name = n.name
$$;

-- Which tenants have something to do at `look_at`; tenant 0 carries the time of the next fire.
-- `version` not NULL: also those whose fires were computed with another tzdata.
CREATE OR REPLACE FUNCTION reeve_schedule_work(look_at timestamptz, version text)
RETURNS TABLE (tenant_id int, next_due timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT w.tenant_id, NULL::timestamptz FROM (
        SELECT s.tenant_id FROM schedule s WHERE s.status = 'active' AND s.due_at <= look_at
        UNION SELECT s.tenant_id FROM schedule s WHERE s.status = 'paused' AND s.paused_until <= look_at
        UNION SELECT s.tenant_id FROM schedule s WHERE s.status = 'active' AND s.tzdata = ''
        UNION SELECT s.tenant_id FROM schedule s
              WHERE version IS NOT NULL AND s.status = 'active' AND s.tzdata <> version
        UNION SELECT f.tenant_id FROM schedule_fire f WHERE f.state = 'waiting'
        UNION SELECT f.tenant_id FROM schedule_fire f
              WHERE f.state = 'running' AND f.lease_until <= clock_timestamp()) w
    UNION ALL
    SELECT 0, least((SELECT min(s.due_at) FROM schedule s WHERE s.status = 'active' AND s.due_at > look_at),
                    (SELECT min(s.backfill_at) FROM schedule s WHERE s.backfill_at > look_at))
$$;
