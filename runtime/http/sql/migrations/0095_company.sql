-- 0095_company: a company, its head and its first person at once, under a number that the caller has
-- chosen, so that one transaction can also hold the audit record of it.

CREATE FUNCTION reeve_company_make(made int, new_name text, new_company jsonb, first_person text, first_roles text[])
RETURNS SETOF int -- no row: the number or the name is taken
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
BEGIN
    LOCK TABLE tenant IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM tenant t WHERE t.tenant_id = made OR t.name = new_name) THEN
        RETURN;
    END IF;
    INSERT INTO tenant (tenant_id, name, company) VALUES (made, new_name, new_company);
    INSERT INTO tenant_head (tenant_id) VALUES (made);
    INSERT INTO person (tenant_id, name, roles) VALUES (made, first_person, first_roles);
    RETURN NEXT made;
END $$;
