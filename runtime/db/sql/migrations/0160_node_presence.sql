-- 0160_node_presence: a node that is gone is known at once, not only when its lease has run out.  While it lives it
-- holds the advisory lock of its number on a connection of its own; `present` says that it has held it, so that the
-- lock speaks for it.  The server frees the lock when the connection's client is gone.  See runtime/journal/lease.h.
ALTER TABLE node ADD COLUMN present boolean NOT NULL DEFAULT false;

-- The heartbeat of a node that may hold its lock; otherwise like reeve_node_beat.
CREATE FUNCTION reeve_node_here(here_node bigint, here_host text, here_pid int, lease interval, holds boolean)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
BEGIN
    UPDATE node SET lease_until = clock_timestamp() + lease, present = present OR holds
     WHERE node_id = here_node AND lease_until > clock_timestamp();
    IF FOUND THEN
        RETURN true;
    END IF;
    INSERT INTO node (node_id, host, pid, lease_until, present)
    VALUES (here_node, here_host, here_pid, clock_timestamp() + lease, holds)
    ON CONFLICT (node_id) DO NOTHING; -- a lease that ran out is never revived: a new start, a new id
    RETURN FOUND;
END $$;

-- The lease of other nodes whose lock is free ends now.  The lock is taken for the length of this transaction, so a node
-- that comes back waits until it can see that its lease has ended.  Just after the server's start nobody has come back
-- yet.
CREATE FUNCTION reeve_nodes_gone(but_node bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    other bigint;
BEGIN
    IF pg_postmaster_start_time() > clock_timestamp() - interval '3 seconds' THEN
        RETURN;
    END IF;
    FOR other IN SELECT n.node_id FROM node n
                  WHERE n.present AND n.lease_until > clock_timestamp() AND n.node_id <> but_node
                  ORDER BY n.node_id LOOP
        IF pg_try_advisory_xact_lock_shared(other) THEN
            UPDATE node n SET lease_until = clock_timestamp() WHERE n.node_id = other;
        END IF;
    END LOOP;
END $$;

-- Takes companies that nobody alive drives, as reeve_lease_claim does.  The row of company 0, if there is one, has the number
-- of companies that could be taken, were somebody not writing to them just now.
CREATE FUNCTION reeve_lease_take(take_node bigint, only_tenant int, most int)
RETURNS TABLE (tenant_id int, epoch bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    busy bigint;
BEGIN
    PERFORM reeve_nodes_gone(take_node);
    RETURN QUERY
    UPDATE tenant_head h SET owner_node = take_node, epoch = h.epoch + 1
     WHERE h.tenant_id IN (
           SELECT f.tenant_id FROM tenant_head f
             LEFT JOIN node n ON n.node_id = f.owner_node
            WHERE (only_tenant = 0 OR f.tenant_id = only_tenant)
              AND (f.owner_node IS NULL OR n.node_id IS NULL OR n.lease_until <= clock_timestamp())
            ORDER BY f.tenant_id
            LIMIT most
              FOR UPDATE OF f SKIP LOCKED)
       AND EXISTS (SELECT FROM node n WHERE n.node_id = take_node AND n.lease_until > clock_timestamp())
    RETURNING h.tenant_id, h.epoch;
    SELECT count(*) INTO busy FROM tenant_head f
      LEFT JOIN node n ON n.node_id = f.owner_node
     WHERE (only_tenant = 0 OR f.tenant_id = only_tenant)
       AND (f.owner_node IS NULL OR n.node_id IS NULL OR n.lease_until <= clock_timestamp());
    IF busy > 0 THEN
        RETURN QUERY SELECT 0, busy;
    END IF;
END $$;
