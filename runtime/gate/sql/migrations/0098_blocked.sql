-- 0098_blocked: an approval that waits for people who are not there, in words; NULL where it can be given.
-- Each stage is looked at by itself: who has not voted yet, is enabled, holds its role (or the one it
-- escalates to) and is neither the requester nor another one who may never decide this.

CREATE FUNCTION reeve_approval_blocked(a approval) RETURNS text
LANGUAGE sql STABLE SET search_path FROM CURRENT AS
$$
    SELECT 'nobody can decide this: ' || string_agg(
               CASE WHEN o.able = 0 THEN 'nobody who may decide holds the role ' || o.role
                    ELSE 'fewer people hold the role ' || o.role || ' than must agree' END, '; ' ORDER BY o.role)
           || ' (reeve person add NAME --roles ROLE)'
      FROM (SELECT s.value ->> 'role' AS role, coalesce((s.value ->> 'n')::int, 1) AS n,
                   (SELECT count(*) FROM approval_vote v
                     WHERE v.tenant_id = a.tenant_id AND v.approval_id = a.id AND v.decision = 'approve'
                       AND reeve_vote_roles(v.role) ? (s.value ->> 'role')) AS given,
                   (SELECT count(*) FROM person p
                     WHERE p.tenant_id = a.tenant_id AND p.enabled
                       AND (s.value ->> 'role' = ANY (p.roles) OR a.escalate_to = ANY (p.roles))
                       AND NOT (a.never @> to_jsonb('person:' || p.name) OR a.never @> to_jsonb(p.name)
                                OR a.requested_by IN (p.name, 'person:' || p.name))
                       AND NOT EXISTS (SELECT FROM approval_vote v WHERE v.tenant_id = a.tenant_id
                                          AND v.approval_id = a.id AND v.person = p.name)) AS able
              FROM jsonb_array_elements(a.stages) AS s) o
     WHERE a.status = 'requested' AND o.given + o.able < o.n
$$;
