-- 0045_hooks: keys and people of hook endpoints, and which callbacks were seen.

ALTER TABLE hook_endpoint
    ADD COLUMN person text,             -- callbacks vote as this person; NULL: callbacks are refused
    ADD COLUMN sign_seed bytea,         -- Ed25519 seed for v1a signatures; NULL: only v1
    ADD COLUMN callback_key bytea,      -- Ed25519 public key of the other side; NULL: only v1
    ADD COLUMN disabled_reason text;

-- Replay store: one row per callback message that was accepted.
CREATE TABLE hook_seen (
    tenant_id int NOT NULL, endpoint_id bigint NOT NULL, message_id text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, endpoint_id, message_id)
);
CREATE INDEX hook_seen_age ON hook_seen (tenant_id, seen_at);
CREATE INDEX hook_due_tenant ON hook_delivery (tenant_id, next_at) WHERE status = 'pending';

-- Which tenants have something to send, for the node's one sender.
CREATE FUNCTION reeve_hook_tenants() RETURNS SETOF int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT t.tenant_id FROM tenant t
    WHERE EXISTS (SELECT FROM hook_endpoint e WHERE e.tenant_id = t.tenant_id AND e.enabled)
      AND (EXISTS (SELECT FROM outbox o WHERE o.tenant_id = t.tenant_id AND NOT o.fanned_out)
           OR EXISTS (SELECT FROM hook_delivery d WHERE d.tenant_id = t.tenant_id
                      AND d.status = 'pending' AND d.next_at <= clock_timestamp()))
$$;
