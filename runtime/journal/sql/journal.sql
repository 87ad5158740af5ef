-- journal.sql: runs and their steps.

-- name: journal_append
-- params: tenant int4, run int8[], seq int4[], kind int2[], name text[], digest bytea[], out bytea[]
INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)
SELECT $1, r.run, r.seq, r.kind, r.name, r.digest, r.out
  FROM unnest($2::int8[], $3::int4[], $4::int2[], $5::text[], $6::bytea[], $7::bytea[])
       AS r(run, seq, kind, name, digest, out);

-- name: run_insert
-- `attempt`: how many failed at the same key before.
-- `shares`: a run above holds the claim on the business key; where none does any more, the run claims it.
-- `input`: what is small stands in the row itself, as run_input_insert would keep it; NULL: that one is told.
-- params: tenant int4, id int8[], agent text[], plan bytea[], business_key text[], parent int8[], depth int2[], close text[], shares bool[], input jsonb[]
INSERT INTO run (tenant_id, id, agent, plan_hash, status, business_key, parent, depth, close, attempt, claims, input)
SELECT $1, r.id, r.agent, r.plan, 'created', r.business_key, nullif(r.parent, 0), r.depth, r.close,
       (SELECT count(*) FROM run e WHERE e.tenant_id = $1 AND e.business_key = r.business_key AND e.status = 'failed'),
       NOT r.shares OR NOT EXISTS (
           SELECT FROM run o WHERE o.tenant_id = $1 AND o.business_key = r.business_key AND o.claims
              AND o.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')),
       jsonb_build_object('today', to_char(clock_timestamp() AT TIME ZONE
           coalesce((SELECT t.company->>'timezone' FROM tenant t WHERE t.tenant_id = $1), 'UTC'), 'YYYY-MM-DD')) || r.input
  FROM unnest($2::int8[], $3::text[], $4::bytea[], $5::text[], $6::int8[], $7::int2[], $8::text[], $9::bool[], $10::jsonb[])
       AS r(id, agent, plan, business_key, parent, depth, close, shares, input);

-- name: run_input_insert
-- The company's date at the beginning is kept with the input: a plan sees it as ctx.today, and replay sees
-- the same one, whatever day or zone it is by then.
-- params: tenant int4, run int8[], input jsonb[], budget jsonb[]
INSERT INTO run_input (tenant_id, run_id, input, budget)
SELECT $1, r.run,
       jsonb_build_object('today', to_char(clock_timestamp() AT TIME ZONE
                                           coalesce(t.company->>'timezone', 'UTC'), 'YYYY-MM-DD')) || r.input,
       coalesce(r.budget, '{}')
  FROM unnest($2::int8[], $3::jsonb[], $4::jsonb[]) AS r(run, input, budget)
  LEFT JOIN tenant t ON t.tenant_id = $1;

-- name: run_status_set
-- params: tenant int4, id int8[], status text[], waiting_on text[], wake_at timestamptz[], error_code text[], error_text text[], steps int4[]
UPDATE run x
   SET status = r.status, waiting_on = r.waiting_on, wake_at = r.wake_at,
       error_code = coalesce(r.error_code, x.error_code), error_text = coalesce(r.error_text, x.error_text),
       steps = greatest(x.steps, r.steps), changed_at = clock_timestamp()
  FROM unnest($2::int8[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::int4[])
       AS r(id, status, waiting_on, wake_at, error_code, error_text, steps)
 WHERE x.tenant_id = $1 AND x.id = r.id;

-- name: journal_ahead
-- The next partition that is not there yet; says which, NULL when there is none to make.
-- params: unit text, ahead int4
SELECT reeve_journal_ahead($1, $2);

-- name: journal_sweep
-- What the journals of dropped periods left behind, piece by piece.
-- params: most int4
SELECT reeve_journal_sweep($1);
