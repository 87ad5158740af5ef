-- name: api_schedules
-- Schedules by name, whole rows; "after" is not used because a tenant has tens of them.
-- params: tenant int4, status text, after int8, limit int4
SELECT jsonb_build_object('items', coalesce(jsonb_agg(to_jsonb(s) - 'tenant_id'
           ORDER BY to_jsonb(s) ->> 'name'), '[]'), 'next', NULL::text, 'now', clock_timestamp())::text
FROM (SELECT * FROM schedule one
      WHERE one.tenant_id = $1 AND ($2::text IS NULL OR to_jsonb(one) ->> 'status' = $2)
        AND ($3::bigint IS NULL OR true)
      LIMIT $4) s;
