-- name: api_exceptions
-- Newest first; "after" continues below the event that opened an exception.
-- params: tenant int4, status text, after int8, limit int4
WITH page AS (
    SELECT * FROM exception
    WHERE tenant_id = $1 AND ($2::text IS NULL OR state = $2)
      AND ($3::bigint IS NULL OR opened_seq < $3)
    ORDER BY opened_seq DESC LIMIT $4
)
SELECT jsonb_build_object(
    'items', coalesce(jsonb_agg((to_jsonb(e) - 'tenant_id')
                 || jsonb_build_object('key', encode(e.key, 'hex')) ORDER BY e.opened_seq DESC), '[]'),
    'next', CASE WHEN count(*) = $4 THEN min(e.opened_seq)::text END,
    'now', clock_timestamp())::text
FROM page e;

-- name: api_exception
-- params: tenant int4, key bytea
SELECT ((to_jsonb(e) - 'tenant_id') || jsonb_build_object('key', encode(e.key, 'hex'),
    'runs', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', r.id::text, 'agent', r.agent,
                 'status', r.status, 'created_at', r.created_at) ORDER BY r.id DESC), '[]')
             FROM run r WHERE r.tenant_id = $1
              AND r.business_key = 'exception:' || encode(e.key, 'hex'))))::text
FROM exception e WHERE e.tenant_id = $1 AND e.key = $2;
