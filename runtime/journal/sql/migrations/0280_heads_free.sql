-- 0280_heads_free: a company whose owner's lease is over, and whose head is still locked.  The owner stands still in the
-- middle of sending a batch: the server has executed what came, and waits for the rest.  To the server that is no idle
-- transaction, so idle_in_transaction_session_timeout does not end it.
--
-- Ends the sessions that hold a head and have waited for their client longer than `longer`; says how many.  With the
-- login's own rights, which suffice where all nodes have one login, and only within this transaction; of other logins
-- nothing is seen, and nothing ended.  A node that lives and is only slow decides its batch again.
CREATE FUNCTION reeve_heads_free(longer interval) RETURNS int
LANGUAGE plpgsql SET search_path FROM CURRENT AS
$$
DECLARE
    held int;
    ended int := 0;
BEGIN
    PERFORM set_config('role', 'none', true);
    FOR held IN SELECT a.pid FROM pg_stat_activity a
                 WHERE a.datname = current_database() AND a.usename = current_user AND a.pid <> pg_backend_pid()
                   AND a.wait_event = 'ClientRead' AND a.state_change < clock_timestamp() - longer
                   AND EXISTS (SELECT FROM pg_locks l
                                WHERE l.pid = a.pid AND l.relation = 'tenant_head'::regclass AND l.granted
                                  AND l.mode IN ('RowShareLock', 'RowExclusiveLock')) LOOP
        IF pg_terminate_backend(held) THEN
            ended := ended + 1;
        END IF;
    END LOOP;
    RETURN ended;
END $$;
