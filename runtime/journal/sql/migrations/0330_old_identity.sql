-- 0330_old_identity: a node that could not beat in time lets go and goes on under a new number; the lease of the old one
-- runs on for a while.  Nothing may be given to that: nobody would drive it until that lease is over.

-- A node lets go of everything when a last part of its lease begins (RV_LEASE_MARGIN_MS of RV_LEASE_MS in lease.h): who
-- has not more than that left is as good as gone.
CREATE FUNCTION reeve_node_stays(n node) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path FROM CURRENT AS
$$
    SELECT n.serves AND n.lease_until > clock_timestamp() + n.lease_ms * interval '0.3 milliseconds'
$$;

-- NULL, or who else serves under this node's name.  What this process was before is over now, and what it drove is free.
CREATE OR REPLACE FUNCTION reeve_node_serve(serve_node bigint, serve_boot bigint, serve_lease_ms bigint, serve_link text,
                                            serve_mark text, serve_api text, serve_version text, serve_machine text)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    my_name text;
    other   record;
BEGIN
    SELECT n.host INTO my_name FROM node n WHERE n.node_id = serve_node;
    PERFORM pg_advisory_xact_lock(hashtext('reeve.node'), hashtext(my_name));
    SELECT o.pid, o.started_at INTO other
      FROM node o
     WHERE o.host = my_name AND o.serves AND o.boot <> serve_boot AND o.lease_until > clock_timestamp()
     LIMIT 1;
    IF FOUND THEN
        RETURN jsonb_build_object('name', my_name, 'pid', other.pid, 'since', other.started_at);
    END IF;
    UPDATE node SET lease_until = clock_timestamp()
     WHERE boot = serve_boot AND node_id <> serve_node AND lease_until > clock_timestamp();
    UPDATE node SET boot = serve_boot, serves = true, lease_ms = serve_lease_ms, link = serve_link,
           link_mark = serve_mark, api = serve_api, version = serve_version, machine = serve_machine
     WHERE node_id = serve_node;
    RETURN NULL;
END $$;

-- Companies that this node is to give away, and to whom: the largest one that makes the difference to the
-- least loaded node smaller, again and again.  A company that has just moved stays for a while.
CREATE OR REPLACE FUNCTION reeve_placement_propose(from_node bigint, most int) RETURNS TABLE (tenant_id int, to_node bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    mine real;
    other record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('reeve.placement'), 0);
    -- what was proposed to somebody who died, or by somebody who forgot it
    UPDATE placement p SET moving_to = NULL
     WHERE p.moving_to IS NOT NULL
       AND (p.moving_since < clock_timestamp() - interval '15 seconds'
            OR NOT EXISTS (SELECT FROM node n WHERE n.node_id = p.moving_to AND reeve_node_stays(n)));
    FOR i IN 1 .. most LOOP
        SELECT coalesce(sum(coalesce(p.load, 1)), 0) INTO mine
          FROM tenant_head h LEFT JOIN placement p ON p.tenant_id = h.tenant_id
         WHERE coalesce(p.moving_to, h.owner_node) = from_node;
        SELECT n.node_id, coalesce(sum(l.load), 0) AS load INTO other
          FROM node n
          LEFT JOIN (SELECT coalesce(p.moving_to, h.owner_node) AS owner, coalesce(p.load, 1) AS load
                       FROM tenant_head h LEFT JOIN placement p ON p.tenant_id = h.tenant_id) l
            ON l.owner = n.node_id
         WHERE n.node_id <> from_node AND reeve_node_stays(n)
         GROUP BY n.node_id ORDER BY 2, 1 LIMIT 1;
        EXIT WHEN NOT FOUND OR mine - other.load < 0.2 * mine;
        SELECT h.tenant_id INTO tenant_id
          FROM tenant_head h LEFT JOIN placement p ON p.tenant_id = h.tenant_id
         WHERE h.owner_node = from_node AND p.moving_to IS NULL
           AND coalesce(p.moved_at, '-infinity') < clock_timestamp() - interval '10 seconds'
           AND coalesce(p.load, 1) <= (mine - other.load) / 2
         ORDER BY coalesce(p.load, 1) DESC, h.tenant_id LIMIT 1;
        EXIT WHEN NOT FOUND;
        INSERT INTO placement AS p (tenant_id, moving_to, moving_since)
        VALUES (reeve_placement_propose.tenant_id, other.node_id, clock_timestamp())
            ON CONFLICT ON CONSTRAINT placement_pkey
            DO UPDATE SET moving_to = excluded.moving_to, moving_since = excluded.moving_since;
        to_node := other.node_id;
        RETURN NEXT;
    END LOOP;
END $$;

-- Gives a company to whom it was proposed to; when that node is gone, to anybody.  Waits for the transaction
-- that holds the head; what comes after it is refused by the epoch.  0: nobody has it now; NULL: it was not ours.
CREATE OR REPLACE FUNCTION reeve_lease_pass(pass_tenant int, from_node bigint, from_epoch bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    target bigint;
    passed boolean;
BEGIN
    SELECT n.node_id INTO target
      FROM placement p JOIN node n ON n.node_id = p.moving_to
     WHERE p.tenant_id = pass_tenant AND reeve_node_stays(n);
    UPDATE tenant_head h SET owner_node = target, epoch = h.epoch + 1
     WHERE h.tenant_id = pass_tenant AND h.owner_node = from_node AND h.epoch = from_epoch;
    passed := FOUND;
    UPDATE placement p SET moving_to = NULL, moved_at = clock_timestamp() WHERE p.tenant_id = pass_tenant;
    RETURN CASE WHEN passed THEN coalesce(target, 0) END;
END $$;

-- A node that stops gives each of its companies to the serving node that has least by then; without one, to
-- whoever comes.
CREATE OR REPLACE FUNCTION reeve_lease_leave(gone_node bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    nodes bigint[];
    loads real[];
    least int;
    mine  record;
BEGIN
    DELETE FROM node WHERE node_id = gone_node;
    SELECT array_agg(x.node_id), array_agg(x.load) INTO nodes, loads
      FROM (SELECT n.node_id, coalesce(sum(coalesce(p.load, 1)) FILTER (WHERE h.tenant_id IS NOT NULL), 0)::real AS load
              FROM node n LEFT JOIN tenant_head h ON h.owner_node = n.node_id
              LEFT JOIN placement p ON p.tenant_id = h.tenant_id
             WHERE reeve_node_stays(n)
             GROUP BY n.node_id) AS x;
    IF nodes IS NULL THEN
        UPDATE tenant_head h SET owner_node = NULL WHERE h.owner_node = gone_node;
        RETURN;
    END IF;
    FOR mine IN SELECT h.tenant_id, coalesce(p.load, 1) AS load
                  FROM tenant_head h LEFT JOIN placement p ON p.tenant_id = h.tenant_id
                 WHERE h.owner_node = gone_node ORDER BY 2 DESC, 1
    LOOP
        least := 1;
        FOR i IN 2 .. array_length(nodes, 1) LOOP
            least := CASE WHEN loads[i] < loads[least] THEN i ELSE least END;
        END LOOP;
        UPDATE tenant_head h SET owner_node = nodes[least], epoch = h.epoch + 1
         WHERE h.tenant_id = mine.tenant_id AND h.owner_node = gone_node;
        loads[least] := loads[least] + mine.load;
    END LOOP;
END $$;
