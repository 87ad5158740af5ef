-- calendar.sql: business calendars of a company, by the command line.

-- name: calendar_get
-- params: tenant int4, name text
SELECT c.name, c.weekend,
       (SELECT string_agg(d.day::text, ',') FROM calendar_day d WHERE d.tenant_id = $1 AND d.calendar = c.name)
FROM calendar c WHERE c.tenant_id = $1 AND c.name = $2;

-- name: calendar_list
-- params: tenant int4
SELECT c.name, c.weekend, count(d.day), min(d.day), max(d.day),
       (SELECT count(*) FROM schedule s WHERE s.tenant_id = $1 AND s.calendar = c.name)
FROM calendar c LEFT JOIN calendar_day d ON d.tenant_id = c.tenant_id AND d.calendar = c.name
WHERE c.tenant_id = $1 GROUP BY c.name, c.weekend ORDER BY c.name;

-- name: calendar_days
-- params: tenant int4, name text
SELECT day, label FROM calendar_day WHERE tenant_id = $1 AND calendar = $2 ORDER BY day;

-- name: calendar_insert
-- No row: the name is taken.
-- params: tenant int4, name text, weekend int4
INSERT INTO calendar (tenant_id, name, weekend) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, name) DO NOTHING RETURNING 1;

-- name: calendar_set
-- Puts days in (a day that is there gets the new label) and takes days out; the schedules that use the
-- calendar are computed anew by the service.  No row: there is no such calendar.
-- params: tenant int4, name text, weekend int4, days date[], labels text[], gone date[]
WITH changed AS (
    UPDATE calendar SET weekend = coalesce($3, weekend) WHERE tenant_id = $1 AND name = $2 RETURNING name
), put AS (
    INSERT INTO calendar_day (tenant_id, calendar, day, label)
    SELECT $1, c.name, d.day, d.label FROM changed c, unnest($4::date[], $5::text[]) AS d (day, label)
    ON CONFLICT (tenant_id, calendar, day) DO UPDATE SET label = excluded.label
), taken AS (
    DELETE FROM calendar_day d USING changed c
    WHERE d.tenant_id = $1 AND d.calendar = c.name AND d.day = ANY ($6)
), stale AS (
    UPDATE schedule s SET tzdata = '' FROM changed c
    WHERE s.tenant_id = $1 AND s.calendar = c.name
)
SELECT 1 FROM changed;

-- name: calendar_put
-- The whole calendar as it shall be: makes it where there is none, and takes out the days that are not
-- named.  The schedules that use it are computed anew by the service.
-- params: tenant int4, name text, weekend int4, days date[], labels text[]
WITH put AS (
    INSERT INTO calendar (tenant_id, name, weekend) VALUES ($1, $2, $3)
    ON CONFLICT (tenant_id, name) DO UPDATE SET weekend = excluded.weekend
    RETURNING name, xmax = 0 AS created
), days AS (
    INSERT INTO calendar_day (tenant_id, calendar, day, label)
    SELECT $1, p.name, d.day, d.label FROM put p, unnest($4::date[], $5::text[]) AS d (day, label)
    ON CONFLICT (tenant_id, calendar, day) DO UPDATE SET label = excluded.label
), taken AS (
    DELETE FROM calendar_day d USING put p
    WHERE d.tenant_id = $1 AND d.calendar = p.name AND d.day <> ALL ($4::date[])
), stale AS (
    UPDATE schedule s SET tzdata = '' FROM put p WHERE s.tenant_id = $1 AND s.calendar = p.name
)
SELECT created FROM put;

-- name: calendar_remove
-- No row: there is none, or a schedule has it (now or in the history of its expressions).
-- params: tenant int4, name text
DELETE FROM calendar c WHERE c.tenant_id = $1 AND c.name = $2
  AND NOT EXISTS (SELECT FROM schedule s WHERE s.tenant_id = $1 AND s.calendar = c.name)
  AND NOT EXISTS (SELECT FROM schedule_rule r WHERE r.tenant_id = $1 AND r.calendar = c.name)
RETURNING 1;
