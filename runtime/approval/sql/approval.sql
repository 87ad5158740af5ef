-- approval.sql: votes, final answers, expiry, escalation.

-- name: approval_vote_load
-- The approval as it stands, its votes, and the person who wants to vote; args = {"id","person"}.
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
    UPDATE approval a SET status = r.status, decided_at = clock_timestamp()
      FROM unnest($2::int8[], $3::text[]) AS r(id, status)
     WHERE a.tenant_id = $1 AND a.id = r.id
    RETURNING a.run_id)
UPDATE run x SET wake_at = clock_timestamp()
  FROM answered d
 WHERE x.tenant_id = $1 AND x.id = d.run_id AND x.status = 'waiting' AND x.waiting_on = 'approval'
   AND NOT EXISTS (SELECT FROM approval o
                    WHERE o.tenant_id = $1 AND o.run_id = x.id AND o.status = 'requested' AND o.id <> ALL ($2::int8[]));

-- name: approval_escalate_set
-- params: tenant int4, id int8[]
UPDATE approval a SET escalated = true
  FROM unnest($2::int8[]) AS r(id)
 WHERE a.tenant_id = $1 AND a.id = r.id;
