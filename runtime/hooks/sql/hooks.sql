-- name: hook_tenants
-- Tenants that have a message to fan out or a delivery that is due.
SELECT tenant_id FROM reeve_hook_tenants() AS tenant_id;

-- name: hook_fan_out
-- Makes one delivery per message and endpoint that wants it.  An endpoint names events exactly or as
-- "approval.*"; no names means all.  It gets nothing from before it existed.
-- params: tenant int4, limit int4
WITH fresh AS (
    SELECT id, event, at FROM outbox WHERE tenant_id = $1 AND NOT fanned_out
    ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
), made AS (
    INSERT INTO hook_delivery (tenant_id, outbox_id, endpoint_id, status)
    SELECT $1, f.id, e.id, 'pending' FROM fresh f
    JOIN hook_endpoint e ON e.tenant_id = $1 AND e.enabled AND e.created_at <= f.at
    WHERE e.events = '{}' OR EXISTS (
        SELECT 1 FROM unnest(e.events) AS wanted
        WHERE f.event = wanted
           OR (right(wanted, 2) = '.*' AND starts_with(f.event, left(wanted, -1))))
    ON CONFLICT DO NOTHING
)
UPDATE outbox o SET fanned_out = true FROM fresh f
WHERE o.tenant_id = $1 AND o.id = f.id
RETURNING o.id;

-- name: hook_claim
-- Takes due deliveries for `lease_s` seconds: a sender that dies leaves them due again.  The last column is the trace of
-- the run that the message, or its approval, is about; NULL when it is about none.
-- params: tenant int4, limit int4, lease_s int4
WITH due AS (
    SELECT d.outbox_id, d.endpoint_id FROM hook_delivery d
    JOIN hook_endpoint e ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id AND e.enabled
    WHERE d.tenant_id = $1 AND d.status = 'pending' AND d.next_at <= clock_timestamp()
    ORDER BY d.next_at, d.outbox_id LIMIT $2 FOR UPDATE OF d SKIP LOCKED
), taken AS (
    UPDATE hook_delivery d
    SET attempt = d.attempt + 1, next_at = clock_timestamp() + make_interval(secs => $3),
        trace = (SELECT run_trace_id($1, r.id, i.input) FROM outbox b
                   LEFT JOIN approval a ON a.tenant_id = $1
                        AND a.id = CASE WHEN b.body->>'approval' ~ '^[0-9]{1,19}$' THEN (b.body->>'approval')::bigint END
                   JOIN run r ON r.tenant_id = $1 AND r.id =
                        coalesce(a.run_id, CASE WHEN b.body->>'run' ~ '^[0-9]{1,19}$' THEN (b.body->>'run')::bigint END)
                  CROSS JOIN LATERAL run_given($1, r.id, r.input) AS i
                  WHERE b.tenant_id = $1 AND b.id = d.outbox_id)
    FROM due WHERE d.tenant_id = $1 AND d.outbox_id = due.outbox_id AND d.endpoint_id = due.endpoint_id
    RETURNING d.outbox_id, d.endpoint_id, d.attempt, d.trace
)
SELECT t.outbox_id, t.endpoint_id, t.attempt, e.url, e.allow_private, e.secret,
       CASE WHEN e.old_until > clock_timestamp() THEN e.old_secret END, e.sign_seed,
       jsonb_build_object('id', 'msg_' || $1 || '_' || o.id, 'type', o.event, 'timestamp', o.at,
           'tenant', $1,
           'data', o.body
               || CASE WHEN o.body ? 'approval' THEN jsonb_build_object('approval', o.body ->> 'approval') ELSE '{}' END
               || CASE WHEN o.body ? 'run' THEN jsonb_build_object('run', o.body ->> 'run') ELSE '{}' END)::text,
       t.trace
FROM taken t
JOIN outbox o ON o.tenant_id = $1 AND o.id = t.outbox_id
JOIN hook_endpoint e ON e.tenant_id = $1 AND e.id = t.endpoint_id
ORDER BY t.outbox_id;

-- name: hook_outcome
-- What became of one attempt; `wait_ms` counts from now for a pending one.
-- params: tenant int4, outbox int8, endpoint int8, status text, wait_ms int8, last_status int4, last_error text
UPDATE hook_delivery
SET status = $4, next_at = clock_timestamp() + make_interval(secs => $5 / 1000.0),
    last_status = nullif($6, 0), last_error = $7,
    delivered_at = CASE WHEN $4 = 'delivered' THEN clock_timestamp() END
WHERE tenant_id = $1 AND outbox_id = $2 AND endpoint_id = $3 AND status = 'pending';

-- name: hook_disable
-- params: tenant int4, endpoint int8, reason text
UPDATE hook_endpoint SET enabled = false, disabled_reason = $3 WHERE tenant_id = $1 AND id = $2;

-- name: hook_callback_keys
-- params: tenant int4, endpoint int8
SELECT e.secret, CASE WHEN e.old_until > clock_timestamp() THEN e.old_secret END, e.callback_key,
       e.person
FROM hook_endpoint e JOIN person p ON p.tenant_id = e.tenant_id AND p.name = e.person AND p.enabled
WHERE e.tenant_id = $1 AND e.id = $2 AND e.enabled;

-- name: hook_seen_put
-- No row when the message was seen before; forgets what is older than the longest retry schedule.
-- params: tenant int4, endpoint int8, message text
WITH old AS (
    DELETE FROM hook_seen WHERE tenant_id = $1 AND seen_at < clock_timestamp() - interval '7 days'
)
INSERT INTO hook_seen (tenant_id, endpoint_id, message_id) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING message_id;

-- name: hook_seen_drop
-- params: tenant int4, endpoint int8, message text
DELETE FROM hook_seen WHERE tenant_id = $1 AND endpoint_id = $2 AND message_id = $3;

-- name: hook_endpoint_put
-- params: tenant int4, id int8, url text, secret bytea, seed bytea, events text, person text, allow_private bool
INSERT INTO hook_endpoint (tenant_id, id, url, secret, sign_seed, events, person, allow_private)
SELECT $1, $2, $3, $4, $5, string_to_array($6, ','), $7, $8
WHERE $7::text IS NULL OR EXISTS (SELECT 1 FROM person p WHERE p.tenant_id = $1 AND p.name = $7)
RETURNING id AS endpoint;

-- name: hook_endpoint_rotate
-- The old secret stays valid beside the new one for `overlap_s`.
-- params: tenant int4, id int8, secret bytea, overlap_s int4
UPDATE hook_endpoint
SET old_secret = secret, old_until = clock_timestamp() + make_interval(secs => $4), secret = $3
WHERE tenant_id = $1 AND id = $2 RETURNING id AS endpoint;

-- name: hook_secrets
-- params: tenant int4
SELECT id, secret, old_secret, sign_seed FROM hook_endpoint WHERE tenant_id = $1 ORDER BY id;

-- name: hook_secrets_put
-- NULL leaves a column as it is.
-- params: tenant int4, id int8, secret bytea, old bytea, seed bytea
UPDATE hook_endpoint
SET secret = coalesce($3, secret), old_secret = coalesce($4, old_secret), sign_seed = coalesce($5, sign_seed)
WHERE tenant_id = $1 AND id = $2 RETURNING id AS endpoint;

-- name: hook_endpoint_enable
-- params: tenant int4, id int8, enabled bool
UPDATE hook_endpoint
SET enabled = $3, disabled_reason = CASE WHEN NOT $3 THEN 'by hand' END
WHERE tenant_id = $1 AND id = $2 RETURNING id AS endpoint;

-- name: hook_redrive
-- Dead letters of one endpoint (0: of all) become due now, with a fresh schedule.
-- params: tenant int4, endpoint int8
UPDATE hook_delivery SET status = 'pending', attempt = 0, next_at = clock_timestamp()
WHERE tenant_id = $1 AND status = 'dead' AND ($2 = 0 OR endpoint_id = $2)
RETURNING outbox_id AS message;

-- name: hook_list
-- params: tenant int4
SELECT e.id, e.url, array_to_string(e.events, ',') AS events, e.enabled, e.person, e.disabled_reason,
       count(d.*) FILTER (WHERE d.status = 'pending') AS pending,
       count(d.*) FILTER (WHERE d.status = 'dead') AS dead, e.old_until > clock_timestamp() AS rotating
FROM hook_endpoint e
LEFT JOIN hook_delivery d ON d.tenant_id = e.tenant_id AND d.endpoint_id = e.id AND d.status <> 'delivered'
WHERE e.tenant_id = $1 GROUP BY e.tenant_id, e.id ORDER BY e.id;
