-- 0035_run_due: what the question "which runs can move?" (runs_due) reads instead of all open runs: a
-- company may have a hundred thousand that wait.  Updates of a run's status are no HOT updates anyway.
CREATE INDEX run_active ON run (tenant_id, id)
    WHERE status IN ('created', 'planning', 'executing', 'reviewing', 'compensating');
CREATE INDEX run_people ON run (tenant_id, id) WHERE status = 'waiting' AND waiting_on = 'approval';
CREATE INDEX run_signal_unread ON run_signal (tenant_id, run_id) WHERE consumed_seq IS NULL AND name <> '$cancel';
