-- 0020_governance: policy bundles, limits, approvals, audit, outbox, people.

CREATE TABLE policy_bundle (
    tenant_id int NOT NULL, hash bytea NOT NULL, name text NOT NULL, source text NOT NULL,
    canonical text NOT NULL, loaded_by text NOT NULL, loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, hash)
);
CREATE TABLE policy_active (tenant_id int PRIMARY KEY, hash bytea NOT NULL);

-- Rolling limits: conservative buckets (a bucket counts until it is wholly outside the window).
CREATE TABLE limit_use (
    tenant_id int NOT NULL, rule text NOT NULL, key text NOT NULL, bucket timestamptz NOT NULL,
    used bigint NOT NULL DEFAULT 0, held bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, rule, key, bucket)
) WITH (fillfactor = 70);

CREATE TABLE approval (
    tenant_id    int NOT NULL,
    id           bigint NOT NULL,
    run_id       bigint,                          -- NULL for a person's own request
    command_id   text NOT NULL,                   -- of the request: asking again with it asks nobody twice
    seq          int,
    status       text NOT NULL CHECK (status IN ('requested','approved','rejected','expired','consumed','void')),
    action       text NOT NULL,
    args         jsonb NOT NULL,
    resource     text,                            -- business key, e.g. 'invoice:42'
    resource_version int,
    digest       bytea NOT NULL,                  -- what exactly will execute; see approval.h
    policy_hash  bytea NOT NULL,
    rules        text[] NOT NULL,                 -- the policy rules that asked
    stages       jsonb NOT NULL,                  -- [{role, n}]
    never        jsonb NOT NULL,                  -- principals who may not decide: requester, agent owner
    agent        text, requested_by text NOT NULL,
    reason       text, evidence jsonb NOT NULL DEFAULT '[]', facts jsonb NOT NULL DEFAULT '{}',
    limits       jsonb NOT NULL DEFAULT '[]',     -- reservations: [{rule, key, bucket_us, adds}]
    effect       jsonb NOT NULL DEFAULT '{}',     -- dry run: events and balances, what the approver sees
    exception_key bytea,
    amount       bigint, currency text,
    tier         smallint NOT NULL DEFAULT 2,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,
    escalate_at  timestamptz, escalate_to text, escalated boolean NOT NULL DEFAULT false,
    decided_at   timestamptz, consumed_at timestamptz,
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 70);
CREATE INDEX approval_open ON approval (tenant_id, requested_at, id) WHERE status = 'requested';
CREATE INDEX approval_command ON approval (tenant_id, command_id) WHERE run_id IS NULL;
CREATE INDEX approval_granted ON approval (tenant_id, id) WHERE status = 'approved' AND run_id IS NULL;
CREATE INDEX approval_run ON approval (tenant_id, run_id) WHERE run_id IS NOT NULL;
CREATE TABLE approval_vote (
    tenant_id int NOT NULL, approval_id bigint NOT NULL, person text NOT NULL, role text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('approve','reject')), digest bytea NOT NULL,
    comment text NOT NULL DEFAULT '', channel text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, approval_id, person)
);

CREATE TABLE audit_record (
    tenant_id int NOT NULL, seq bigint NOT NULL,          -- 0-based leaf index
    at timestamptz NOT NULL, kind text NOT NULL,          -- decision | outcome | admin | seal...
    run_id bigint, step int, body text NOT NULL,          -- canonical JSON, exactly what is hashed
    leaf bytea NOT NULL,                                  -- RFC 6962 leaf hash of body
    PRIMARY KEY (tenant_id, seq)
);
CREATE TABLE audit_checkpoint (
    tenant_id int NOT NULL, size bigint NOT NULL, root bytea NOT NULL, note text NOT NULL,  -- c2sp tlog-checkpoint, signed
    at timestamptz NOT NULL, PRIMARY KEY (tenant_id, size)
);
CREATE TABLE node_key (name text PRIMARY KEY, public_key bytea NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp());

CREATE TABLE hook_endpoint (
    tenant_id int NOT NULL, id bigint NOT NULL, url text NOT NULL, secret bytea NOT NULL, old_secret bytea, old_until timestamptz,
    events text[] NOT NULL DEFAULT '{}', enabled boolean NOT NULL DEFAULT true, allow_private boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (tenant_id, id)
);
CREATE TABLE outbox (                                     -- one row per message, written with its cause
    tenant_id int NOT NULL, id bigint NOT NULL, event text NOT NULL, body jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(), fanned_out boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX outbox_new ON outbox (tenant_id, id) WHERE NOT fanned_out;
CREATE TABLE hook_delivery (
    tenant_id int NOT NULL, outbox_id bigint NOT NULL, endpoint_id bigint NOT NULL,
    status text NOT NULL CHECK (status IN ('pending','delivered','dead')), attempt int NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(), last_status int, last_error text, delivered_at timestamptz,
    PRIMARY KEY (tenant_id, outbox_id, endpoint_id)
) WITH (fillfactor = 70);
CREATE INDEX hook_due ON hook_delivery (next_at) WHERE status = 'pending';

CREATE TABLE person (
    tenant_id int NOT NULL, name text NOT NULL, password_hash text, roles text[] NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true, created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, name)
);
CREATE TABLE api_token (
    tenant_id int NOT NULL, id bigint NOT NULL, person text NOT NULL, token_hash bytea NOT NULL, label text NOT NULL,
    expires_at timestamptz, revoked_at timestamptz, created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE web_session (
    tenant_id int NOT NULL, token_hash bytea NOT NULL, person text NOT NULL, csrf text NOT NULL,
    expires_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, token_hash)
);
