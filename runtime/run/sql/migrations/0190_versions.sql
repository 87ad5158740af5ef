-- 0190_versions: which version of an agent new runs take, and who changed that.
--   agent.canary_hash, canary_percent   so many of 100 new runs take this version instead of the active one
--   agent_change                        every change of the two, newest last; `before` is what was active
ALTER TABLE agent
    ADD COLUMN canary_hash bytea,
    ADD COLUMN canary_percent smallint CHECK (canary_percent BETWEEN 1 AND 100),
    ADD CONSTRAINT agent_canary CHECK ((canary_hash IS NULL) = (canary_percent IS NULL));

CREATE TABLE agent_change (
    tenant_id int NOT NULL, agent text NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY,
    what      text NOT NULL CHECK (what IN ('publish', 'activate', 'canary', 'promote', 'rollback')),
    hash      bytea NOT NULL, before bytea, percent smallint,
    by        text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, agent, id)
);
