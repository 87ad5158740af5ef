-- 0200_messages: what a run tells, and what it is asked, while it goes on.
--   published values   journal entries of kind 21, named publish.NAME; the newest of a name is its value
--   run_update         what was asked of a run under which id; the body travels as the signal $update.NAME, the
--                      answer is the journal entry of kind 22 named reply.ID
--   forks              which run goes on for which (run_input.forked), for dead letters
CREATE INDEX journal_message ON journal (run_id, name, seq) WHERE kind IN (21, 22);
CREATE INDEX run_input_forked ON run_input (tenant_id, ((input->'forked')->>'run')) WHERE input ? 'forked';
CREATE INDEX run_dead ON run (tenant_id, id) WHERE status IN ('failed', 'compensated', 'diverged');

CREATE TABLE run_update (
    tenant_id int NOT NULL, run_id bigint NOT NULL,
    id text NOT NULL,                             -- the asker's, or made for it
    signal bigint NOT NULL,                       -- run_signal.id
    name text NOT NULL,
    digest bytea NOT NULL,                        -- SHA-256 of the canonical body as it was sent
    sent_by text NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, run_id, id)
);

-- How an update stands: accepted, taken (the plan has it), answered or refused; a run that is over has refused
-- what it has not answered.  The first answer counts.
CREATE FUNCTION run_update_shown(in_tenant int, u run_update) RETURNS jsonb
LANGUAGE sql STABLE AS $f$
SELECT jsonb_build_object('run', 'r_' || u.run_id, 'id', u.id, 'name', u.name, 'sent_by', u.sent_by, 'sent_at', u.sent_at)
    || CASE WHEN a.said IS NOT NULL THEN a.said - 'ok' - 'value' || jsonb_build_object('step', a.seq)
            WHEN r.status IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
            THEN jsonb_build_object('state', 'refused', 'reason',
                     'the run ended before it answered: ' || r.status || coalesce(', ' || r.error_text, ''))
            WHEN s.consumed_seq IS NOT NULL THEN jsonb_build_object('state', 'taken')
            ELSE jsonb_build_object('state', 'accepted') END
  FROM run r
  LEFT JOIN run_signal s ON s.tenant_id = in_tenant AND s.run_id = u.run_id AND s.id = u.signal
  LEFT JOIN LATERAL (
       SELECT j.seq, convert_from(substr(CASE WHEN get_byte(j.out, 0) = 2 THEN reeve_journal_out(in_tenant, j.out)
                                              ELSE j.out END, 2), 'UTF8')::jsonb AS said
         FROM journal j
        WHERE j.tenant_id = in_tenant AND j.run_id = u.run_id AND j.kind = 22 AND j.name = 'reply.' || u.id
        ORDER BY j.seq LIMIT 1) a ON true
 WHERE r.tenant_id = in_tenant AND r.id = u.run_id
$f$;
