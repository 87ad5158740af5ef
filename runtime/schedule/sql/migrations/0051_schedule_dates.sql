-- 0051_schedule_dates: days on which a schedule rests, and fires that somebody asked for afterwards.

ALTER TABLE schedule ADD COLUMN except_dates date[] NOT NULL DEFAULT '{}'; -- in the schedule's zone
ALTER TABLE schedule_fire ADD COLUMN backfill boolean NOT NULL DEFAULT false; -- waits, is never skipped
