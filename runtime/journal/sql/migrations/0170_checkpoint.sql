-- 0170_checkpoint: no ceiling for the history of a run.
--   journal_checkpoint   where a resume begins to read: the newest new beginning (kind 20)
--   run_signal_next      the oldest unread signal of a name, however many were read before it
CREATE INDEX journal_checkpoint ON journal (run_id, seq) WHERE kind = 20;
CREATE INDEX run_signal_next ON run_signal (tenant_id, run_id, name, id) WHERE consumed_seq IS NULL;
