-- name: golden_offsets
-- What PostgreSQL's clock shows at instants, as seconds east of UTC.
-- params: zone text, instants int8[]
SELECT i, extract(epoch FROM to_timestamp(i) AT TIME ZONE $1)::bigint - i FROM unnest($2::bigint[]) AS i;

-- name: golden_walls
-- The instant PostgreSQL gives to a wall time.
-- params: zone text, walls int8[]
SELECT w, extract(epoch FROM (timestamp '1970-01-01' + w * interval '1 second') AT TIME ZONE $1)::bigint
FROM unnest($2::bigint[]) AS w;

-- name: golden_names
SELECT name FROM pg_timezone_names ORDER BY name;

-- name: golden_fire_counts
-- One text such as "done=2 skipped=1", in the order of the words.
-- params: tenant int4, name text
SELECT coalesce(string_agg(state || '=' || n, ' ' ORDER BY state), '')
FROM (SELECT state, count(*) AS n FROM schedule_fire WHERE tenant_id = $1 AND schedule = $2
      GROUP BY state) x;

-- name: golden_schedule
-- params: tenant int4, name text
SELECT status, next_at, last_at, tzdata, due_at FROM schedule WHERE tenant_id = $1 AND name = $2;

-- name: golden_old_tzdata
-- As if an older tzdata had computed another next fire.
-- params: tenant int4, name text, next timestamptz
UPDATE schedule SET tzdata = '1999z', next_at = $3, due_at = $3 WHERE tenant_id = $1 AND name = $2;

-- name: golden_unknown_zone
-- params: tenant int4, name text
UPDATE schedule SET zone = 'Europe/Atlantis' WHERE tenant_id = $1 AND name = $2;
