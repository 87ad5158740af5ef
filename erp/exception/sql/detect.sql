-- detect.sql: what there is against what we have raised.

-- name: exception_detect_look
-- args: {types: [..], limit, as_of}.  Runs outside the write transaction, in one snapshot: what to raise
-- (new, closed itself and back, out of its snooze, or open with other evidence), largest money first, and what to close because
-- its cause is gone; at most `limit` of each, in portions of 250: about 200 KiB of event and some
-- milliseconds under the company's lock.  A resolved exception stays resolved.  `seq` is the last event
-- that the snapshot has seen.
-- params: tenant int4, args jsonb
WITH asked AS MATERIALIZED (
    SELECT ($2->>'limit')::int AS most, coalesce(($2->>'as_of')::date, current_date) AS today,
           ARRAY(SELECT jsonb_array_elements_text($2->'types')) AS types
), found AS MATERIALIZED (
    SELECT encode(sha256(convert_to($1 || ':' || d.type || ':' || d.subject || ':' || d.rule_version, 'UTF8')), 'hex') AS key, d.*
      FROM asked a CROSS JOIN LATERAL detect_all($1, a.today, a.types) AS d
), fresh AS MATERIALIZED (
    SELECT f.*, coalesce(x.state = 'open', false) AS renewed, row_number() OVER (ORDER BY f.money DESC NULLS LAST, f.key) - 1 AS place
      FROM asked a CROSS JOIN found f
      LEFT JOIN exception x ON x.tenant_id = $1 AND x.key = decode(f.key, 'hex')
     WHERE x.key IS NULL OR x.state = 'auto_closed' OR (x.state = 'snoozed' AND x.snoozed_until <= a.today)
        OR (x.state = 'open' AND (f.summary, f.evidence, f.money) IS DISTINCT FROM (x.summary, x.evidence, x.money))
), gone AS MATERIALIZED (
    SELECT g.key, row_number() OVER (ORDER BY g.key) - 1 AS place
      FROM (SELECT encode(x.key, 'hex') AS key FROM asked a
              JOIN exception x ON x.tenant_id = $1 AND x.state IN ('open', 'snoozed') AND x.type = ANY (a.types)
            EXCEPT SELECT f.key FROM found f) AS g
), total AS MATERIALIZED (
    SELECT (SELECT count(*) FROM fresh) AS fresh, (SELECT count(*) FROM gone) AS gone,
           (SELECT count(*) FROM found) AS found
)
SELECT jsonb_build_object(
           'today', a.today, 'found', t.found, 'more', t.fresh > a.most OR t.gone > a.most,
           'seq', (SELECT h.event_seq FROM tenant_head h WHERE h.tenant_id = $1),
           'raised', coalesce(r.list, '[]'), 'closed', coalesce(c.list, '[]')) AS portion
  FROM asked a CROSS JOIN total t
 CROSS JOIN LATERAL generate_series(0, greatest(least(greatest(t.fresh, t.gone), a.most) - 1, 0) / 250) AS p(no)
  LEFT JOIN (SELECT f.place / 250 AS no, jsonb_agg(to_jsonb(f) - 'place' ORDER BY f.place) AS list
               FROM asked CROSS JOIN fresh f WHERE f.place < asked.most GROUP BY 1) AS r ON r.no = p.no
  LEFT JOIN (SELECT g.place / 250 AS no, jsonb_agg(g.key ORDER BY g.place) AS list
               FROM asked CROSS JOIN gone g WHERE g.place < asked.most GROUP BY 1) AS c ON c.no = p.no
 ORDER BY p.no;

-- name: exception_detect_load
-- args: {args: as above, look: one portion}.  state: what of it still holds in this transaction.  Not
-- raised: what somebody else has raised, resolved or put off since the look.  Not closed: what is not
-- open any more, or was opened again.  Neither: what was written to since the look (`changed`); the
-- next detection sees it as it is now.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object(
           'raised', r.list, 'closed', c.list, 'changed', r.changed + c.changed,
           'found', u.args#>'{look,found}', 'more', u.args#>'{look,more}',
           'facts', jsonb_build_object('types', u.args#>'{args,types}')) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args)
 CROSS JOIN LATERAL (
       SELECT coalesce(jsonb_agg(s.row ORDER BY s.at) FILTER (WHERE s.fresh AND NOT s.moved), '[]') AS list,
              count(*) FILTER (WHERE s.fresh AND s.moved) AS changed
         FROM (SELECT f.row, f.at,
                      x.key IS NULL OR x.state = 'auto_closed'
                          OR (x.state = 'open' AND (f.row->>'renewed')::boolean)
                          OR (x.state = 'snoozed' AND x.snoozed_until <= (u.args#>>'{look,today}')::date) AS fresh,
                      EXISTS (SELECT FROM event e
                               WHERE e.tenant_id = $1 AND e.stream = f.row->>'resource'
                                 AND e.seq > (u.args#>>'{look,seq}')::bigint) AS moved
                 FROM jsonb_array_elements(u.args#>'{look,raised}') WITH ORDINALITY AS f(row, at)
                 LEFT JOIN exception x ON x.tenant_id = $1 AND x.key = decode(f.row->>'key', 'hex')) AS s) AS r
 CROSS JOIN LATERAL (
       SELECT coalesce(jsonb_agg(s.key ORDER BY s.at) FILTER (WHERE NOT s.moved), '[]') AS list,
              count(*) FILTER (WHERE s.moved) AS changed
         FROM (SELECT g.key, g.at,
                      x.opened_seq / 4096 > (u.args#>>'{look,seq}')::bigint
                          OR EXISTS (SELECT FROM event e
                                      WHERE e.tenant_id = $1 AND e.stream = x.resource
                                        AND e.seq > (u.args#>>'{look,seq}')::bigint) AS moved
                 FROM jsonb_array_elements_text(u.args#>'{look,closed}') WITH ORDINALITY AS g(key, at)
                 JOIN exception x ON x.tenant_id = $1 AND x.key = decode(g.key, 'hex')
                                 AND x.state IN ('open', 'snoozed')) AS s) AS c;
