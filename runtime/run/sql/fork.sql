-- fork.sql: a new run with the journal of another one, up to a step; see runtime/run/fork.h.

-- name: run_fork_look
-- What must be known: how the run stands, what the step is, what must not be cut through.
-- params: tenant int4, run int8, at int4, version text
SELECT jsonb_build_object(
    'status', r.status, 'agent', r.agent, 'plan', encode(r.plan_hash, 'hex'), 'key', r.business_key,
    'input', i.input, 'created_us', (extract(epoch FROM r.created_at) * 1000000)::int8,
    'steps', (SELECT coalesce(max(j.seq), 0) FROM journal j WHERE j.tenant_id = $1 AND j.run_id = $2),
    'last', (SELECT jsonb_build_object('kind', j.kind, 'name', j.name, 'result',
                 CASE WHEN j.kind = 7 AND get_byte(j.out, 0) = 1
                      THEN convert_from(substr(j.out, 2), 'UTF8')::jsonb->>'result' END)
               FROM journal j WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.seq = $3),
    -- the outcome of an action outside (kind 15) belongs to the action before it
    'outside', EXISTS (SELECT FROM journal j
                        WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.seq = $3 + 1 AND j.kind = 15),
    'plan_at', (SELECT min(j.seq) FROM journal j
                 WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.kind = 6 AND j.seq <= $3),
    'outcome', (SELECT min(j.seq) FROM journal j WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.kind = 9),
    'action', (SELECT min(j.seq) FROM journal j WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.kind = 7),
    'taken_back', EXISTS (SELECT FROM journal j WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.kind = 10),
    -- what it did after the step and has not taken back: actions and children; each of them would be done again.
    -- What is to happen outside has its outcome in the next of these entries: it may not have happened.
    'standing', (SELECT count(*) FILTER (WHERE e.kind <> 10 AND e.seq > $3) - count(*) FILTER (WHERE e.kind = 10)
                   FROM (SELECT s.*, lead(s.kind) OVER w = 15 AND NOT (lead(s.out) OVER w->>'ok')::bool AS not_done
                           FROM (SELECT j.seq, j.kind,
                                        convert_from(substr(CASE WHEN get_byte(j.out, 0) = 2 THEN reeve_journal_out($1, j.out)
                                                                 ELSE j.out END, 2), 'UTF8')::jsonb AS out
                                   FROM journal j
                                  WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.kind IN (7, 10, 13, 15)) AS s
                         WINDOW w AS (ORDER BY s.seq)) AS e
                  WHERE e.not_done IS NOT TRUE
                    AND CASE e.kind WHEN 13 THEN (e.out->>'ok')::bool WHEN 15 THEN false
                                    ELSE e.out->>'result' IN ('executed', 'repeated') END),
    'child', (SELECT 'r_' || c.id FROM run c
               WHERE c.tenant_id = $1 AND c.parent = $2
                 AND EXISTS (SELECT FROM journal s
                              WHERE s.tenant_id = $1 AND s.run_id = $2 AND s.kind = 13 AND s.seq <= $3
                                AND convert_from(substr(s.out, 2), 'UTF8')::jsonb#>>'{value,run}' = 'r_' || c.id)
                 AND NOT EXISTS (SELECT FROM journal e
                              WHERE e.tenant_id = $1 AND e.run_id = $2 AND e.kind = 14 AND e.seq <= $3
                                AND convert_from(substr(e.out, 2), 'UTF8')::jsonb#>>'{value,run}' = 'r_' || c.id)
               ORDER BY c.id LIMIT 1),
    'dropped', reeve_journal_dropped($1, r.id),
    'revived', (SELECT 'r_' || v.run_id FROM run_revival v WHERE v.tenant_id = $1 AND v.of_run = $2),
    'later', (SELECT 'r_' || max(n.id) FROM run n
               WHERE n.tenant_id = $1 AND n.business_key = r.business_key AND n.id > r.id
                 AND n.status NOT IN ('failed', 'cancelled', 'compensated', 'diverged')),
    'new_plan', (SELECT encode(p.hash, 'hex') FROM plan_source p
                  WHERE p.tenant_id = $1 AND p.agent = r.agent AND $4::text IS NOT NULL
                    AND (p.version = $4 OR (length($4) >= 8 AND starts_with(encode(p.hash, 'hex'), lower($4))))
                  ORDER BY p.published_at DESC LIMIT 1),
    'new_source', (SELECT p.source FROM plan_source p
                  WHERE p.tenant_id = $1 AND p.agent = r.agent AND $4::text IS NOT NULL
                    AND (p.version = $4 OR (length($4) >= 8 AND starts_with(encode(p.hash, 'hex'), lower($4))))
                  ORDER BY p.published_at DESC LIMIT 1))
  FROM run r
 CROSS JOIN LATERAL run_given($1, r.id, r.input) AS i
 WHERE r.tenant_id = $1 AND r.id = $2;

-- name: run_fork_copy
-- As answered: the rows as they are, and what they refer to.
-- params: tenant int4, run int8[], source int8[], at int4[]
WITH used AS (
    INSERT INTO blob_use (tenant_id, hash, run_id)
    SELECT DISTINCT $1::int, u.hash, f.run
      FROM unnest($2::int8[], $3::int8[]) AS f(run, source)
      JOIN blob_use u ON u.tenant_id = $1 AND u.run_id = f.source)
INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)
SELECT $1, f.run, j.seq, j.kind, j.name, j.digest, j.out
  FROM unnest($2::int8[], $3::int8[], $4::int4[]) AS f(run, source, at)
  JOIN journal j ON j.tenant_id = $1 AND j.run_id = f.source AND j.seq <= f.at;

-- name: run_revival_put
-- params: tenant int4, of_run int8[], run int8[]
INSERT INTO run_revival (tenant_id, of_run, run_id)
SELECT $1, v.of_run, v.run FROM unnest($2::int8[], $3::int8[]) AS v(of_run, run);

-- name: run_signal_carry
-- What the first run had not taken by then goes to the new one; the one that is named in `edited` with another body,
-- as sent now by `person`.  Not wishes to cancel; not updates: who asked those was told that the first run has
-- ended; and not what a budget was raised by: that was given to the first run, the new one asks for itself.
-- params: tenant int4, run int8[], source int8[], at int4[], edited int8[], body jsonb[], person text[]
INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by, sent_at)
SELECT $1, f.run, s.id, s.name, CASE WHEN s.id = f.edited THEN f.body ELSE s.body END,
       CASE WHEN s.id = f.edited THEN f.person ELSE s.sent_by END,
       CASE WHEN s.id = f.edited THEN clock_timestamp() ELSE s.sent_at END
  FROM unnest($2::int8[], $3::int8[], $4::int4[], $5::int8[], $6::jsonb[], $7::text[])
       AS f(run, source, at, edited, body, person)
  JOIN run_signal s ON s.tenant_id = $1 AND s.run_id = f.source AND (s.consumed_seq IS NULL OR s.consumed_seq > f.at)
 WHERE s.name NOT IN ('$cancel', '$budget') AND NOT starts_with(s.name, '$update.');
