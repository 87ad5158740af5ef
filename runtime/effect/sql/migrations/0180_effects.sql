-- 0180_effects: what agents may do outside, through connectors; each intent with its attempts and outcome.
--   connector       a destination that an administrator has set up.  `secret` is sealed with the hook key.
--   effect_intent   one row for each external effect, written with the gate's decision, before any attempt:
--                     intended    nothing was sent
--                     attempting  attempt number `attempt` is or was on its way, until `until` at the latest
--                     retry       known not to have happened; tried again at `until`
--                     unclear     may have happened; the connector's rule looks at `until`
--                     person      may have happened, and only a person can find out
--                     done, failed
--   effect_log      what happened to an intent, in order; only grows
CREATE TABLE connector (
    tenant_id int NOT NULL, name text NOT NULL,
    id bigint NOT NULL,                           -- of this secret's seal
    kind text NOT NULL CHECK (kind IN ('http', 'mail', 'file')),
    target text NOT NULL,                         -- URL or directory
    reconcile text NOT NULL CHECK (reconcile IN ('person', 'repeat', 'status', 'look')),
    settings jsonb NOT NULL,                      -- see runtime/effect/connector.h
    secret bytea, version int NOT NULL DEFAULT 1, enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, name)
);
CREATE TABLE effect_intent (
    tenant_id int NOT NULL, run_id bigint NOT NULL, seq int NOT NULL,
    key text NOT NULL, action text NOT NULL, connector text NOT NULL, args jsonb NOT NULL,
    state text NOT NULL DEFAULT 'intended'
        CHECK (state IN ('intended', 'attempting', 'retry', 'unclear', 'person', 'done', 'failed')),
    attempt int NOT NULL DEFAULT 0, looks int NOT NULL DEFAULT 0, until timestamptz,
    cancel text,                                  -- why the run shall stop when the outcome is known
    outcome jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, run_id, seq)
) WITH (fillfactor = 70);
CREATE INDEX effect_open ON effect_intent (tenant_id, run_id) WHERE state NOT IN ('done', 'failed');
CREATE TABLE effect_log (
    tenant_id int NOT NULL, run_id bigint NOT NULL, seq int NOT NULL, n bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(), what text NOT NULL, detail jsonb NOT NULL,
    PRIMARY KEY (tenant_id, run_id, seq, n)
);
