-- detect.sql: what there is against what we have raised.

-- name: exception_detect_load
-- args: {types: [..], limit, as_of}.  state: what to raise (new, closed itself and back, or out of its
-- snooze), largest money first, and what to close because its cause is gone; at most `limit` of each,
-- with the totals.  A resolved exception stays resolved.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, s.state
  FROM (SELECT x.unit, (x.args->>'limit')::int AS most,
               coalesce((x.args->>'as_of')::date, current_date) AS today,
               ARRAY(SELECT jsonb_array_elements_text(x.args->'types')) AS types
          FROM unnest($2::int4[], $3::jsonb[]) AS x(unit, args)) AS u
 CROSS JOIN LATERAL (
       WITH found AS MATERIALIZED (
           SELECT encode(sha256(convert_to($1 || ':' || d.type || ':' || d.subject || ':' || d.rule_version, 'UTF8')), 'hex') AS key, d.*
             FROM detect_all($1, u.today, u.types) AS d
       ), fresh AS MATERIALIZED (
           SELECT f.*, row_number() OVER (ORDER BY f.money DESC NULLS LAST, f.key) AS place
             FROM found f
             LEFT JOIN exception x ON x.tenant_id = $1 AND x.key = decode(f.key, 'hex')
            WHERE x.key IS NULL OR x.state = 'auto_closed' OR (x.state = 'snoozed' AND x.snoozed_until <= u.today)
       ), gone AS MATERIALIZED (
           SELECT g.key, row_number() OVER (ORDER BY g.key) AS place
             FROM (SELECT encode(x.key, 'hex') AS key FROM exception x
                    WHERE x.tenant_id = $1 AND x.state IN ('open', 'snoozed') AND x.type = ANY (u.types)
                   EXCEPT SELECT f.key FROM found f) AS g
       )
       SELECT jsonb_build_object(
                  'raised', coalesce((SELECT jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.place)
                                        FROM fresh r WHERE r.place <= u.most), '[]'),
                  'raise_total', (SELECT count(*) FROM fresh),
                  'closed', coalesce((SELECT jsonb_agg(c.key ORDER BY c.place)
                                        FROM gone c WHERE c.place <= u.most), '[]'),
                  'close_total', (SELECT count(*) FROM gone),
                  'found', (SELECT count(*) FROM found),
                  'facts', jsonb_build_object('types', to_jsonb(u.types))) AS state) AS s;
