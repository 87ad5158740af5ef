-- 0200_messages: what a run tells, and what it is asked, while it goes on.
--   published values   journal entries of kind 21, named publish.NAME; the newest of a name is its value
--   run_update         what was asked of a run under which id; the body travels as the signal $update.NAME, the
--                      answer is the journal entry of kind 22 named reply.ID
--   run_revival        which run goes on for which dead one; one for each
CREATE INDEX journal_message ON journal (run_id, name, seq) WHERE kind IN (21, 22);
CREATE INDEX run_dead ON run (tenant_id, id) WHERE status IN ('failed', 'compensated', 'diverged');
CREATE INDEX run_dead_key ON run (tenant_id, business_key, id) WHERE status IN ('failed', 'compensated', 'diverged');

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

CREATE TABLE run_revival (
    tenant_id int NOT NULL, of_run bigint NOT NULL, run_id bigint NOT NULL,
    CONSTRAINT run_revival_once PRIMARY KEY (tenant_id, of_run)
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

-- Dead letters: runs that did not end well, and runs that are over with a message that nobody read.
--   class     what kind of thing stopped it, from its error code:
--               budget      a limit of the manifest, or a cap
--               plan        the plan itself: a mistake in it, or an answer that it did not expect
--               permission  the policy said no
--               books       the books said no, or somebody else was first
--               passing     something was away; another time it may be there
--               version     the journal and the plan do not agree
--               unread      the run is over, and nobody has read the message
--   attempts  runs for the same business that ended like this, up to this one
--   message   what it took last, or has not read
--   revived   the run that goes on for it
CREATE FUNCTION run_dead_letters(in_tenant int)
RETURNS TABLE (id bigint, agent text, version text, status text, error_code text, error_text text, class text,
               attempts bigint, steps int, business_key text, ended_at timestamptz, revived bigint, input jsonb,
               message jsonb)
LANGUAGE sql STABLE AS $f$
SELECT d.id, d.agent, p.version, d.status, d.error_code, d.error_text,
       CASE WHEN d.unread THEN 'unread'
            WHEN d.status = 'diverged' THEN 'version'
            WHEN d.error_code = 'limit' THEN 'budget'
            WHEN d.error_code = 'denied' THEN 'permission'
            WHEN d.error_code IN ('conflict', 'not_found') THEN 'books'
            WHEN d.error_code IN ('unavailable', 'timeout', 'interrupted', 'io') THEN 'passing'
            ELSE 'plan' END,
       (SELECT count(*) FROM run e WHERE e.tenant_id = in_tenant AND e.business_key = d.business_key AND e.id < d.id
           AND e.status IN ('failed', 'compensated', 'diverged')) + 1,
       d.steps, d.business_key, d.changed_at,
       (SELECT v.run_id FROM run_revival v WHERE v.tenant_id = in_tenant AND v.of_run = d.id),
       i.input - 'trace', m.message
  FROM (SELECT r.*, false AS unread FROM run r
         WHERE r.tenant_id = in_tenant AND r.status IN ('failed', 'compensated', 'diverged')
         UNION ALL
        SELECT r.*, true FROM run r
          JOIN (SELECT DISTINCT s.run_id FROM run_signal s
                 WHERE s.tenant_id = in_tenant AND s.consumed_seq IS NULL AND s.name <> '$cancel') u ON u.run_id = r.id
         WHERE r.tenant_id = in_tenant AND r.status IN ('done', 'cancelled')) d
  JOIN run_input i ON i.tenant_id = in_tenant AND i.run_id = d.id
  LEFT JOIN plan_source p ON p.tenant_id = in_tenant AND p.hash = d.plan_hash
  LEFT JOIN LATERAL (
       SELECT jsonb_build_object('kind', CASE WHEN starts_with(s.name, '$update.') THEN 'update' ELSE 'signal' END,
                  'name', regexp_replace(s.name, '^\$update\.', ''), 'body', s.body, 'sent_by', s.sent_by,
                  'sent_at', s.sent_at, 'step', s.consumed_seq) AS message
         FROM run_signal s
        WHERE s.tenant_id = in_tenant AND s.run_id = d.id AND s.name <> '$cancel'
          AND (s.consumed_seq IS NULL OR NOT d.unread)
        ORDER BY s.consumed_seq DESC NULLS LAST, s.id LIMIT 1) m ON true
$f$;
