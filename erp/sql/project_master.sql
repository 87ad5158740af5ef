-- project_master.sql: accounts, parties, tolerances, period locks.  Every projection statement has the
-- parameters (tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]); event bodies carry
-- the columns by name.  Within one call no stream appears twice.

-- name: project_account_registered
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
INSERT INTO account
SELECT r.*
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 CROSS JOIN LATERAL jsonb_populate_record(NULL::account,
                        e.body || jsonb_build_object('tenant_id', $1, 'version', 1)) AS r
    ON CONFLICT (tenant_id, number) DO UPDATE
   SET name = excluded.name, kind = excluded.kind, role = excluded.role, currency = excluded.currency,
       iban = excluded.iban, bank_account = excluded.bank_account, manual = excluded.manual,
       active = excluded.active, version = account.version + 1;

-- name: project_party_registered
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
INSERT INTO party
SELECT r.*
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 CROSS JOIN LATERAL jsonb_populate_record(NULL::party,
                        e.body || jsonb_build_object('tenant_id', $1, 'version', 1,
                            'iban_changed_on', CASE WHEN e.body ? 'iban' THEN e.occurred END)) AS r
    ON CONFLICT (tenant_id, id) DO UPDATE
   SET kind = excluded.kind, name = excluded.name, name_norm = excluded.name_norm,
       vat_id = excluded.vat_id, vat_norm = excluded.vat_norm, ext_id = excluded.ext_id,
       legal_id = excluded.legal_id, country = excluded.country, iban = excluded.iban,
       bank_account = excluded.bank_account, status = excluded.status,
       payment_days = excluded.payment_days, expense_account = excluded.expense_account,
       iban_before = CASE WHEN party.iban IS DISTINCT FROM excluded.iban THEN party.iban ELSE party.iban_before END,
       iban_changed_on = CASE WHEN party.iban IS DISTINCT FROM excluded.iban THEN excluded.iban_changed_on
                              ELSE party.iban_changed_on END,
       version = party.version + 1;

-- name: project_tolerance_set
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
INSERT INTO tolerance
SELECT r.*
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 CROSS JOIN LATERAL jsonb_populate_record(NULL::tolerance,
                        e.body || jsonb_build_object('tenant_id', $1, 'version', 1)) AS r
    ON CONFLICT (tenant_id, key) DO UPDATE
   SET pct_bp = excluded.pct_bp, amount = excluded.amount, days = excluded.days,
       version = tolerance.version + 1;

-- name: project_period_locked
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
INSERT INTO period_lock
SELECT r.*
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 CROSS JOIN LATERAL jsonb_populate_record(NULL::period_lock,
                        e.body || jsonb_build_object('tenant_id', $1, 'version', 1)) AS r
    ON CONFLICT (tenant_id, class, period) DO UPDATE
   SET state = excluded.state, version = period_lock.version + 1;
