-- 0030_node_functions: the few things that look across tenants, each a SECURITY DEFINER function of
-- the owner with a fixed search path.  Everything else needs a tenant.

CREATE FUNCTION reeve_tenants() RETURNS TABLE (tenant_id int, name text, company jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ SELECT t.tenant_id, t.name, t.company FROM tenant t ORDER BY t.tenant_id $$;

CREATE FUNCTION reeve_tenant_create(new_name text, new_company jsonb) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    made int;
BEGIN
    LOCK TABLE tenant IN SHARE ROW EXCLUSIVE MODE;
    SELECT t.tenant_id INTO made FROM tenant t WHERE t.name = new_name;
    IF made IS NOT NULL THEN
        RETURN -made; -- exists: negative, so that the caller can say so
    END IF;
    SELECT coalesce(max(t.tenant_id), 0) + 1 INTO made FROM tenant t;
    INSERT INTO tenant (tenant_id, name, company) VALUES (made, new_name, new_company);
    INSERT INTO tenant_head (tenant_id) VALUES (made);
    RETURN made;
END $$;

-- One heartbeat for everything a node owns; database time, never the node's.
CREATE FUNCTION reeve_node_beat(beat_node bigint, beat_host text, beat_pid int, lease interval)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
BEGIN
    UPDATE node SET lease_until = clock_timestamp() + lease
     WHERE node_id = beat_node AND lease_until > clock_timestamp();
    IF FOUND THEN
        RETURN true;
    END IF;
    INSERT INTO node (node_id, host, pid, lease_until)
    VALUES (beat_node, beat_host, beat_pid, clock_timestamp() + lease)
    ON CONFLICT (node_id) DO NOTHING; -- a lease that ran out is never revived: a new start, a new id
    RETURN FOUND;
END $$;

-- Takes tenants that nobody alive drives; `only_tenant` 0 takes any. The UPDATE is the authority.
CREATE FUNCTION reeve_lease_claim(claim_node bigint, only_tenant int, most int)
RETURNS TABLE (tenant_id int, epoch bigint)
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    UPDATE tenant_head h SET owner_node = claim_node, epoch = h.epoch + 1
     WHERE h.tenant_id IN (
           SELECT f.tenant_id FROM tenant_head f
             LEFT JOIN node n ON n.node_id = f.owner_node
            WHERE (only_tenant = 0 OR f.tenant_id = only_tenant)
              AND (f.owner_node IS NULL OR n.node_id IS NULL OR n.lease_until <= clock_timestamp())
            ORDER BY f.tenant_id
            LIMIT most
              FOR UPDATE OF f SKIP LOCKED)
       AND EXISTS (SELECT FROM node n WHERE n.node_id = claim_node AND n.lease_until > clock_timestamp())
    RETURNING h.tenant_id, h.epoch
$$;

CREATE FUNCTION reeve_lease_held(held_node bigint) RETURNS TABLE (tenant_id int, epoch bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ SELECT h.tenant_id, h.epoch FROM tenant_head h WHERE h.owner_node = held_node $$;

CREATE FUNCTION reeve_lease_release(gone_node bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    UPDATE tenant_head SET owner_node = NULL WHERE owner_node = gone_node;
    DELETE FROM node WHERE node_id = gone_node;
$$;
