-- run.sql: what the orchestrator and the run store read.

-- name: run_images
-- Runs ready to be resumed, in one snapshot.  what 1: a run and its owner; 2: a plan, once however many of the
-- runs have it; 3: an entry of a journal, from the newest checkpoint (kind 20) on: what lies before it nobody
-- needs to go on; of each at most the first `limit`.  (A bound written as coalesce((SELECT ..), 0) is not looked for in
-- the index: row-level security takes it for something that could leak, and all that lies before is read.)  The last
-- column: how many seconds the company's clock is ahead of UTC.
-- params: tenant int4, run int8[], limit int4
WITH asked AS MATERIALIZED (
    SELECT r.* FROM unnest($2::int8[]) AS q(id) JOIN run r ON r.tenant_id = $1 AND r.id = q.id)
SELECT 1 AS what, r.id, r.depth::bigint, h.epoch, r.status, r.agent, coalesce(a.owner, 'operator'), r.plan_hash,
       NULL::bytea, i.input, i.budget, r.created_at, coalesce(r.parent, 0), clock_timestamp(),
       (SELECT extract(epoch FROM (now() AT TIME ZONE coalesce(t.company->>'timezone', 'UTC')) - (now() AT TIME ZONE 'UTC'))
          FROM tenant t WHERE t.tenant_id = $1)::bigint
  FROM asked r
  CROSS JOIN LATERAL run_given($1, r.id, r.input) AS i
  JOIN tenant_head h ON h.tenant_id = $1
  LEFT JOIN agent a ON a.tenant_id = $1 AND a.name = r.agent
 UNION ALL
SELECT 2, 0, 0, 0, p.source, NULL, NULL, p.hash, NULL, NULL, NULL, NULL, 0, NULL, 0
  FROM plan_source p
 WHERE p.tenant_id = $1 AND p.hash IN (SELECT r.plan_hash FROM asked r)
 UNION ALL
SELECT 3, r.id, j.seq, j.kind, j.name, NULL, NULL, j.digest,
       CASE WHEN get_byte(j.out, 0) = 2 THEN reeve_journal_out($1, j.out) ELSE j.out END, NULL, NULL, NULL, 0,
       NULL, 0
  FROM asked r
 CROSS JOIN LATERAL (
       SELECT x.seq, x.kind, x.name, x.digest, x.out FROM journal x
        WHERE x.tenant_id = $1 AND x.run_id = r.id
          AND x.seq >= (SELECT coalesce(max(c.seq), 0) FROM journal c
                         WHERE c.tenant_id = $1 AND c.run_id = r.id AND c.kind = 20)
        ORDER BY x.seq LIMIT $3) AS j;

-- name: run_image_page
-- What comes after entry `after` of one journal, from its newest checkpoint on: at most `limit` entries of together
-- not much more than `bytes`; the last one says whether there may be more.  And how the run stands now: what was read
-- of it before may be of another time.
-- params: tenant int4, run int8, after int4, limit int4, bytes int8
SELECT p.seq, p.kind, p.name, p.digest, CASE WHEN p.large IS NOT NULL THEN reeve_journal_out($1, p.out) ELSE p.out END,
       r.status, r.plan_hash, p.n = $4 OR p.upto >= $5
  FROM (SELECT s.*, row_number() OVER w AS n, sum(coalesce(s.large, length(s.out))) OVER w AS upto
          FROM (SELECT x.seq, x.kind, x.name, x.digest, x.out,
                       CASE WHEN get_byte(x.out, 0) = 2
                            THEN (SELECT b.size FROM blob b WHERE b.tenant_id = $1 AND b.hash = substr(x.out, 2, 32)) END AS large
                  FROM journal x
                 WHERE x.tenant_id = $1 AND x.run_id = $2 AND x.seq > $3
                   AND x.seq >= (SELECT coalesce(max(c.seq), 0) FROM journal c
                                  WHERE c.tenant_id = $1 AND c.run_id = $2 AND c.kind = 20)
                 ORDER BY x.seq LIMIT $4) AS s
        WINDOW w AS (ORDER BY s.seq)) AS p
  JOIN run r ON r.tenant_id = $1 AND r.id = $2
 WHERE p.upto - coalesce(p.large, length(p.out)) < $5
 ORDER BY p.seq;

-- name: company_look
-- All that a company's orchestrator asks the database, at once.
--   what 1  a run that could move now: an active one numbered above `after`
--        2  a waiting one whose time has come: its timer fired, or its approval was answered, its signal sent, its
--           child over (whoever does that sets wake_at), or it has got the key of a run that has `ended`
--        3  an open run that somebody asked to stop, and that is not stopping already (then it has a reason)
--        4  an approval whose time has come, or whose run is one of those that have `ended`, or which is about the key
--           of one of those
--        5  id: how many requests of people have been granted and not executed
--        6  id: grows whenever a detection raised something or found new evidence (only with `watch`)
--        7  id: milliseconds until one of the above has its time, within the next hour
--        8  id: how many audit records no checkpoint covers yet
--        9  as 2, and somebody waits for it: a person has just answered its approval, sent its
--           signal or said what became of its effect
--       10  a waiting one that may find a place to begin (flow.h)
--       11  id: the company's epoch
-- Each branch has its own index and its own limit, so that neither a backlog nor parked runs are read through; the
-- time is asked once, as an index can be asked about it only then.
-- params: tenant int4, limit int4, after int8, watch bool, ended int8[]
WITH now AS MATERIALIZED (SELECT clock_timestamp() AS at)
(SELECT 1 AS what, r.id, '' AS reason FROM run r
  WHERE r.tenant_id = $1 AND r.id > $3
    AND r.status IN ('created', 'planning', 'executing', 'reviewing', 'compensating')
  ORDER BY r.id LIMIT $2)
 UNION ALL
(SELECT CASE WHEN r.waiting_on IN ('slot', 'rate') THEN 10
             WHEN r.waiting_on IN ('approval', 'intent', 'budget')
               OR (r.waiting_on = 'signal'
                   AND EXISTS (SELECT FROM run_signal s WHERE s.tenant_id = $1 AND s.run_id = r.id
                                                          AND s.consumed_seq IS NULL AND s.name <> '$cancel'))
             THEN 9 ELSE 2 END, r.id, ''
   FROM run r
  WHERE r.tenant_id = $1 AND r.status = 'waiting' AND r.wake_at <= (SELECT at FROM now)
  ORDER BY r.wake_at LIMIT $2)
 UNION ALL
(SELECT 3, r.id, s.body->>'reason'
   FROM run_signal s JOIN run r ON r.tenant_id = s.tenant_id AND r.id = s.run_id
  WHERE s.tenant_id = $1 AND s.name = '$cancel' AND s.consumed_seq IS NULL
    AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged') AND r.error_code IS NULL
    AND NOT EXISTS (SELECT FROM effect_intent i -- it knows already, and will stop with the outcome
                     WHERE i.tenant_id = $1 AND i.run_id = r.id AND i.cancel IS NOT NULL
                       AND i.state NOT IN ('done', 'failed'))
  ORDER BY s.id LIMIT $2)
 UNION ALL
(SELECT 4, a.id, '' FROM approval a
  WHERE a.tenant_id = $1 AND a.status IN ('requested', 'approved') AND a.expires_at <= (SELECT at FROM now)
  ORDER BY a.expires_at LIMIT $2)
 UNION ALL
(SELECT 4, a.id, '' FROM approval a
  WHERE a.tenant_id = $1 AND a.status = 'requested' AND NOT a.escalated AND a.escalate_at <= (SELECT at FROM now)
  ORDER BY a.escalate_at LIMIT $2)
 UNION ALL
SELECT 4, a.id, '' FROM unnest($5::int8[]) AS e(run)
   JOIN approval a ON a.tenant_id = $1 AND a.run_id = e.run AND a.status IN ('requested', 'approved')
   JOIN run r ON r.tenant_id = $1 AND r.id = e.run
             AND r.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
 UNION ALL
-- a question about the key of one of those that have ended
SELECT 4, a.id, '' FROM (SELECT DISTINCT r.business_key FROM unnest($5::int8[]) AS e(run)
                           JOIN run r ON r.tenant_id = $1 AND r.id = e.run OFFSET 0) AS k
   JOIN approval a ON a.tenant_id = $1 AND a.resource = k.business_key AND a.action = 'run.start' AND a.status = 'requested'
 UNION ALL
-- a run that has got the key of one of those that have ended
SELECT 2, w.id, '' FROM unnest($5::int8[]) AS e(run)
   JOIN run r ON r.tenant_id = $1 AND r.id = e.run
   JOIN run w ON w.tenant_id = $1 AND w.business_key = r.business_key AND w.claims AND w.status = 'created'
 UNION ALL
SELECT 5, (SELECT count(*) FROM (SELECT FROM approval a
                                  WHERE a.tenant_id = $1 AND a.status = 'approved' AND a.run_id IS NULL
                                    AND a.expires_at > (SELECT at FROM now) LIMIT 1) AS g), ''
 UNION ALL
SELECT 6, coalesce((SELECT max(e.found_seq) FROM exception e WHERE e.tenant_id = $1 AND e.state = 'open'), 0), ''
 WHERE $4
 UNION ALL
SELECT 7, ceil(extract(epoch FROM least(
              (SELECT min(r.wake_at) FROM run r
                WHERE r.tenant_id = $1 AND r.status = 'waiting' AND r.wake_at > n.at),
              (SELECT min(a.expires_at) FROM approval a
                WHERE a.tenant_id = $1 AND a.status IN ('requested', 'approved') AND a.expires_at > n.at),
              (SELECT min(a.escalate_at) FROM approval a
                WHERE a.tenant_id = $1 AND a.status = 'requested' AND NOT a.escalated AND a.escalate_at > n.at),
              n.at + interval '1 hour') - n.at) * 1000)::bigint, ''
  FROM now n
 UNION ALL
SELECT x.what, x.id, ''
  FROM tenant_head h CROSS JOIN LATERAL (VALUES (8, h.audit_size - h.checkpoint_size), (11, h.epoch)) AS x(what, id)
 WHERE h.tenant_id = $1;

-- name: company_sweep
-- The same for what company_look finds only with its cause, asked now and then: nothing stands still for ever because a
-- cause was overlooked, such as one of an older version.
--   what 9  a waiting run whose approval was answered or whose signal came.  The name of the signal is in the newest
--           step, the wait (a version byte and JSON): one of another name waits for a later step
--        4  an approval that no run waits for any more, or about a key whose holder has ended
-- params: tenant int4, limit int4
(SELECT 9 AS what, r.id, '' AS reason FROM run r
  WHERE r.tenant_id = $1 AND r.status = 'waiting' AND r.waiting_on = 'approval'
    AND NOT EXISTS (SELECT FROM approval a
                     WHERE a.tenant_id = $1 AND a.run_id = r.id AND a.status = 'requested')
  ORDER BY r.id LIMIT $2)
 UNION ALL
-- the runs that have unread signals, one look into the index for each however many signals it has
(WITH RECURSIVE unread AS (
    (SELECT s.run_id FROM run_signal s
      WHERE s.tenant_id = $1 AND s.consumed_seq IS NULL AND s.name <> '$cancel'
      ORDER BY s.run_id LIMIT 1)
      UNION ALL
    SELECT (SELECT s.run_id FROM run_signal s
             WHERE s.tenant_id = $1 AND s.consumed_seq IS NULL AND s.name <> '$cancel' AND s.run_id > u.run_id
             ORDER BY s.run_id LIMIT 1)
      FROM unread u WHERE u.run_id IS NOT NULL)
 SELECT 9, r.id, '' FROM unread u
   JOIN run r ON r.tenant_id = $1 AND r.id = u.run_id AND r.status = 'waiting' AND r.waiting_on IN ('signal', 'budget')
   JOIN journal j ON j.tenant_id = $1 AND j.run_id = r.id AND j.seq = r.steps
  WHERE EXISTS (SELECT FROM run_signal s
                 WHERE s.tenant_id = $1 AND s.run_id = r.id AND s.consumed_seq IS NULL
                   AND s.name = convert_from(substr(j.out, 2), 'UTF8')::jsonb->>'name')
  ORDER BY r.id LIMIT $2)
 UNION ALL
(SELECT 4, a.id, '' FROM approval a JOIN run r ON r.tenant_id = $1 AND r.id = a.run_id
  WHERE a.tenant_id = $1 AND a.status IN ('requested', 'approved')
    AND (r.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
         OR (a.action = 'run.start' AND NOT EXISTS (
                 SELECT FROM run h WHERE h.tenant_id = $1 AND h.business_key = r.business_key AND h.claims
                    AND h.id::text = substr(a.args->>'holder', 3)
                    AND h.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged'))))
  ORDER BY a.id LIMIT $2);

-- name: run_signal_wake
-- A signal wakes its run where that waits for one of its name: the name stands in the run's newest step.  Asked with
-- the signal and with the wait, whichever is the later.
-- params: tenant int4, run int8[]
UPDATE run x SET wake_at = clock_timestamp()
  FROM unnest($2::int8[]) AS e(run)
 WHERE x.tenant_id = $1 AND x.id = e.run AND x.status = 'waiting' AND x.waiting_on IN ('signal', 'budget')
   AND EXISTS (SELECT FROM journal j
                 JOIN run_signal s ON s.tenant_id = $1 AND s.run_id = x.id AND s.consumed_seq IS NULL AND s.name <> '$cancel'
                                  AND s.name = convert_from(substr(j.out, 2), 'UTF8')::jsonb->>'name'
                WHERE j.tenant_id = $1 AND j.run_id = x.id AND j.seq = x.steps);

-- name: run_signal_next
-- params: tenant int4, run int8, name text
SELECT s.id, s.body
  FROM run_signal s
 WHERE s.tenant_id = $1 AND s.run_id = $2 AND s.name = $3 AND s.consumed_seq IS NULL
 ORDER BY s.id
 LIMIT 1;

-- name: run_signal_consume
-- params: tenant int4, run int8[], id int8[], seq int4[]
UPDATE run_signal s SET consumed_seq = r.seq
  FROM unnest($2::int8[], $3::int8[], $4::int4[]) AS r(run, id, seq)
 WHERE s.tenant_id = $1 AND s.run_id = r.run AND s.id = r.id;

-- name: run_signal_put
-- params: tenant int4, run int8[], id int8[], name text[], body jsonb[], sent_by text[]
INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by)
SELECT $1, r.run, r.id, r.name, r.body, r.sent_by
  FROM unnest($2::int8[], $3::int8[], $4::text[], $5::jsonb[], $6::text[])
       AS r(run, id, name, body, sent_by);

-- name: run_child_look
-- What must be known to start a child: the agent's active version, the company's currency, and the runs above with their keys,
-- from the asking run upwards; `same`, of a run of that agent without a key: whether it has that very input.  Both may be
-- read before the transaction: the chain only ends.
-- params: tenant int4, run int8, agent text, input jsonb
WITH RECURSIVE up AS (
    SELECT r.id, r.agent, r.business_key, r.status, r.parent, 1 AS n FROM run r WHERE r.tenant_id = $1 AND r.id = $2
     UNION ALL
    SELECT r.id, r.agent, r.business_key, r.status, r.parent, u.n + 1
      FROM up u JOIN run r ON r.tenant_id = $1 AND r.id = u.parent
     WHERE u.n < 64)
SELECT jsonb_build_object(
    'currency', (SELECT coalesce(t.company->>'currency', 'EUR') FROM tenant t WHERE t.tenant_id = $1),
    'agent', (SELECT jsonb_build_object('name', a.name, 'hash', encode(a.active_hash, 'hex'), 'manifest', p.manifest,
                'canary', CASE WHEN c.hash IS NOT NULL THEN jsonb_build_object('hash', encode(c.hash, 'hex'),
                    'percent', a.canary_percent, 'manifest', c.manifest) END)
                FROM agent a JOIN plan_source p ON p.tenant_id = a.tenant_id AND p.hash = a.active_hash
                LEFT JOIN plan_source c ON c.tenant_id = a.tenant_id AND c.hash = a.canary_hash
               WHERE a.tenant_id = $1 AND a.name = $3 AND a.enabled),
    'chain', (SELECT jsonb_agg(jsonb_build_object('run', u.id, 'agent', u.agent, 'key', u.business_key,
                   'open', u.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged'))
                   || CASE WHEN u.agent = $3 AND u.business_key IS NULL THEN (
                          SELECT jsonb_build_object('same', g.input->'exception' = $4)
                            FROM run r CROSS JOIN LATERAL run_given($1, r.id, r.input) AS g
                           WHERE r.tenant_id = $1 AND r.id = u.id) ELSE '{}' END
                               ORDER BY u.n) FROM up u));

-- name: run_child_end
-- How a run ended; no row while it is open.
-- params: tenant int4, run int8
SELECT r.status, r.error_code, r.error_text, x.result
  FROM run r LEFT JOIN run_result x ON x.tenant_id = r.tenant_id AND x.run_id = r.id
 WHERE r.tenant_id = $1 AND r.id = $2
   AND r.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged');

-- name: run_claim_look
-- Who holds these keys, and the highest priority that waits for each; no row for one that is free.  `stopping`: its plan
-- takes no signal any more; `ending`: it was asked to stop, or stops.  `facts`, for an agent that asks people and has
-- something to ask: what they and the rules of the policy see of the holder.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object('run', h.id, 'agent', h.agent, 'priority', h.priority,
           'stopping', x.ending OR h.status IN ('executing', 'reviewing', 'compensating'),
           'ending', x.ending, 'next', x.next)
       || CASE WHEN u.claims = 'ask' AND NOT x.ending AND x.next IS NULL THEN (
              SELECT jsonb_build_object('facts', jsonb_build_object('holder', jsonb_build_object(
                         'run', 'r_' || h.id, 'agent', h.agent, 'priority', h.priority, 'status', h.status,
                         'waiting_on', h.waiting_on, 'begun_by', run_begun_by($1, h.id, h.parent),
                         'since', to_char(h.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                         'input', CASE WHEN length((i.input->'exception')::text) <= 2000 THEN i.input->'exception' END)))
                FROM run_given($1, h.id, h.input) AS i)
          ELSE '{}' END
  FROM (SELECT q.unit, q.args->>'key' AS key, q.args->>'claims' AS claims
          FROM unnest($2::int4[], $3::jsonb[]) AS q(unit, args) OFFSET 0) AS u
 CROSS JOIN LATERAL (SELECT r.* FROM run r -- one by one, from the index: there may be many open runs
                      WHERE r.tenant_id = $1 AND r.business_key = u.key AND r.claims
                        AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged') LIMIT 1) AS h
 CROSS JOIN LATERAL (
       SELECT h.error_code IS NOT NULL
                  OR EXISTS (SELECT FROM run_signal s WHERE s.tenant_id = $1 AND s.run_id = h.id AND s.name = '$cancel'
                                AND s.consumed_seq IS NULL) AS ending,
              (SELECT max(w.priority) FROM run w
                WHERE w.tenant_id = $1 AND w.business_key = h.business_key AND NOT w.claims
                  AND w.status = 'waiting' AND w.waiting_on = 'lock') AS next) AS x;

-- name: run_claim_set
-- Of runs that were just begun: what each weighs; those that have not got their key wait for it.
-- params: tenant int4, run int8[], priority int4[]
UPDATE run x
   SET priority = e.priority, status = CASE WHEN x.claims THEN x.status ELSE 'waiting' END,
       waiting_on = CASE WHEN x.claims THEN x.waiting_on ELSE 'lock' END
  FROM unnest($2::int8[], $3::int4[]) AS e(run, priority)
 WHERE x.tenant_id = $1 AND x.id = e.run;

-- name: run_claim_rest
-- What a run that ends was given to merge and has not taken: the oldest is a run by itself, waiting for the key, and gets
-- the rest.  The statement run_claim_pass comes after.
-- params: tenant int4, run int8[]
WITH rest AS MATERIALIZED (
    SELECT p.id AS run, p.agent, p.plan_hash, p.business_key, p.priority, s.id, s.body, q.input->'flow' AS flow
      FROM unnest($2::int8[]) AS e(run) JOIN run p ON p.tenant_id = $1 AND p.id = e.run AND p.claims
      LEFT JOIN LATERAL run_given($1, p.id, p.input) AS q ON true
     CROSS JOIN LATERAL (SELECT g.id, g.body FROM run_signal g
                          WHERE g.tenant_id = $1 AND g.run_id = p.id AND g.name = 'merge' AND g.consumed_seq IS NULL
                            AND jsonb_typeof(g.body) = 'object'
                          ORDER BY g.id LIMIT 1) AS s),
begun AS (
    INSERT INTO run (tenant_id, id, agent, plan_hash, status, waiting_on, business_key, claims, priority)
    SELECT $1, r.id, r.agent, r.plan_hash, 'waiting', 'lock', r.business_key, false, r.priority FROM rest r),
inputs AS (
    INSERT INTO run_input (tenant_id, run_id, input)
    SELECT $1, r.id, jsonb_build_object('today', to_char(clock_timestamp() AT TIME ZONE
                         coalesce(t.company->>'timezone', 'UTC'), 'YYYY-MM-DD'), 'exception', r.body, 'claim', r.business_key)
           || CASE WHEN r.flow IS NULL THEN '{}' ELSE jsonb_build_object('flow', r.flow) END
      FROM rest r LEFT JOIN tenant t ON t.tenant_id = $1),
places AS ( -- as run_flow_put does, where it waits for the key first
    INSERT INTO run_flow (tenant_id, run_id, place, key, most, seconds, turn)
    SELECT $1, r.id, k.n, k.rule->>'key', (k.rule->>'most')::int, (k.rule->>'seconds')::int,
           (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - (r.flow->>'ahead_s')::bigint * 1000000
      FROM rest r CROSS JOIN LATERAL jsonb_array_elements(r.flow->'keys') WITH ORDINALITY AS k(rule, n))
UPDATE run_signal g
   SET run_id = CASE WHEN g.id = r.id THEN g.run_id ELSE r.id END, consumed_seq = CASE WHEN g.id = r.id THEN -1 END
  FROM rest r
 WHERE g.tenant_id = $1 AND g.run_id = r.run AND g.name = 'merge' AND g.consumed_seq IS NULL;

-- name: run_claim_pass
-- The claim of a run that ends goes to the oldest open run that works under it; without one, to whom people have given
-- the key, else to the highest of those that wait for it, which may begin by that, or wait for its places (flow.h).
-- params: tenant int4, run int8[]
UPDATE run x
   SET claims = true, priority = greatest(x.priority, CASE WHEN l.waits THEN 0 ELSE h.priority END),
       status = CASE WHEN l.waits AND NOT l.flows THEN 'created' ELSE x.status END,
       waiting_on = CASE WHEN NOT l.waits THEN x.waiting_on WHEN l.flows THEN 'slot' END,
       wake_at = CASE WHEN l.waits AND l.flows THEN clock_timestamp() ELSE x.wake_at END,
       changed_at = CASE WHEN l.waits THEN clock_timestamp() ELSE x.changed_at END
  FROM (SELECT n.id, max(p.priority) AS priority
          FROM unnest($2::int8[]) AS e(run) JOIN run p ON p.tenant_id = $1 AND p.id = e.run AND p.claims
         CROSS JOIN LATERAL (SELECT o.id FROM run o
                              WHERE o.tenant_id = $1 AND o.business_key = p.business_key AND NOT o.claims
                                AND o.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
                              ORDER BY o.status = 'waiting' AND o.waiting_on IS NOT DISTINCT FROM 'lock',
                                       EXISTS (SELECT FROM approval a
                                                WHERE a.tenant_id = $1 AND a.run_id = o.id AND a.action = 'run.start'
                                                  AND a.status = 'consumed') DESC,
                                       o.priority DESC, o.id LIMIT 1) AS n
         GROUP BY n.id) AS h
  JOIN run i ON i.tenant_id = $1 AND i.id = h.id
 CROSS JOIN LATERAL (SELECT i.status = 'waiting' AND i.waiting_on IS NOT DISTINCT FROM 'lock' AS waits,
                            EXISTS (SELECT FROM run_flow f WHERE f.tenant_id = $1 AND f.run_id = i.id) AS flows) AS l
 WHERE x.tenant_id = $1 AND x.id = i.id;

-- name: run_parent_wake
-- A child that is over wakes its parent where that waits for it: the name stands in the parent's newest
-- step.  Asked with the child's end and with the parent's wait, whichever is the later, so that no node
-- has to be there in between.
-- params: tenant int4, run int8[]
UPDATE run x SET wake_at = clock_timestamp()
  FROM unnest($2::int8[]) AS e(run)
  JOIN run c ON c.tenant_id = $1 AND c.id = e.run
            AND c.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
 WHERE x.tenant_id = $1 AND x.id = c.parent AND x.status = 'waiting' AND x.waiting_on = 'run'
   AND EXISTS (SELECT FROM journal j
                WHERE j.tenant_id = $1 AND j.run_id = x.id AND j.seq = x.steps
                  AND convert_from(substr(j.out, 2), 'UTF8')::jsonb->>'run' = 'r_' || c.id);

-- name: run_children_stop
-- Asks open children to stop: those whose policy is "cancel", and with `all` those that are waited for.
-- params: tenant int4, run int8[], all bool[], reason text[]
INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by)
SELECT $1, c.id, e.run, '$cancel', jsonb_build_object('reason', e.reason), 'run:r_' || e.run
  FROM unnest($2::int8[], $3::bool[], $4::text[]) AS e(run, waited, reason)
  JOIN run c ON c.tenant_id = $1 AND c.parent = e.run
            AND (c.close = 'cancel' OR (e.waited AND c.close = 'wait'))
            AND c.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
    ON CONFLICT (tenant_id, run_id, id) DO NOTHING;

-- name: approval_status_get
-- params: tenant int4, id int8
SELECT a.status FROM approval a WHERE a.tenant_id = $1 AND a.id = $2;

-- name: agent_memory_get
-- params: tenant int4, agent text, key text
SELECT m.value FROM agent_memory m WHERE m.tenant_id = $1 AND m.agent = $2 AND m.key = $3;

-- name: agent_memory_put
-- params: tenant int4, agent text[], key text[], value jsonb[], run int8[]
INSERT INTO agent_memory (tenant_id, agent, key, value, run_id)
SELECT $1, r.agent, r.key, r.value, r.run
  FROM unnest($2::text[], $3::text[], $4::jsonb[], $5::int8[]) AS r(agent, key, value, run)
    ON CONFLICT (tenant_id, agent, key)
    DO UPDATE SET value = excluded.value, run_id = excluded.run_id, changed_at = clock_timestamp();

-- name: run_result_put
-- params: tenant int4, run int8[], result jsonb[]
INSERT INTO run_result (tenant_id, run_id, result)
SELECT $1, r.run, r.result FROM unnest($2::int8[], $3::jsonb[]) AS r(run, result)
    ON CONFLICT (tenant_id, run_id) DO UPDATE SET result = excluded.result;

-- name: exceptions_waiting
-- After a failure the next attempt waits a minute, then two, four and so on, to 17 hours.
-- Open exceptions that no run has taken yet as they are now (found_seq: new evidence asks for a new run; for a
-- run that handed over speaks the one it handed to, and a child never speaks for its parent); one
-- per resource, and none whose resource a run is working on right now: two agents never act on one document
-- at the same time.
-- params: tenant int4, limit int4
SELECT encode(w.key, 'hex'), w.type, to_jsonb(w) FROM (
    SELECT DISTINCT ON (e.resource) e.*
      FROM exception e
     WHERE e.tenant_id = $1 AND e.state = 'open'
       AND NOT EXISTS (SELECT FROM run r LEFT JOIN run_input i ON i.tenant_id = $1 AND i.run_id = r.id
                        WHERE r.tenant_id = $1 AND r.business_key = 'exception:' || encode(e.key, 'hex')
                          AND r.status <> 'failed'
                          AND (r.status NOT IN ('done', 'cancelled', 'compensated', 'diverged')
                               OR (coalesce((coalesce(r.input, i.input)->>'found_seq')::bigint, 0) >= e.found_seq
                                   AND (r.parent IS NULL OR r.close = 'handoff')
                                   AND NOT EXISTS (SELECT FROM run h WHERE h.tenant_id = $1 AND h.parent = r.id
                                                                       AND h.close = 'handoff'))))
       AND NOT EXISTS (SELECT FROM exception o
                         JOIN run r ON r.tenant_id = $1
                                   AND r.business_key = 'exception:' || encode(o.key, 'hex')
                        WHERE o.tenant_id = $1 AND o.resource = e.resource
                          AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
                          AND NOT (r.status = 'waiting' AND r.waiting_on IN ('approval', 'budget')))
       AND NOT EXISTS (SELECT FROM run r LEFT JOIN run_input i ON i.tenant_id = $1 AND i.run_id = r.id
                        WHERE r.tenant_id = $1 AND r.business_key = 'exception:' || encode(e.key, 'hex')
                          AND coalesce((coalesce(r.input, i.input)->>'found_seq')::bigint, 0) >= e.found_seq
                          AND r.status = 'failed'
                          AND r.changed_at > clock_timestamp() - interval '1 minute' * power(2, least(r.attempt, 10)))
     ORDER BY e.resource, e.opened_seq) AS w
 ORDER BY w.type, w.key
 LIMIT $2;

-- name: runs_open_count
-- params: tenant int4
SELECT count(*) FILTER (WHERE r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
                          AND NOT (r.status = 'waiting' AND r.waiting_on IN ('approval', 'budget')))
  FROM run r WHERE r.tenant_id = $1;

-- name: exception_open
-- One open exception as exceptions_waiting gives it; the key is hexadecimal.
-- params: tenant int4, key text
SELECT encode(e.key, 'hex'), e.type, to_jsonb(e)
  FROM exception e
 WHERE e.tenant_id = $1 AND e.state = 'open'
   AND e.key = CASE WHEN $2 ~ '^([0-9a-f]{2})+$' THEN decode($2, 'hex') END;

-- name: run_status
-- Why it ended so; whether it is to end, and whether its plan is over, so that nothing reads what is sent (as in
-- run_claim_look); the company's currency; the limits of its agent, and those that a run has given it instead.
-- params: tenant int4, run int8
SELECT r.status, r.error_text, r.error_code IS NOT NULL,
       r.error_code IS NOT NULL OR r.status IN ('executing', 'reviewing', 'compensating'),
       (SELECT coalesce(t.company->>'currency', 'EUR') FROM tenant t WHERE t.tenant_id = $1),
       (SELECT coalesce(p.manifest->'limits', '{}') FROM plan_source p WHERE p.tenant_id = $1 AND p.hash = r.plan_hash)
           || (SELECT i.budget FROM run_given($1, r.id, r.input) AS i)
  FROM run r WHERE r.tenant_id = $1 AND r.id = $2;

-- name: run_model_wait
-- A question to the model takes long: who asks, since when, unless it was answered meanwhile.  What held before and
-- holds no more is swept away; see the function run_asks.
-- params: tenant int4, run int8, epoch int8, seq int4, model text, waited_ms int8
WITH swept AS (
    DELETE FROM model_wait w
     WHERE w.tenant_id = $1 AND w.run_id IN (
           SELECT o.run_id FROM model_wait o
            WHERE o.tenant_id = $1 AND o.run_id <> $2
              AND (o.epoch <> $3
                   OR EXISTS (SELECT FROM journal j WHERE j.tenant_id = $1 AND j.run_id = o.run_id AND j.seq >= o.seq)
                   OR NOT EXISTS (SELECT FROM run r WHERE r.tenant_id = $1 AND r.id = o.run_id
                          AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')))
              FOR UPDATE SKIP LOCKED))
INSERT INTO model_wait (tenant_id, run_id, epoch, seq, model, since)
SELECT $1, $2, $3, $4, $5, clock_timestamp() - $6 * interval '1 millisecond'
  FROM tenant_head h
 WHERE h.tenant_id = $1 AND h.epoch = $3
   AND NOT EXISTS (SELECT FROM journal j WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.seq >= $4)
    ON CONFLICT (tenant_id, run_id) DO UPDATE
   SET epoch = excluded.epoch, seq = excluded.seq, model = excluded.model, since = excluded.since;

-- name: run_role_known
-- Whether the company has this role: somebody holds it, its active policy asks it, or an open question does.  And
-- those that it has, for people.
-- params: tenant int4, role text
WITH r AS MATERIALIZED (
    SELECT DISTINCT x.role
      FROM (SELECT unnest(p.roles) FROM person p WHERE p.tenant_id = $1
             UNION ALL
            SELECT q #>> '{}'
              FROM policy_active a
              JOIN policy_bundle b ON b.tenant_id = a.tenant_id AND b.hash = a.hash
             CROSS JOIN LATERAL (SELECT jsonb_path_query(b.canonical::jsonb, '$.**.stages[*].role')
                                  UNION ALL
                                 SELECT jsonb_path_query(b.canonical::jsonb, '$.**.escalate_to')) AS u(q)
             WHERE a.tenant_id = $1) AS x(role))
SELECT EXISTS (SELECT FROM r WHERE r.role = $2)
           OR EXISTS (SELECT FROM approval_wait w WHERE w.tenant_id = $1 AND w.role = $2),
       coalesce((SELECT string_agg(r.role, ' ' ORDER BY r.role) FROM r), '');

-- name: run_agent_known
-- Whether the company has, or had, an agent of this name.  One entry of an index of runs: the order keeps the planner
-- from looking through all runs for one that is not there.
-- params: tenant int4, agent text
SELECT EXISTS (SELECT FROM agent a WHERE a.tenant_id = $1 AND a.name = $2)
    OR EXISTS (SELECT FROM plan_source p WHERE p.tenant_id = $1 AND p.agent = $2)
    OR (SELECT true FROM run r WHERE r.tenant_id = $1 AND r.agent = $2 ORDER BY r.span DESC LIMIT 1) IS NOT NULL;

-- name: run_chosen
-- What run_find gives, for what is done with it: the exception of each, and what it failed of.
-- params: tenant int4, filter jsonb, limit int4
SELECT r.id, r.status, r.agent,
       CASE WHEN starts_with(r.business_key, 'exception:') THEN substr(r.business_key, length('exception:') + 1) END,
       coalesce(left(r.error_text, 120), '')
  FROM run_find($1, $2, $3) AS q(id)
  JOIN run r ON r.tenant_id = $1 AND r.id = q.id
 ORDER BY r.id DESC;

-- name: run_claim_holder
-- Who works on this business key, since when, what it does and waits for, who began it: for whoever came second.
-- params: tenant int4, key text
SELECT l.id, l.agent, to_char(l.created_at, 'YYYY-MM-DD HH24:MI:SS'), l.status, l.waiting_on, l.waits, r.priority,
       run_begun_by($1, r.id, r.parent)
  FROM run r CROSS JOIN LATERAL run_look($1, ARRAY[r.id]) AS l
 WHERE r.tenant_id = $1 AND r.business_key = $2 AND r.claims
   AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged');
