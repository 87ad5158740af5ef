-- 0250_schedule_paused_by: who paused a schedule, and a pause after failures that says that it happened, so
-- that the transaction that makes it can put it on the record.

ALTER TABLE schedule ADD COLUMN paused_by text; -- a person, or system:schedule; NULL unless paused

-- Counts failures in a row; too many pause the schedule.  Gives the reason of such a pause, NULL else.
DROP FUNCTION reeve_schedule_strike(int, text, int, boolean, text);
CREATE FUNCTION reeve_schedule_strike(of_tenant int, of_schedule text, failed int, succeeded boolean,
                                      why text) RETURNS text
LANGUAGE sql VOLATILE AS
$$
    UPDATE schedule s
    SET failures = n.failures,
        status = CASE WHEN n.too_many THEN 'paused' ELSE s.status END,
        paused_until = CASE WHEN n.too_many THEN NULL ELSE s.paused_until END,
        paused_by = CASE WHEN n.too_many THEN 'system:schedule' ELSE s.paused_by END,
        next_at = CASE WHEN n.too_many THEN NULL ELSE s.next_at END,
        due_at = CASE WHEN n.too_many THEN NULL ELSE s.due_at END,
        reason = CASE WHEN n.too_many THEN
            format('%s failures in a row; the last: %s', n.failures, coalesce(why, 'no reason given'))
            ELSE s.reason END
    FROM (SELECT o.name, o.total AS failures,
                 o.pause_after > 0 AND o.total >= o.pause_after AND o.status = 'active' AS too_many
          FROM (SELECT name, pause_after, status,
                       CASE WHEN succeeded THEN 0 ELSE failures END + failed AS total
                FROM schedule WHERE tenant_id = of_tenant AND name = of_schedule FOR UPDATE) o) n
    WHERE s.tenant_id = of_tenant AND s.name = n.name
    RETURNING CASE WHEN n.too_many THEN s.reason END
$$;
