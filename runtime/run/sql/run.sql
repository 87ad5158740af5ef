-- run.sql: what the orchestrator and the run store read.

-- name: run_image
-- A run with its source and its owner, ready to be resumed.
-- params: tenant int4, run int8
SELECT r.status, r.agent, coalesce(a.owner, 'operator') AS owner, r.plan_hash, p.source, i.input,
       r.created_at, r.depth, h.epoch, coalesce(r.parent, 0), i.budget, clock_timestamp()
  FROM run r
  JOIN plan_source p ON p.tenant_id = r.tenant_id AND p.hash = r.plan_hash
  JOIN run_input i ON i.tenant_id = r.tenant_id AND i.run_id = r.id
  JOIN tenant_head h ON h.tenant_id = r.tenant_id
  LEFT JOIN agent a ON a.tenant_id = r.tenant_id AND a.name = r.agent
 WHERE r.tenant_id = $1 AND r.id = $2;

-- name: run_steps
-- From the newest checkpoint (kind 20) on: what lies before it nobody needs to go on.
-- params: tenant int4, run int8
SELECT j.seq, j.kind, j.name, j.digest, CASE WHEN get_byte(j.out, 0) = 2 THEN reeve_journal_out(j.tenant_id, j.out) ELSE j.out END
  FROM journal j
 WHERE j.tenant_id = $1 AND j.run_id = $2
   AND j.seq >= coalesce((SELECT max(c.seq) FROM journal c
                           WHERE c.tenant_id = $1 AND c.run_id = $2 AND c.kind = 20), 0)
 ORDER BY j.seq;

-- name: runs_due
-- Runs that could move now: active ones, and waiting ones whose timer fired, whose approval was
-- answered or whose signal came.  The name of the signal is in the newest step, the wait (a version byte
-- and JSON): a signal of another name waits for a later step and must not wake the run again and again.
-- Each branch has its own index and its own limit, so that neither a backlog nor parked runs are read
-- through; the time is asked once, as an index can be asked about it only then.  Somebody waits for those
-- that a person has just answered: they come first.
-- params: tenant int4, limit int4
SELECT d.id, d.answered FROM (
    (SELECT r.id, false AS answered FROM run r
      WHERE r.tenant_id = $1
        AND r.status IN ('created', 'planning', 'executing', 'reviewing', 'compensating')
      ORDER BY r.id LIMIT $2)
     UNION
    (SELECT r.id, false FROM run r
      WHERE r.tenant_id = $1 AND r.status = 'waiting' AND r.wake_at <= (SELECT clock_timestamp())
      ORDER BY r.wake_at LIMIT $2)
     UNION
    (SELECT r.id, true FROM run r
      WHERE r.tenant_id = $1 AND r.status = 'waiting' AND r.waiting_on = 'approval'
        AND NOT EXISTS (SELECT FROM approval a
                         WHERE a.tenant_id = $1 AND a.run_id = r.id AND a.status = 'requested')
      ORDER BY r.id LIMIT $2)
     UNION
    -- the runs that have unread signals, one look into the index for each however many signals it has
    (WITH RECURSIVE unread AS (
        (SELECT s.run_id FROM run_signal s
          WHERE s.tenant_id = $1 AND s.consumed_seq IS NULL AND s.name <> '$cancel'
          ORDER BY s.run_id LIMIT 1)
         UNION ALL
        SELECT (SELECT s.run_id FROM run_signal s
                 WHERE s.tenant_id = $1 AND s.consumed_seq IS NULL AND s.name <> '$cancel'
                   AND s.run_id > u.run_id
                 ORDER BY s.run_id LIMIT 1)
          FROM unread u WHERE u.run_id IS NOT NULL)
     SELECT r.id, true FROM unread u
       JOIN run r ON r.tenant_id = $1 AND r.id = u.run_id AND r.status = 'waiting' AND r.waiting_on = 'signal'
       JOIN journal j ON j.tenant_id = $1 AND j.run_id = r.id AND j.seq = r.steps
      WHERE EXISTS (SELECT FROM run_signal s
                     WHERE s.tenant_id = $1 AND s.run_id = r.id AND s.consumed_seq IS NULL
                       AND s.name = convert_from(substr(j.out, 2), 'UTF8')::jsonb->>'name')
      ORDER BY r.id LIMIT $2)) AS d
 ORDER BY d.answered DESC, d.id
 LIMIT $2;

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
-- from the asking run upwards.  Both may be read before the transaction: the chain only ends.
-- params: tenant int4, run int8, agent text
WITH RECURSIVE up AS (
    SELECT r.id, r.agent, r.business_key, r.status, r.parent, 1 AS n FROM run r WHERE r.tenant_id = $1 AND r.id = $2
     UNION ALL
    SELECT r.id, r.agent, r.business_key, r.status, r.parent, u.n + 1
      FROM up u JOIN run r ON r.tenant_id = $1 AND r.id = u.parent
     WHERE u.n < 64)
SELECT jsonb_build_object(
    'currency', (SELECT coalesce(t.company->>'currency', 'EUR') FROM tenant t WHERE t.tenant_id = $1),
    'agent', (SELECT jsonb_build_object('hash', encode(a.active_hash, 'hex'), 'manifest', p.manifest)
                FROM agent a JOIN plan_source p ON p.tenant_id = a.tenant_id AND p.hash = a.active_hash
               WHERE a.tenant_id = $1 AND a.name = $3 AND a.enabled),
    'chain', (SELECT jsonb_agg(jsonb_build_object('run', u.id, 'agent', u.agent, 'key', u.business_key,
                   'open', u.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged'))
                               ORDER BY u.n) FROM up u));

-- name: run_child_end
-- How a run ended; no row while it is open.
-- params: tenant int4, run int8
SELECT r.status, r.error_code, r.error_text, x.result
  FROM run r LEFT JOIN run_result x ON x.tenant_id = r.tenant_id AND x.run_id = r.id
 WHERE r.tenant_id = $1 AND r.id = $2
   AND r.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged');

-- name: run_claim_pass
-- The claim of a run that ends goes to the oldest open run that works under it.
-- params: tenant int4, run int8[]
UPDATE run x SET claims = true
  FROM (SELECT DISTINCT (SELECT o.id FROM run o
                          WHERE o.tenant_id = $1 AND o.business_key = p.business_key AND NOT o.claims
                            AND o.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
                          ORDER BY o.id LIMIT 1) AS id
          FROM unnest($2::int8[]) AS e(run) JOIN run p ON p.tenant_id = $1 AND p.id = e.run
         WHERE p.claims) AS h
 WHERE x.tenant_id = $1 AND x.id = h.id;

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

-- name: plan_source_put
-- params: tenant int4, hash bytea[], agent text[], version text[], manifest jsonb[], source text[], by text[]
INSERT INTO plan_source (tenant_id, hash, agent, version, manifest, source, published_by)
SELECT $1, r.hash, r.agent, r.version, r.manifest, r.source, r.by
  FROM unnest($2::bytea[], $3::text[], $4::text[], $5::jsonb[], $6::text[], $7::text[])
       AS r(hash, agent, version, manifest, source, by)
    ON CONFLICT (tenant_id, hash) DO NOTHING;

-- name: agent_activate
-- params: tenant int4, name text[], hash bytea[], owner text[]
INSERT INTO agent (tenant_id, name, active_hash, owner)
SELECT $1, r.name, r.hash, r.owner
  FROM unnest($2::text[], $3::bytea[], $4::text[]) AS r(name, hash, owner)
    ON CONFLICT (tenant_id, name) DO UPDATE SET active_hash = excluded.active_hash, enabled = true;

-- name: agents_active
-- params: tenant int4
SELECT a.name, a.active_hash, p.manifest, a.owner
  FROM agent a JOIN plan_source p ON p.tenant_id = a.tenant_id AND p.hash = a.active_hash
 WHERE a.tenant_id = $1 AND a.enabled
 ORDER BY a.name;

-- name: exceptions_waiting
-- Open exceptions that no run has taken yet as they are now (found_seq: new evidence asks for a new run; for a
-- run that handed over speaks the one it handed to, and a child never speaks for its parent); one
-- per resource, and none whose resource a run is working on right now: two agents never act on one document
-- at the same time.
-- params: tenant int4, limit int4
SELECT encode(w.key, 'hex'), w.type, to_jsonb(w) FROM (
    SELECT DISTINCT ON (e.resource) e.*
      FROM exception e
     WHERE e.tenant_id = $1 AND e.state = 'open'
       AND NOT EXISTS (SELECT FROM run r JOIN run_input i ON i.tenant_id = $1 AND i.run_id = r.id
                        WHERE r.tenant_id = $1 AND r.business_key = 'exception:' || encode(e.key, 'hex')
                          AND r.status <> 'failed'
                          AND (r.status NOT IN ('done', 'cancelled', 'compensated', 'diverged')
                               OR (coalesce((i.input->>'found_seq')::bigint, 0) >= e.found_seq
                                   AND (r.parent IS NULL OR r.close = 'handoff')
                                   AND NOT EXISTS (SELECT FROM run h WHERE h.tenant_id = $1 AND h.parent = r.id
                                                                       AND h.close = 'handoff'))))
       AND NOT EXISTS (SELECT FROM exception o
                         JOIN run r ON r.tenant_id = $1
                                   AND r.business_key = 'exception:' || encode(o.key, 'hex')
                        WHERE o.tenant_id = $1 AND o.resource = e.resource
                          AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
                          AND NOT (r.status = 'waiting' AND r.waiting_on = 'approval'))
       AND NOT EXISTS (SELECT FROM run r JOIN run_input i ON i.tenant_id = $1 AND i.run_id = r.id
                        WHERE r.tenant_id = $1 AND r.business_key = 'exception:' || encode(e.key, 'hex')
                          AND coalesce((i.input->>'found_seq')::bigint, 0) >= e.found_seq
                          AND r.status = 'failed' AND r.changed_at > clock_timestamp() - interval '1 minute')
     ORDER BY e.resource, e.opened_seq) AS w
 ORDER BY w.type, w.key
 LIMIT $2;

-- name: runs_open_count
-- params: tenant int4
SELECT count(*) FILTER (WHERE r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
                          AND NOT (r.status = 'waiting' AND r.waiting_on = 'approval'))
  FROM run r WHERE r.tenant_id = $1;

-- name: exception_open
-- One open exception as exceptions_waiting gives it; the key is hexadecimal.
-- params: tenant int4, key text
SELECT encode(e.key, 'hex'), e.type, to_jsonb(e)
  FROM exception e
 WHERE e.tenant_id = $1 AND e.state = 'open'
   AND e.key = CASE WHEN $2 ~ '^([0-9a-f]{2})+$' THEN decode($2, 'hex') END;

-- name: run_status
-- params: tenant int4, run int8
SELECT r.status FROM run r WHERE r.tenant_id = $1 AND r.id = $2;

-- name: runs_to_cancel
-- Open runs that somebody asked to stop, and that are not stopping already (then they have a reason).
-- params: tenant int4, limit int4
SELECT r.id, s.body->>'reason'
  FROM run_signal s JOIN run r ON r.tenant_id = s.tenant_id AND r.id = s.run_id
 WHERE s.tenant_id = $1 AND s.name = '$cancel' AND s.consumed_seq IS NULL
   AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged') AND r.error_code IS NULL
   AND NOT EXISTS (SELECT FROM effect_intent i -- it knows already, and will stop with the outcome
                    WHERE i.tenant_id = $1 AND i.run_id = r.id AND i.cancel IS NOT NULL
                      AND i.state NOT IN ('done', 'failed'))
 ORDER BY s.id
 LIMIT $2;

-- name: exceptions_newest
-- Grows whenever a detection raised something or found new evidence.
-- params: tenant int4
SELECT coalesce(max(e.found_seq), 0) FROM exception e WHERE e.tenant_id = $1 AND e.state = 'open';
