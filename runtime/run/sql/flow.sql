-- flow.sql: slots and tokens, see runtime/run/flow.h.  All of it under the head of the company.

-- name: run_flow_put
-- Runs that were just begun and whose input says what they must have: they wait, and are looked at now.  One that waits
-- for its key comes here when it gets that (run_claim_pass).
-- params: tenant int4, run int8[]
WITH begun AS MATERIALIZED (
    SELECT r.id, i.input->'flow'->'keys' AS keys, (extract(epoch FROM r.created_at) * 1000000)::bigint
                     - (i.input->'flow'->>'ahead_s')::bigint * 1000000 AS turn
      FROM unnest($2::int8[]) AS e(run) JOIN run r ON r.tenant_id = $1 AND r.id = e.run
     CROSS JOIN LATERAL run_given($1, r.id, r.input) AS i),
places AS (
    INSERT INTO run_flow (tenant_id, run_id, place, key, most, seconds, turn)
    SELECT $1, b.id, k.n, k.rule->>'key', (k.rule->>'most')::int, (k.rule->>'seconds')::int, b.turn
      FROM begun b CROSS JOIN LATERAL jsonb_array_elements(b.keys) WITH ORDINALITY AS k(rule, n))
UPDATE run x SET status = 'waiting', waiting_on = 'slot', wake_at = clock_timestamp()
  FROM begun b
 WHERE x.tenant_id = $1 AND x.id = b.id AND NOT (x.status = 'waiting' AND x.waiting_on IS NOT DISTINCT FROM 'lock');

-- name: run_flow_end
-- Runs that are over, or stopped before they began: what they had is free, but for tokens that count from their beginning,
-- and who comes next for a key that they had or waited for is looked at.  After the moves of a pass in the same
-- transaction, which has not seen that they are over.
-- params: tenant int4, run int8[]
WITH gone AS (
    DELETE FROM run_flow f USING unnest($2::int8[]) AS e(run)
     WHERE f.tenant_id = $1 AND f.run_id = e.run AND f.until IS NULL
    RETURNING f.key)
UPDATE run x SET wake_at = clock_timestamp()
  FROM (SELECT DISTINCT n.run_id
          FROM (SELECT DISTINCT g.key FROM gone g) AS k
         CROSS JOIN LATERAL (SELECT w.run_id FROM run_flow w
                              WHERE w.tenant_id = $1 AND w.key = k.key AND w.waits AND w.run_id <> ALL ($2::int8[])
                              ORDER BY w.turn, w.run_id LIMIT 1) AS n) AS next
 WHERE x.tenant_id = $1 AND x.id = next.run_id AND x.status = 'waiting';

-- name: run_flow_look
-- What a pass decides about: the runs that are to be looked at, at most `marked` of them, and for each key that one of
-- them comes to next the first `line` that wait for it, all in their turn; and how each of their keys stands.
--   nested  started, not handed over to, by an open run that has a slot
--   stops   it was asked to, and never begins
--   used    places that are taken;  back_us: when the first of its tokens comes back
--   next    the first that waits for the key and is none of these runs
-- params: tenant int4, unit int4[], args jsonb[]
WITH RECURSIVE clock AS MATERIALIZED (SELECT clock_timestamp() AS now),
limits AS MATERIALIZED (
    SELECT max((x->>'marked')::int) AS marked, max((x->>'line')::int) AS line FROM unnest($3::jsonb[]) AS x),
marked AS MATERIALIZED (
    SELECT r.id FROM run r
     WHERE r.tenant_id = $1 AND r.status = 'waiting' AND r.wake_at <= (SELECT now FROM clock)
       AND r.waiting_on IN ('slot', 'rate')
     ORDER BY r.wake_at, r.id LIMIT (SELECT marked FROM limits)),
asked AS MATERIALIZED (
    SELECT DISTINCT n.key
      FROM marked m
     CROSS JOIN LATERAL (SELECT f.key FROM run_flow f
                          WHERE f.tenant_id = $1 AND f.run_id = m.id AND NOT f.holds ORDER BY f.place LIMIT 1) AS n),
moved AS MATERIALIZED (
    SELECT m.id FROM marked m
     UNION
    SELECT w.run_id
      FROM asked a
     CROSS JOIN LATERAL (SELECT f.run_id FROM run_flow f
                          WHERE f.tenant_id = $1 AND f.key = a.key AND f.waits
                          ORDER BY f.turn, f.run_id LIMIT (SELECT line FROM limits)) AS w),
above AS (
    SELECT r.id, p.id AS up, p.parent, 1 AS n
      FROM moved m JOIN run r ON r.tenant_id = $1 AND r.id = m.id AND r.close IS DISTINCT FROM 'handoff'
      JOIN run p ON p.tenant_id = $1 AND p.id = r.parent
     UNION ALL
    SELECT a.id, p.id, p.parent, a.n + 1
      FROM above a JOIN run p ON p.tenant_id = $1 AND p.id = a.parent
     WHERE a.n < 64),
rules AS MATERIALIZED (
    SELECT m.id, f.* FROM moved m LEFT JOIN run_flow f ON f.tenant_id = $1 AND f.run_id = m.id)
SELECT u.unit, jsonb_build_object(
    'now_us', (SELECT (extract(epoch FROM now) * 1000000)::bigint FROM clock),
    'runs', (SELECT coalesce(jsonb_agg(x.run ORDER BY x.turn, x.id), '[]')
               FROM (SELECT f.id, min(f.turn) AS turn, jsonb_build_object(
                          'run', f.id, 'turn', min(f.turn),
                          'nested', EXISTS (SELECT FROM above a
                                              JOIN run_flow h ON h.tenant_id = $1 AND h.run_id = a.up AND h.holds
                                                             AND h.seconds IS NULL
                                             WHERE a.id = f.id),
                          'stops', EXISTS (SELECT FROM run_signal s WHERE s.tenant_id = $1 AND s.run_id = f.id
                                                                      AND s.name = '$cancel'),
                          'keys', coalesce(jsonb_agg(jsonb_build_object('place', f.place, 'key', f.key, 'most', f.most,
                                      'seconds', f.seconds, 'holds', f.holds) ORDER BY f.place)
                                  FILTER (WHERE f.key IS NOT NULL), '[]')) AS run
                       FROM rules f GROUP BY f.id) AS x),
    'keys', (SELECT coalesce(jsonb_object_agg(k.key, jsonb_build_object(
                        'used', s.used, 'back_us', (extract(epoch FROM s.back) * 1000000)::bigint, 'next', n.next)), '{}')
               FROM (SELECT DISTINCT f.key FROM rules f WHERE f.key IS NOT NULL) AS k
              CROSS JOIN LATERAL (SELECT count(*) AS used, min(h.until) AS back
                                    FROM run_flow h
                                   WHERE h.tenant_id = $1 AND h.key = k.key AND h.holds
                                     AND (h.until IS NULL OR h.until > (SELECT now FROM clock))) AS s
               LEFT JOIN LATERAL (SELECT jsonb_build_object('run', w.run_id, 'turn', w.turn, 'most', w.most,
                                             'place', w.place) AS next
                                    FROM run_flow w
                                   WHERE w.tenant_id = $1 AND w.key = k.key AND w.waits
                                     AND NOT EXISTS (SELECT FROM moved m WHERE m.id = w.run_id)
                                   ORDER BY w.turn, w.run_id LIMIT 1) AS n ON true))
  FROM unnest($2::int4[]) AS u(unit);

-- name: run_flow_take
-- Places that runs have got.  Tokens that have come back are forgotten on the way.
-- params: tenant int4, run int8[], place int4[], until timestamptz[]
WITH back AS (
    DELETE FROM run_flow f WHERE f.tenant_id = $1 AND f.until <= clock_timestamp())
UPDATE run_flow f SET holds = true, waits = false, until = r.until
  FROM unnest($2::int8[], $3::int4[], $4::timestamptz[]) AS r(run, place, until)
 WHERE f.tenant_id = $1 AND f.run_id = r.run AND f.place = r.place;

-- name: run_flow_move
-- What each of these runs waits for now, and when it is looked at again; nothing: it begins, where its journal ends.
-- One that waits for no place any more (it was asked to stop, in the same transaction) keeps what it has.
-- params: tenant int4, run int8[], waiting_on text[], place int4[], wake_at timestamptz[]
WITH moved AS MATERIALIZED (
    SELECT * FROM unnest($2::int8[], $3::text[], $4::int4[], $5::timestamptz[]) AS r(run, waiting_on, place, wake_at)),
places AS (
    UPDATE run_flow f SET waits = NOT f.waits
      FROM moved m
     WHERE f.tenant_id = $1 AND f.run_id = m.run AND f.waits <> (m.waiting_on IS NOT NULL AND f.place = m.place))
UPDATE run x
   SET status = CASE WHEN m.waiting_on IS NOT NULL THEN 'waiting' WHEN x.steps = 0 THEN 'created'
                     WHEN EXISTS (SELECT FROM journal j WHERE j.tenant_id = $1 AND j.run_id = x.id AND j.kind = 6)
                     THEN 'executing' ELSE 'planning' END,
       waiting_on = m.waiting_on, wake_at = m.wake_at,
       changed_at = CASE WHEN m.waiting_on IS NULL THEN clock_timestamp() ELSE x.changed_at END
  FROM moved m
 WHERE x.tenant_id = $1 AND x.id = m.run AND x.status = 'waiting' AND x.waiting_on IN ('slot', 'rate');
