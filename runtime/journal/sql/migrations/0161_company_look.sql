-- 0161_company_look: the indexes behind the one question of an orchestrator (statement company_look).
-- What it asks about time, it asks about its own company: the next run that wakes, whatever others wait for.
DROP INDEX run_timer;
CREATE INDEX run_timer ON run (tenant_id, wake_at) WHERE status = 'waiting' AND wake_at IS NOT NULL;
-- A signal looks for its name, not through all that its run has not read yet.
DROP INDEX run_signal_unread;
CREATE INDEX run_signal_unread ON run_signal (tenant_id, run_id, name) WHERE consumed_seq IS NULL AND name <> '$cancel';
