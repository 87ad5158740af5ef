-- 0061_state: what the load statements (erp/sql/load_*.sql) have in common.  Every function is one look
-- by key; numbers that are not integers leave as text, so that no reader ever meets a float.

-- The party a document means: by VAT id, else by the id it was given, else by its name.
CREATE FUNCTION erp_find_party(tenant int, doc jsonb) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT min(p.id) FROM party p
          WHERE p.tenant_id = tenant AND p.vat_norm = nullif(erp_norm(doc->>'vat_id'), '')
            AND (p.name_norm = erp_norm(doc->>'name')
                 OR NOT EXISTS (SELECT FROM party q WHERE q.tenant_id = tenant
                                   AND q.vat_norm = p.vat_norm AND q.id <> p.id))),
        (SELECT min(p.id) FROM party p
          WHERE p.tenant_id = tenant AND p.ext_id = doc->>'id'
            AND (p.vat_norm IS NULL OR doc->>'vat_id' IS NULL OR p.vat_norm = erp_norm(doc->>'vat_id'))),
        (SELECT min(p.id) FROM party p
          WHERE p.tenant_id = tenant AND p.name_norm = erp_norm(doc->>'name')
            AND (p.vat_norm IS NULL OR doc->>'vat_id' IS NULL OR p.vat_norm = erp_norm(doc->>'vat_id'))))
$$;

CREATE FUNCTION erp_party_state(tenant int, wanted bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT to_jsonb(p) - 'tenant_id' - 'vat_norm' - 'name_norm'
      FROM party p WHERE p.tenant_id = tenant AND p.id = wanted
$$;

-- role -> {number, name} of the accounts that postings find by role
CREATE FUNCTION erp_roles(tenant int) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(a.role, jsonb_build_object('number', a.number, 'name', a.name)), '{}')
      FROM account a WHERE a.tenant_id = tenant AND a.role IS NOT NULL AND a.role <> 'bank' AND a.active
$$;
CREATE FUNCTION erp_account_state(tenant int, wanted text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT to_jsonb(a) - 'tenant_id' FROM account a WHERE a.tenant_id = tenant AND a.number = wanted
$$;
-- {"AP:2025-06": "hard"}: only what is not open
CREATE FUNCTION erp_locks(tenant int) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(l.class || ':' || l.period, l.state), '{}')
      FROM period_lock l WHERE l.tenant_id = tenant AND l.state <> 'open'
$$;
-- codes of the exceptions that are open on a resource, for policies
CREATE FUNCTION erp_exceptions_of(tenant int, wanted text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(DISTINCT x.type), '[]') FROM exception x
     WHERE x.tenant_id = tenant AND x.resource = wanted AND x.state = 'open'
$$;

CREATE FUNCTION erp_invoice_state(tenant int, wanted bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT to_jsonb(i) - 'tenant_id' - 'findings' - 'allowance_lines'
      FROM invoice i WHERE i.tenant_id = tenant AND i.id = wanted
$$;
-- what policies see as `res` of anything about an invoice
CREATE FUNCTION erp_invoice_facts(tenant int, wanted bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
               'version', i.version, 'state', i.state,
               'amount', jsonb_build_object('minor', i.payable, 'currency', i.currency),
               'invoice', jsonb_build_object('id', i.id, 'number', i.number, 'state', i.state,
                                             'hold', i.hold_code, 'issued', i.issued, 'due', i.due,
                                             'has_order', i.order_id IS NOT NULL),
               'vendor', jsonb_build_object('id', p.id, 'name', p.name, 'status', p.status,
                                            'iban', p.iban, 'iban_matches', i.pay_iban IS NULL
                                                    OR (p.status = 'active' AND p.iban = i.pay_iban)),
               'exceptions', erp_exceptions_of(tenant, 'invoice:' || i.id))
      FROM invoice i JOIN party p ON p.tenant_id = i.tenant_id AND p.id = i.party
     WHERE i.tenant_id = tenant AND i.id = wanted
$$;
