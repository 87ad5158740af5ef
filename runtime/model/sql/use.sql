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

-- name: model_answer_add
-- What made a choice of an answer of the API.
-- params: tenant int4, id text, choice int4, outcome text, model text, hash text, adapter text, adapter_hash text, template text, sampler text, seed int8, prompt int8, cached int8, answer int8, thinking int8
INSERT INTO model_answer (tenant_id, id, choice, outcome, model, hash, adapter, adapter_hash, template, sampler, seed,
                          prompt_tokens, cached_tokens, answer_tokens, thinking_tokens)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- name: model_answer
-- params: tenant int4, id text
SELECT jsonb_build_object('id', $2, 'choices', jsonb_agg(c.made ORDER BY c.choice))
  FROM (SELECT a.choice, jsonb_build_object('index', a.choice,
                   'at', to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                   'outcome', a.outcome, 'model', a.model, 'hash', a.hash, 'template', a.template, 'sampler', a.sampler,
                   'seed', a.seed, 'usage', jsonb_build_object('prompt_tokens', a.prompt_tokens,
                   'cached_tokens', a.cached_tokens, 'completion_tokens', a.answer_tokens,
                   'reasoning_tokens', a.thinking_tokens))
               || CASE WHEN a.adapter IS NULL THEN '{}'::jsonb
                       ELSE jsonb_build_object('adapter', jsonb_build_object('name', a.adapter, 'hash', a.adapter_hash)) END
               AS made
          FROM model_answer a WHERE a.tenant_id = $1 AND a.id = $2) AS c
HAVING count(*) > 0;
