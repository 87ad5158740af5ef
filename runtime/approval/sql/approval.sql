-- approval.sql: votes, final answers, expiry, escalation.

-- name: approval_vote_load
-- The approval as it stands, its votes, and the person who wants to vote; args = {"id","person"}.
-- `claim`, of a question whether a run shall have a key that another one holds (runtime/run/claim.h): `open` while the one
-- waits and the other has the key and was not asked to stop, and `same` while the policy is the one that asked.
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit,
       jsonb_build_object(
           'status', a.status, 'digest', encode(a.digest, 'hex'), 'stages', a.stages,
           'never', a.never, 'run', a.run_id,
           'run_over', coalesce((SELECT r.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
                                   FROM run r WHERE r.tenant_id = $1 AND r.id = a.run_id), false),
            'action', a.action, 'limits', a.limits,
           'requested_by', a.requested_by, 'exception', encode(a.exception_key, 'hex'),
           'escalate_to', CASE WHEN a.escalated THEN a.escalate_to END,
           'claim', CASE WHEN a.action = 'run.start' THEN (
               SELECT jsonb_build_object('args', a.args, 'since', a.facts #>> '{holder,since}', 'holder', h.id,
                          'open', w.status = 'waiting' AND w.waiting_on IS NOT DISTINCT FROM 'lock' AND h.claims
                                  AND h.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
                                  AND h.error_code IS NULL
                                  AND NOT EXISTS (SELECT FROM run_signal s
                                                   WHERE s.tenant_id = $1 AND s.run_id IN (h.id, w.id)
                                                     AND s.name = '$cancel' AND s.consumed_seq IS NULL),
                          'same', p.hash IS NOT DISTINCT FROM a.policy_hash)
                 FROM run w JOIN run h ON h.tenant_id = $1 AND h.id = (SELECT substr(a.args->>'holder', 3)::bigint)
                 LEFT JOIN policy_active p ON p.tenant_id = $1
                WHERE w.tenant_id = $1 AND w.id = a.run_id) END,
           'pending_escalate_to', a.escalate_to, 'escalated', a.escalated,
           'escalate_us', (extract(epoch FROM a.escalate_at) * 1000000)::bigint,
           'expires_us', (extract(epoch FROM a.expires_at) * 1000000)::bigint,
           'roles', (SELECT to_jsonb(p.roles) FROM person p
                      WHERE p.tenant_id = $1 AND p.name = (SELECT u.args->>'person') AND p.enabled),
           'votes', (SELECT coalesce(jsonb_agg(jsonb_build_object('person', v.person, 'role', reeve_vote_roles(v.role),
                                       'decision', v.decision, 'comment', v.comment, 'at', v.at,
                                       'roles', to_jsonb(pe.roles)) ORDER BY v.at), '[]')
                       FROM approval_vote v
                       LEFT JOIN person pe ON pe.tenant_id = v.tenant_id AND pe.name = v.person AND pe.enabled
                      WHERE v.tenant_id = $1 AND v.approval_id = a.id)) AS state
  FROM (SELECT i.unit, i.args, (i.args->>'id')::bigint AS key
          FROM unnest($2::int4[], $3::jsonb[]) AS i(unit, args) OFFSET 0) AS u -- as in erp/sql/load_bank.sql
  JOIN approval a ON a.tenant_id = $1 AND a.id = u.key;

-- name: approval_vote_append
-- params: tenant int4, approval int8[], person text[], role text[], decision text[], digest bytea[]
-- params+: , comment text[], channel text[]
INSERT INTO approval_vote (tenant_id, approval_id, person, role, decision, digest, comment, channel)
SELECT $1, r.approval, r.person, r.role, r.decision, r.digest, coalesce(r.comment, ''), r.channel
  FROM unnest($2::int8[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[])
       AS r(approval, person, role, decision, digest, comment, channel);

-- name: approval_answer_set
-- The run that waits for this answer, and for no other, wakes.
-- params: tenant int4, id int8[], status text[]
WITH answered AS (
    UPDATE approval a SET status = r.status, decided_at = clock_timestamp(),
                          consumed_at = CASE WHEN r.status = 'consumed' THEN clock_timestamp() END
      FROM unnest($2::int8[], $3::text[]) AS r(id, status)
     WHERE a.tenant_id = $1 AND a.id = r.id
    RETURNING a.run_id)
UPDATE run x SET wake_at = clock_timestamp()
  FROM answered d
 WHERE x.tenant_id = $1 AND x.id = d.run_id AND x.status = 'waiting' AND x.waiting_on = 'approval'
   AND NOT EXISTS (SELECT FROM approval o
                    WHERE o.tenant_id = $1 AND o.run_id = x.id AND o.status = 'requested' AND o.id <> ALL ($2::int8[]));

-- name: approval_claim_stop
-- What people have decided about a key: the run that shall not have it is asked to stop, `lock` only as long as it waits
-- for the key (the other one may have ended in this very transaction).
-- params: tenant int4, run int8[], id int8[], lock bool[], reason text[], by text[]
INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by)
SELECT $1, e.run, e.id, '$cancel', jsonb_build_object('reason', e.reason), e.by
  FROM unnest($2::int8[], $3::int8[], $4::bool[], $5::text[], $6::text[]) AS e(run, id, lock, reason, by)
  JOIN run r ON r.tenant_id = $1 AND r.id = e.run
            AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
            AND (NOT e.lock OR (r.status = 'waiting' AND r.waiting_on IS NOT DISTINCT FROM 'lock'));

-- name: approval_escalate_set
-- params: tenant int4, id int8[]
UPDATE approval a SET escalated = true
  FROM unnest($2::int8[]) AS r(id)
 WHERE a.tenant_id = $1 AND a.id = r.id;
