-- 0010_core: tenants, nodes, leases, runs, the journal.  Design: hot `run` row touched only on status
-- change; append-only `journal` partitioned by run id (ids sort by start time), so that retention is
-- DROP/DETACH of a partition.  Every tenant table has row-level security (forced).

CREATE TABLE tenant (
    tenant_id  int PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    company    jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row per process start: the identity is never reused, one heartbeat renews everything it owns.
CREATE TABLE node (
    node_id     bigint PRIMARY KEY,
    host        text NOT NULL,
    pid         int NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz NOT NULL
);

-- The head of everything a tenant writes; locked once per group commit, so it orders writers and
-- fences them.  `epoch` rises whenever another node takes the tenant's runs.
CREATE TABLE tenant_head (
    tenant_id      int PRIMARY KEY REFERENCES tenant,
    owner_node     bigint,                       -- node that drives the tenant's runs; NULL = nobody
    epoch          bigint NOT NULL DEFAULT 0,
    last_batch     bigint NOT NULL DEFAULT 0,    -- id of the last commit: resolves a lost answer
    event_seq      bigint NOT NULL DEFAULT 0,    -- last used sequence of `event`
    event_hash     bytea  NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    audit_size     bigint NOT NULL DEFAULT 0,    -- number of audit records
    audit_frontier bytea  NOT NULL DEFAULT '',   -- RFC 6962 compact range: log2(size) hashes
    checkpoint_size bigint NOT NULL DEFAULT 0,
    checkpoint_at  timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);

CREATE TABLE plan_source (                        -- Lua text by content; runs are pinned to its hash
    tenant_id int NOT NULL, hash bytea NOT NULL, agent text NOT NULL, version text NOT NULL,
    manifest jsonb NOT NULL, source text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(), published_by text NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
CREATE TABLE agent (                              -- which version new runs take
    tenant_id int NOT NULL, name text NOT NULL, active_hash bytea NOT NULL, owner text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE run (
    tenant_id    int NOT NULL,
    id           bigint NOT NULL,
    agent        text NOT NULL,
    plan_hash    bytea NOT NULL,
    status       text NOT NULL CHECK (status IN ('created','planning','executing','waiting','reviewing',
                 'compensating','done','failed','cancelled','compensated','diverged')),
    waiting_on   text,                            -- approval | timer | signal | model
    wake_at      timestamptz,
    business_key text,                            -- e.g. exception key; claim of the orchestrator
    parent       bigint,
    depth        smallint NOT NULL DEFAULT 0,
    attempt      int NOT NULL DEFAULT 0,
    error_code   text, error_text text,
    steps        int NOT NULL DEFAULT 0,          -- written on status change only
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 70);
CREATE INDEX run_open ON run (tenant_id, id) WHERE status NOT IN ('done','failed','cancelled','compensated','diverged');
CREATE INDEX run_timer ON run (wake_at) WHERE status = 'waiting' AND wake_at IS NOT NULL;
-- one open run per business key: the claim
CREATE UNIQUE INDEX run_claim ON run (tenant_id, business_key)
    WHERE business_key IS NOT NULL AND status NOT IN ('done','failed','cancelled','compensated','diverged');

CREATE TABLE run_input  (tenant_id int NOT NULL, run_id bigint NOT NULL, input jsonb NOT NULL, budget jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, run_id));
CREATE TABLE run_result (tenant_id int NOT NULL, run_id bigint NOT NULL, result jsonb NOT NULL,
    PRIMARY KEY (tenant_id, run_id));

-- kind: 1 read, 2 model, 3 memory, 4 timer, 5 signal, 6 plan, 7 action, 8 approval, 9 outcome,
--       10 compensation, 11 review, 12 note
CREATE TABLE journal (
    tenant_id int      NOT NULL,
    run_id    bigint   NOT NULL,
    seq       int      NOT NULL,
    kind      smallint NOT NULL,
    name      text     NOT NULL,
    digest    bytea    NOT NULL,                  -- first 16 bytes of SHA-256 of the canonical arguments
    out       bytea    NOT NULL,                  -- version byte 1 = compact JSON text follows; 2 = blob hash
    PRIMARY KEY (run_id, seq)
) PARTITION BY RANGE (run_id);
CREATE TABLE journal_default PARTITION OF journal DEFAULT;

CREATE TABLE blob (tenant_id int NOT NULL, hash bytea NOT NULL, part int NOT NULL, bytes bytea NOT NULL,
    PRIMARY KEY (tenant_id, hash, part));

CREATE TABLE run_signal (
    tenant_id int NOT NULL, run_id bigint NOT NULL, id bigint NOT NULL, name text NOT NULL,
    body jsonb NOT NULL, sent_by text NOT NULL, sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    consumed_seq int,
    PRIMARY KEY (tenant_id, run_id, id)
);
CREATE INDEX run_signal_cancel ON run_signal (tenant_id, id) WHERE name = '$cancel' AND consumed_seq IS NULL;

CREATE TABLE agent_memory (
    tenant_id int NOT NULL, agent text NOT NULL, key text NOT NULL, value jsonb NOT NULL,
    run_id bigint NOT NULL, changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, agent, key)
);
