-- name: golden_offsets
-- What PostgreSQL's clock shows at instants, as seconds east of UTC.
-- params: zone text, instants int8[]
SELECT i, extract(epoch FROM to_timestamp(i) AT TIME ZONE $1)::bigint - i FROM unnest($2::bigint[]) AS i;

-- name: golden_walls
-- The instant PostgreSQL gives to a wall time.
-- params: zone text, walls int8[]
SELECT w, extract(epoch FROM (timestamp '1970-01-01' + w * interval '1 second') AT TIME ZONE $1)::bigint
FROM unnest($2::bigint[]) AS w;

-- name: golden_set_offsets
-- The same for names that are abbreviations where AT TIME ZONE reads them ("EST"): the setting TimeZone
-- takes them as zones.
-- params: zone text, instants int8[]
SELECT x.i, extract(epoch FROM to_timestamp(x.i)::timestamp)::bigint - x.i
FROM (SELECT set_config('TimeZone', $1, true) AS zone OFFSET 0) s,
     LATERAL (SELECT i FROM unnest($2::bigint[]) AS i WHERE s.zone IS NOT NULL OFFSET 0) x;

-- name: golden_set_walls
-- params: zone text, walls int8[]
SELECT x.w, extract(epoch FROM (timestamp '1970-01-01' + x.w * interval '1 second')::timestamptz)::bigint
FROM (SELECT set_config('TimeZone', $1, true) AS zone OFFSET 0) s,
     LATERAL (SELECT w FROM unnest($2::bigint[]) AS w WHERE s.zone IS NOT NULL OFFSET 0) x;

-- name: golden_daily
-- The instants of one time of day on all days of 2000 to 2037, boiled down: how many, their sum, and a sum
-- that depends on their order.
-- params: zone text, minute int4
SELECT count(*), sum(e)::bigint, (sum(e % 1000003 * n) % 1000000007)::bigint
FROM (SELECT e, row_number() OVER (ORDER BY e) AS n
      FROM (SELECT DISTINCT extract(epoch FROM (d + make_interval(mins => $2)) AT TIME ZONE $1)::bigint AS e
            FROM generate_series(timestamp '2000-01-01', '2037-12-31', '1 day') AS d) x) y;

-- name: golden_names
SELECT name FROM pg_timezone_names ORDER BY name;

-- name: golden_fire_counts
-- One text such as "done=2 skipped=1", in the order of the words.
-- params: tenant int4, name text
SELECT coalesce(string_agg(state || '=' || n, ' ' ORDER BY state), '')
FROM (SELECT state, count(*) AS n FROM schedule_fire WHERE tenant_id = $1 AND schedule = $2
      GROUP BY state) x;

-- name: golden_schedule
-- The last one: how many records say that it came to rest by itself, in the transaction that paused it, or that it goes
-- on by itself.
-- params: tenant int4, name text
SELECT s.status, s.next_at, s.last_at, s.tzdata, s.due_at, s.reason,
       (SELECT count(*) FROM audit_record a
        WHERE a.tenant_id = $1 AND a.kind = 'admin' AND a.body::jsonb->>'what' = 'schedule.pause' AND a.xmin = s.xmin
          AND a.body::jsonb->>'person' = 'system:schedule' AND s.paused_by = 'system:schedule'
          AND a.body::jsonb->>'name' = s.name AND a.body::jsonb->>'reason' = s.reason)
       + (SELECT count(*) FROM audit_record a
           WHERE a.tenant_id = $1 AND a.kind = 'admin' AND a.body::jsonb->>'what' = 'schedule.resume' AND s.status = 'active'
             AND a.body::jsonb->>'person' = 'system:schedule' AND a.body::jsonb->>'name' = s.name)
FROM schedule s WHERE s.tenant_id = $1 AND s.name = $2;

-- name: golden_old_tzdata
-- As if an older tzdata had computed another next fire.
-- params: tenant int4, name text, next timestamptz
UPDATE schedule SET tzdata = '1999z', next_at = $3, due_at = $3 WHERE tenant_id = $1 AND name = $2;

-- name: golden_unknown_zone
-- params: tenant int4, name text
UPDATE schedule SET zone = 'Europe/Atlantis' WHERE tenant_id = $1 AND name = $2;

-- name: golden_instants
-- Days and times of all fires, in UTC: "02 05:30,03 05:30".
-- params: tenant int4, name text
SELECT string_agg(to_char(instant AT TIME ZONE 'UTC', 'DD HH24:MI'), ',' ORDER BY instant)
FROM schedule_fire WHERE tenant_id = $1 AND schedule = $2;
