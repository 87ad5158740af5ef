-- 0120_model_use: the tokens that a company used, by day, model and agent.

CREATE TABLE model_use (
    tenant_id     int4 NOT NULL REFERENCES tenant,
    day           date NOT NULL,
    model         text NOT NULL,              -- the name of what answered
    agent         text NOT NULL,              -- '' : asked through the API
    person        text NOT NULL,              -- '' : asked by an agent
    requests      int8 NOT NULL DEFAULT 0,
    prompt_tokens int8 NOT NULL DEFAULT 0,
    cached_tokens int8 NOT NULL DEFAULT 0,    -- of the prompt's
    answer_tokens int8 NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, day, model, agent, person)
);
