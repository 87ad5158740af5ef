-- 0050_schedule: what runs when, and every fire that was ever due.
--
-- `next_at` is the instant the pattern names; `due_at` adds the schedule's own share of jitter.  A
-- node takes a fire by moving `next_at` on; (schedule, instant) is unique, so one instant fires once.

CREATE TABLE schedule (
    tenant_id int NOT NULL,
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'ended', 'broken')),
    cron text NOT NULL, zone text NOT NULL,
    gap text NOT NULL CHECK (gap IN ('shift', 'skip')),
    fold text NOT NULL CHECK (fold IN ('first', 'last', 'both')),
    overlap text NOT NULL CHECK (overlap IN ('skip', 'buffer_one', 'allow')),
    catch_up_window_s int NOT NULL CHECK (catch_up_window_s > 0),
    jitter_s int NOT NULL CHECK (jitter_s >= 0),
    action text NOT NULL, input jsonb NOT NULL,
    paused_until timestamptz,             -- NULL while paused: until somebody resumes it
    reason text,                          -- why it is paused or broken
    next_at timestamptz, due_at timestamptz, last_at timestamptz,
    tzdata text NOT NULL,                 -- the version that next_at was computed with
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, name),
    CHECK (status <> 'active' OR next_at IS NOT NULL),
    CHECK ((next_at IS NULL) = (due_at IS NULL))
);
CREATE INDEX schedule_due ON schedule (due_at) WHERE status = 'active';
CREATE INDEX schedule_pause ON schedule (paused_until) WHERE status = 'paused';

CREATE TABLE schedule_fire (
    tenant_id int NOT NULL, id bigint NOT NULL,
    schedule text NOT NULL, instant timestamptz NOT NULL,
    manual boolean NOT NULL DEFAULT false, -- somebody asked for it
    state text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'skipped')),
    exclusive boolean NOT NULL,            -- not beside another one of its schedule
    attempt int NOT NULL DEFAULT 0,        -- more than 1: a node died with it
    reason text,                           -- why it was skipped or failed
    lease_until timestamptz, started_at timestamptz, ended_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, schedule, instant),
    FOREIGN KEY (tenant_id, schedule) REFERENCES schedule ON DELETE CASCADE
);
-- The last word on overlap, whatever two nodes do at the same moment.
CREATE UNIQUE INDEX schedule_fire_alone ON schedule_fire (tenant_id, schedule)
    WHERE state = 'running' AND exclusive;
CREATE INDEX schedule_fire_waiting ON schedule_fire (tenant_id) WHERE state = 'waiting';
CREATE INDEX schedule_fire_running ON schedule_fire (lease_until) WHERE state = 'running';

-- Which tenants have something to do at `look_at`; tenant 0 carries the time of the next fire.
-- `version` not NULL: also those whose fires were computed with another tzdata.
CREATE FUNCTION reeve_schedule_work(look_at timestamptz, version text)
RETURNS TABLE (tenant_id int, next_due timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT w.tenant_id, NULL::timestamptz FROM (
        SELECT s.tenant_id FROM schedule s WHERE s.status = 'active' AND s.due_at <= look_at
        UNION SELECT s.tenant_id FROM schedule s WHERE s.status = 'paused' AND s.paused_until <= look_at
        UNION SELECT s.tenant_id FROM schedule s
              WHERE version IS NOT NULL AND s.status = 'active' AND s.tzdata <> version
        UNION SELECT f.tenant_id FROM schedule_fire f WHERE f.state = 'waiting'
        UNION SELECT f.tenant_id FROM schedule_fire f
              WHERE f.state = 'running' AND f.lease_until <= clock_timestamp()) w
    UNION ALL
    SELECT 0, min(s.due_at) FROM schedule s WHERE s.status = 'active' AND s.due_at > look_at
$$;
