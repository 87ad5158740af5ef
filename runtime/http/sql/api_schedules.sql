-- name: api_schedules
-- Schedules by name, whole rows, each with its last fires; "after" is not used because a tenant has tens
-- of them.
-- params: tenant int4, status text, after int8, limit int4
SELECT jsonb_build_object('items', coalesce(jsonb_agg((to_jsonb(s) - 'tenant_id') || jsonb_build_object(
               'last_fires', (
                   SELECT coalesce(jsonb_agg(to_jsonb(f) - 'tenant_id' ORDER BY f.instant DESC), '[]')
                   FROM (SELECT instant, state, manual, attempt, reason, started_at, ended_at
                         FROM schedule_fire f
                         WHERE f.tenant_id = $1 AND f.schedule = s.name
                         ORDER BY f.instant DESC LIMIT 5) f))
           ORDER BY s.name), '[]'), 'next', NULL::text, 'now', clock_timestamp())::text
FROM (SELECT * FROM schedule one
      WHERE one.tenant_id = $1 AND ($2::text IS NULL OR one.status = $2)
        AND ($3::bigint IS NULL OR true)
      LIMIT $4) s;
