-- 0130_lease_until.sql: until when somebody drives a company.  One that moves on belongs to a living node.

CREATE FUNCTION reeve_lease_until(of_tenant int) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ SELECT n.lease_until FROM tenant_head h JOIN node n ON n.node_id = h.owner_node WHERE h.tenant_id = of_tenant $$;
