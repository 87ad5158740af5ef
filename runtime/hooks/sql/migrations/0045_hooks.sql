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
