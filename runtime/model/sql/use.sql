-- name: model_use_add
-- Adds one answer to the day's sums.
-- params: tenant int4, model text, agent text, person text, prompt int8, cached int8, answer int8
INSERT INTO model_use (tenant_id, day, model, agent, person, requests, prompt_tokens, cached_tokens, answer_tokens)
VALUES ($1, (now() AT TIME ZONE 'UTC')::date, $2, $3, $4, 1, $5, $6, $7)
ON CONFLICT (tenant_id, day, model, agent, person) DO UPDATE
SET requests = model_use.requests + 1,
    prompt_tokens = model_use.prompt_tokens + EXCLUDED.prompt_tokens,
    cached_tokens = model_use.cached_tokens + EXCLUDED.cached_tokens,
    answer_tokens = model_use.answer_tokens + EXCLUDED.answer_tokens;

-- name: model_use_today
-- Tokens of today (UTC), and the seconds until tomorrow.
-- params: tenant int4
SELECT coalesce(sum(prompt_tokens + answer_tokens), 0)::int8 AS tokens,
       (86400 - extract(epoch FROM now() AT TIME ZONE 'UTC')::int8 % 86400)::int8 AS seconds
FROM model_use WHERE tenant_id = $1 AND day = (now() AT TIME ZONE 'UTC')::date;
