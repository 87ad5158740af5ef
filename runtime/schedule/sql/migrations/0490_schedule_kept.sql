-- 0490_schedule_kept: a node that ends in order gives its fires back, which is no loss; what was forgotten is not filled
-- in again; a terminated fire keeps its lease until what it began has heard of it.
ALTER TABLE schedule_fire ADD COLUMN losses int NOT NULL DEFAULT 0; -- nodes that died with it
-- Up to this instant there is no record of what ran.  Those of 30 days are kept: before, nobody noted how far.
ALTER TABLE schedule ADD COLUMN forgotten_to timestamptz;
UPDATE schedule SET forgotten_to = clock_timestamp() - interval '30 days' WHERE created_at < clock_timestamp() - interval '30 days';

CREATE INDEX schedule_fire_untold ON schedule_fire (tenant_id, lease_until)
    WHERE state = 'terminated' AND lease_until IS NOT NULL;

-- As in 0140; and terminated fires whose lease ran out.
CREATE OR REPLACE FUNCTION reeve_schedule_work(look_at timestamptz, version text)
RETURNS TABLE (tenant_id int, next_due timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT w.tenant_id, NULL::timestamptz FROM (
        SELECT s.tenant_id FROM schedule s WHERE s.status = 'active' AND s.due_at <= look_at
        UNION SELECT s.tenant_id FROM schedule s WHERE s.status = 'paused' AND s.paused_until <= look_at
        UNION SELECT s.tenant_id FROM schedule s WHERE s.status = 'active' AND s.tzdata = ''
        UNION SELECT s.tenant_id FROM schedule s
              WHERE version IS NOT NULL AND s.status = 'active' AND s.tzdata <> version
        UNION SELECT f.tenant_id FROM schedule_fire f WHERE f.state = 'waiting'
        UNION SELECT f.tenant_id FROM schedule_fire f
              WHERE f.state = 'running' AND f.lease_until <= clock_timestamp()
        UNION SELECT f.tenant_id FROM schedule_fire f
              WHERE f.state = 'terminated' AND f.lease_until <= clock_timestamp()) w
    UNION ALL
    SELECT 0, least((SELECT min(s.due_at) FROM schedule s WHERE s.status = 'active' AND s.due_at > look_at),
                    (SELECT min(s.backfill_at) FROM schedule s WHERE s.backfill_at > look_at))
$$;
