-- 0060_erp: the books.  `event` is the truth; everything below it is a projection that can be emptied
-- and rebuilt by replaying events through the same statements that wrote it (erp/sql/project_*.sql).
-- One tenant is one company.  Money is bigint in minor units with its currency, quantities and unit
-- prices are numeric(20,6); nothing is ever a float.  Ids come from the event sequence, never from a
-- PostgreSQL sequence, so that a replay gives the same ids.

CREATE TABLE event (
    tenant_id   int    NOT NULL,
    seq         bigint NOT NULL,                  -- gap-free per tenant, given under the tenant_head lock
    stream      text   NOT NULL,                  -- 'invoice:4711'
    version     int    NOT NULL,                  -- 1..n in the stream: a stale writer hits the unique key
    type        text   NOT NULL,                  -- 'invoice.posted.v1'
    occurred_on date   NOT NULL,                  -- business date
    recorded_at timestamptz NOT NULL,
    actor       text   NOT NULL,                  -- 'person:clerk', 'agent:price_variance'
    command_id  text   NOT NULL,
    body        jsonb  NOT NULL,
    body_hash   bytea  NOT NULL,                  -- SHA-256 of the RFC 8785 form of body
    hash        bytea  NOT NULL,                  -- chained: see erp/command/event_hash.h
    PRIMARY KEY (tenant_id, seq),
    UNIQUE (tenant_id, stream, version)
);
-- UPDATE, DELETE and TRUNCATE are taken from the service role, and refused to the owner by a trigger, in
-- the migrator's last step (runtime/db/sql/security.sql).

-- Idempotency: the answer to every command, in the same transaction as its events.  Refused stays
-- refused.
CREATE TABLE command_log (
    tenant_id int NOT NULL, command_id text NOT NULL, name text NOT NULL, args_hash bytea NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('applied', 'refused')),
    first_seq bigint, last_seq bigint, answer jsonb NOT NULL,
    PRIMARY KEY (tenant_id, command_id)
);

-- ---- words shared by loads, projections and detectors ----

-- A document number as people mean it: upper case, no punctuation, no leading zeros.  Bytes above
-- ASCII stay.  erp/domain/norm.c is the same rule in C.
CREATE FUNCTION erp_norm(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT upper(regexp_replace(value, '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]', '', 'g') COLLATE "C")
$$;
CREATE FUNCTION erp_norm_number(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN erp_norm(value) ~ '^0+$' THEN '0' ELSE ltrim(erp_norm(value), '0') END
$$;
-- 10^(minor digits) of an ISO 4217 currency; erp/domain/money.c has the same table.
CREATE FUNCTION erp_minor(currency text) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF',
                                  'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1
                WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000
                WHEN currency IN ('CLF', 'UYW') THEN 10000
                ELSE 100 END::numeric
$$;
-- A line amount in minor units as quantity x price says, rounded half up once.
CREATE FUNCTION erp_line_amount(qty numeric, price numeric, base_qty numeric, currency text)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT round(qty * price * erp_minor(currency) / coalesce(nullif(base_qty, 0), 1))::bigint
$$;

-- ---- master data ----

CREATE TABLE account (
    tenant_id int NOT NULL, number text NOT NULL, name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('asset', 'liability', 'equity', 'income', 'expense')),
    role text CHECK (role IN ('ap_control', 'ar_control', 'vat_input', 'grir', 'expense', 'bank',
                              'bank_clearing', 'bank_fee', 'price_variance', 'rounding', 'suspense')),
    currency char(3),                             -- NULL: any
    iban text, bank_account text,                 -- of a bank account
    manual boolean NOT NULL DEFAULT true,         -- journal.post may use it
    active boolean NOT NULL DEFAULT true,
    version int NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE UNIQUE INDEX account_role ON account (tenant_id, role) WHERE role IS NOT NULL AND role <> 'bank';
CREATE UNIQUE INDEX account_iban ON account (tenant_id, iban) WHERE iban IS NOT NULL;

-- status 'unverified': met in a document, vouched for by nobody; its IBAN is not master data.
CREATE TABLE party (
    tenant_id int NOT NULL, id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('supplier', 'customer')),
    name text NOT NULL, name_norm text NOT NULL,
    vat_id text, vat_norm text, ext_id text, legal_id text, country text,
    iban text, bank_account text,                 -- trusted only when status is 'active'
    iban_before text, iban_changed_on date,
    status text NOT NULL CHECK (status IN ('unverified', 'active', 'blocked')),
    payment_days int NOT NULL DEFAULT 30,
    expense_account text,
    version int NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX party_vat ON party (tenant_id, vat_norm) WHERE vat_norm IS NOT NULL;
CREATE INDEX party_ext ON party (tenant_id, ext_id) WHERE ext_id IS NOT NULL;
CREATE INDEX party_name ON party (tenant_id, name_norm);
CREATE INDEX party_iban ON party (tenant_id, iban) WHERE iban IS NOT NULL;

-- What a difference may be before it is an exception; both bounds must be exceeded.  Rows of a tenant
-- replace the default of the same key.
CREATE TABLE tolerance_default (key text PRIMARY KEY, pct_bp int NOT NULL, amount bigint NOT NULL,
    days int NOT NULL, meaning text NOT NULL);
INSERT INTO tolerance_default (key, pct_bp, amount, days, meaning) VALUES
    ('PP',    200, 500,   0, 'unit price against order: percent and money per line'),
    ('DQ',      0,   0,   0, 'quantity invoiced above received: percent'),
    ('ST',      0,   0,   5, 'days until a receipt must have followed an invoice'),
    ('TAX',     0,   2,   0, 'tax amount against base x rate, per tax row'),
    ('LINE',    0,   1,   0, 'line amount against quantity x price'),
    ('DEBIT',   0,   0,  30, 'days a supplier may stay in debit'),
    ('BD',      0, 100,   0, 'small payment difference'),
    ('BANK',    0,   0,   0, 'bank line against open item'),
    ('DUP',     0,   0,  30, 'days between invoices that may be duplicates'),
    ('PAY2',    0,   0,  10, 'days between payments that may be the same');
CREATE TABLE tolerance (
    tenant_id int NOT NULL, key text NOT NULL, pct_bp int NOT NULL, amount bigint NOT NULL,
    days int NOT NULL, version int NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE FUNCTION erp_tolerance(tenant int, wanted text)
RETURNS TABLE (pct_bp int, amount bigint, days int) LANGUAGE sql STABLE AS $$
    SELECT coalesce(t.pct_bp, d.pct_bp), coalesce(t.amount, d.amount), coalesce(t.days, d.days)
      FROM tolerance_default d
      LEFT JOIN tolerance t ON t.tenant_id = tenant AND t.key = d.key
     WHERE d.key = wanted
$$;

-- absent row = open; soft: only with a reason by the controller; hard: nobody, final
CREATE TABLE period_lock (
    tenant_id int NOT NULL, class text NOT NULL CHECK (class IN ('AP', 'BANK', 'GL')), period text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'soft', 'hard')), version int NOT NULL,
    PRIMARY KEY (tenant_id, class, period)
);
-- the last legal number given; gap-free because it moves only in the posting transaction
CREATE TABLE number_range (
    tenant_id int NOT NULL, series text NOT NULL, year int NOT NULL, last bigint NOT NULL,
    PRIMARY KEY (tenant_id, series, year)
);

-- ---- purchase documents ----

CREATE TABLE purchase_order (
    tenant_id int NOT NULL, id bigint NOT NULL, number text NOT NULL, number_norm text NOT NULL,
    party bigint NOT NULL, issued date NOT NULL, currency char(3) NOT NULL,
    net bigint, tax bigint, gross bigint,
    state text NOT NULL CHECK (state IN ('open', 'closed', 'cancelled')),
    file_sha256 text, findings jsonb NOT NULL DEFAULT '[]',
    version int NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX purchase_order_number ON purchase_order (tenant_id, number_norm, party);
CREATE TABLE order_line (
    tenant_id int NOT NULL, order_id bigint NOT NULL, pos int NOT NULL, no text NOT NULL,
    item text, buyer_item text, description text,
    qty numeric(20,6) NOT NULL, unit text, price numeric(20,6), base_qty numeric(20,6) NOT NULL DEFAULT 1,
    net bigint, tax_rate numeric(9,4),
    PRIMARY KEY (tenant_id, order_id, pos)
);

CREATE TABLE receipt (
    tenant_id int NOT NULL, id bigint NOT NULL, kind text NOT NULL CHECK (kind IN ('receipt', 'despatch')),
    number text NOT NULL, number_norm text NOT NULL, party bigint NOT NULL, issued date NOT NULL,
    order_ref text, order_ref_norm text, order_id bigint, file_sha256 text, version int NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX receipt_number ON receipt (tenant_id, number_norm, party);
CREATE INDEX receipt_dangling ON receipt (tenant_id, order_ref_norm) WHERE order_id IS NULL AND order_ref_norm IS NOT NULL;
CREATE TABLE receipt_line (
    tenant_id int NOT NULL, receipt_id bigint NOT NULL, pos int NOT NULL, no text NOT NULL,
    counts boolean NOT NULL,                      -- a receipt counts, a despatch advice only announces
    order_line text, order_id bigint, order_pos int, item text,
    qty numeric(20,6) NOT NULL, short_qty numeric(20,6) NOT NULL DEFAULT 0,
    rejected_qty numeric(20,6) NOT NULL DEFAULT 0, unit text,
    PRIMARY KEY (tenant_id, receipt_id, pos)
);
CREATE INDEX receipt_line_order ON receipt_line (tenant_id, order_id, order_pos) WHERE order_id IS NOT NULL;

CREATE TABLE invoice (
    tenant_id int NOT NULL, id bigint NOT NULL, number text NOT NULL, number_norm text NOT NULL,
    party bigint NOT NULL, issued date NOT NULL, due date NOT NULL, registered date NOT NULL,
    currency char(3) NOT NULL,
    order_ref text, order_ref_norm text, order_id bigint, contract_ref text,
    pay_iban text, pay_account text, pay_reference text,
    lines_total bigint, allowances bigint NOT NULL DEFAULT 0, charges bigint NOT NULL DEFAULT 0,
    net bigint NOT NULL, tax bigint NOT NULL, gross bigint NOT NULL, prepaid bigint NOT NULL DEFAULT 0,
    rounding bigint NOT NULL DEFAULT 0, payable bigint NOT NULL,
    allowance_lines jsonb NOT NULL DEFAULT '[]',
    state text NOT NULL CHECK (state IN ('registered', 'held', 'posted', 'rejected', 'paid')),
    hold_code text, state_before text,            -- while held: the code, and what release returns to
    je_id bigint, posted_on date,
    distinct_from bigint[] NOT NULL DEFAULT '{}', -- looked at and found to be no duplicate of these
    format text, file_sha256 text, findings jsonb NOT NULL DEFAULT '[]',
    version int NOT NULL,                         -- of the stream invoice:<id>
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX invoice_number ON invoice (tenant_id, party, number_norm);
CREATE INDEX invoice_amount ON invoice (tenant_id, party, payable, currency, issued);
CREATE INDEX invoice_dangling ON invoice (tenant_id, order_ref_norm) WHERE order_id IS NULL AND order_ref_norm IS NOT NULL;
CREATE INDEX invoice_order ON invoice (tenant_id, order_id) WHERE order_id IS NOT NULL;
CREATE TABLE invoice_line (
    tenant_id int NOT NULL, invoice_id bigint NOT NULL, pos int NOT NULL, no text NOT NULL,
    order_line text, order_id bigint, order_pos int,
    item text, buyer_item text, description text,
    qty numeric(20,6) NOT NULL, unit text, price numeric(20,6), base_qty numeric(20,6) NOT NULL DEFAULT 1,
    net bigint NOT NULL, tax_category text, tax_rate numeric(9,4),
    accepted text[] NOT NULL DEFAULT '{}',        -- variances accepted by people: PP, DQ
    PRIMARY KEY (tenant_id, invoice_id, pos)
);
CREATE INDEX invoice_line_order ON invoice_line (tenant_id, order_id, order_pos) WHERE order_id IS NOT NULL;
CREATE TABLE invoice_tax (
    tenant_id int NOT NULL, invoice_id bigint NOT NULL, pos int NOT NULL,
    category text, rate numeric(9,4), base bigint NOT NULL, tax bigint NOT NULL, exemption text,
    PRIMARY KEY (tenant_id, invoice_id, pos)
);

CREATE TABLE credit_note (
    tenant_id int NOT NULL, id bigint NOT NULL, number text NOT NULL, number_norm text NOT NULL,
    party bigint NOT NULL, issued date NOT NULL, registered date NOT NULL, currency char(3) NOT NULL,
    preceding text, preceding_norm text, invoice_id bigint,
    net bigint NOT NULL, tax bigint NOT NULL, gross bigint NOT NULL, payable bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('registered', 'posted')), je_id bigint, posted_on date,
    file_sha256 text, findings jsonb NOT NULL DEFAULT '[]', version int NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX credit_note_number ON credit_note (tenant_id, party, number_norm);
CREATE INDEX credit_note_dangling ON credit_note (tenant_id, preceding_norm) WHERE invoice_id IS NULL AND preceding_norm IS NOT NULL;
CREATE INDEX credit_note_invoice ON credit_note (tenant_id, invoice_id) WHERE invoice_id IS NOT NULL;
-- what was asked of a supplier: a credit note for lines of an invoice
CREATE TABLE credit_request (
    tenant_id int NOT NULL, id bigint NOT NULL, invoice_id bigint NOT NULL, party bigint NOT NULL,
    amount bigint NOT NULL, currency char(3) NOT NULL, reason text NOT NULL, lines jsonb NOT NULL DEFAULT '[]',
    state text NOT NULL CHECK (state IN ('open', 'fulfilled', 'cancelled')), version int NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX credit_request_invoice ON credit_request (tenant_id, invoice_id);

-- what we, or our bank, said was paid
CREATE TABLE remittance (
    tenant_id int NOT NULL, id bigint NOT NULL, number text NOT NULL, number_norm text NOT NULL,
    party bigint NOT NULL, issued date NOT NULL, currency char(3) NOT NULL, total bigint NOT NULL,
    file_sha256 text, version int NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX remittance_number ON remittance (tenant_id, party, number_norm);
CREATE TABLE remittance_line (
    tenant_id int NOT NULL, remittance_id bigint NOT NULL, pos int NOT NULL, party bigint NOT NULL,
    invoice_ref text, invoice_ref_norm text, paid bigint NOT NULL, currency char(3) NOT NULL, paid_on date NOT NULL,
    PRIMARY KEY (tenant_id, remittance_id, pos)
);
CREATE INDEX remittance_line_invoice ON remittance_line (tenant_id, party, invoice_ref_norm);

-- ---- the ledger ----

CREATE TABLE je (
    tenant_id int NOT NULL, id bigint NOT NULL, seq bigint NOT NULL,
    series text NOT NULL, number bigint NOT NULL, -- legal number, gap-free per series and year
    post_date date NOT NULL, period text NOT NULL,
    doc_kind text NOT NULL, doc_id bigint, memo text,
    reverses bigint, reversed_by bigint,
    difference bigint NOT NULL CONSTRAINT je_must_balance CHECK (difference = 0), -- sum of |sum| per currency
    version int NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX je_number ON je (tenant_id, series, (left(period, 4)), number);
CREATE INDEX je_doc ON je (tenant_id, doc_kind, doc_id) WHERE doc_id IS NOT NULL;
CREATE TABLE jl (
    tenant_id int NOT NULL, je_id bigint NOT NULL, no smallint NOT NULL, account text NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),   -- debit positive, credit negative
    currency char(3) NOT NULL, party bigint, tax_code text, memo text,
    PRIMARY KEY (tenant_id, je_id, no)
);
CREATE TABLE balance (
    tenant_id int NOT NULL, account text NOT NULL, currency char(3) NOT NULL, period text NOT NULL,
    debit bigint NOT NULL DEFAULT 0, credit bigint NOT NULL DEFAULT 0, upto_seq bigint NOT NULL,
    PRIMARY KEY (tenant_id, account, currency, period)
) WITH (fillfactor = 50);

-- what is owed: positive we owe, negative we are owed (credit notes)
CREATE TABLE open_item (
    tenant_id int NOT NULL, id bigint NOT NULL, party bigint NOT NULL,
    side text NOT NULL CHECK (side IN ('AP', 'AR')), doc_kind text NOT NULL, doc_id bigint NOT NULL,
    ref text NOT NULL, ref_norm text NOT NULL, due date NOT NULL, currency char(3) NOT NULL,
    amount bigint NOT NULL, open bigint NOT NULL,
    reserved bigint NOT NULL DEFAULT 0,           -- in payments proposed and not yet released
    reversed boolean NOT NULL DEFAULT false, je_id bigint NOT NULL,
    PRIMARY KEY (tenant_id, id),
    -- never settled or promised beyond what is owed, however many try at once
    CONSTRAINT open_item_never_overdrawn CHECK (
        (amount >= 0 AND open BETWEEN 0 AND amount AND reserved BETWEEN 0 AND open)
        OR (amount < 0 AND open BETWEEN amount AND 0 AND reserved BETWEEN open AND 0))
);
-- the same invoice is never owed twice, whatever the channel it came by
CREATE UNIQUE INDEX open_item_dup_guard ON open_item (tenant_id, party, ref_norm, currency, amount)
    WHERE side = 'AP' AND doc_kind = 'invoice' AND NOT reversed;
CREATE INDEX open_item_doc ON open_item (tenant_id, doc_kind, doc_id);
CREATE INDEX open_item_open ON open_item (tenant_id, open, currency) WHERE open <> 0;
CREATE INDEX open_item_ref ON open_item (tenant_id, ref_norm) WHERE open <> 0;

CREATE TABLE payment (
    tenant_id int NOT NULL, id bigint NOT NULL, party bigint NOT NULL, iban text, bank_account text,
    currency char(3) NOT NULL, amount bigint NOT NULL, pay_on date NOT NULL, account text NOT NULL,
    reference text NOT NULL,
    state text NOT NULL CHECK (state IN ('proposed', 'released', 'cleared', 'cancelled')),
    je_id bigint, version int NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX payment_due ON payment (tenant_id, amount, currency) WHERE state IN ('proposed', 'released');
CREATE INDEX payment_party ON payment (tenant_id, party, pay_on);
CREATE TABLE payment_item (
    tenant_id int NOT NULL, payment_id bigint NOT NULL, pos int NOT NULL, open_item bigint NOT NULL,
    amount bigint NOT NULL, PRIMARY KEY (tenant_id, payment_id, pos)
);
CREATE INDEX payment_item_item ON payment_item (tenant_id, open_item);

-- ---- the bank ----

CREATE TABLE bank_statement (
    tenant_id int NOT NULL, id bigint NOT NULL, account text NOT NULL, -- of our chart of accounts
    statement_ref text NOT NULL, sequence int, currency char(3) NOT NULL,
    first_day date, last_day date, opening bigint, closing bigint,
    announced int, difference bigint NOT NULL DEFAULT 0,
    line_count int NOT NULL DEFAULT 0, line_sum bigint NOT NULL DEFAULT 0, known_count int NOT NULL DEFAULT 0,
    state text NOT NULL CHECK (state IN ('loading', 'imported', 'quarantined')),
    file_sha256 text, version int NOT NULL,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, account, statement_ref)
);
-- (fp, occ): the fingerprint of the line and which of several equal lines of that day it is
CREATE TABLE bank_line (
    tenant_id int NOT NULL, id bigint NOT NULL, statement_id bigint NOT NULL, account text NOT NULL,
    fp bytea NOT NULL, occ int NOT NULL, booked date NOT NULL, valued date, amount bigint NOT NULL, currency char(3) NOT NULL,
    bank_ref text, end_to_end_id text, counterparty text, counterparty_iban text, memo text, code text,
    reversal boolean NOT NULL DEFAULT false,
    state text NOT NULL CHECK (state IN ('open', 'matched', 'posted')), je_id bigint, version int NOT NULL,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, account, fp, occ)
);
CREATE INDEX bank_line_open ON bank_line (tenant_id, statement_id) WHERE state = 'open';
CREATE INDEX bank_line_paid ON bank_line (tenant_id, counterparty_iban, amount, booked) WHERE amount < 0;
CREATE TABLE match (
    tenant_id int NOT NULL, id bigint NOT NULL, bank_line bigint NOT NULL, rule text NOT NULL, score int NOT NULL,
    runner_up jsonb, targets jsonb NOT NULL, state text NOT NULL CHECK (state IN ('active', 'undone')),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX match_line ON match (tenant_id, bank_line);

-- ---- exceptions ----

CREATE TABLE exception (
    tenant_id int NOT NULL, key bytea NOT NULL,   -- sha256(tenant, type, subject, rule version)
    type text NOT NULL, subject text NOT NULL,    -- 'F01', 'invoice:4711:line:1'
    rule_version int NOT NULL,
    resource text NOT NULL,                       -- business key, e.g. 'invoice:4711'
    party bigint, summary text NOT NULL, evidence jsonb NOT NULL,
    money bigint, currency char(3), tier smallint NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'snoozed', 'resolved', 'auto_closed')),
    owner text, snoozed_until date, resolution text, resolved_by text,
    opened_seq bigint NOT NULL,                   -- order of opening: event seq x 4096 + place in the event
    found_seq bigint NOT NULL,                    -- the event that gave summary, evidence and money as they are now
    opened_on date NOT NULL, sla_on date, closed_on date,
    version int NOT NULL,                         -- of the stream exception:<hex>
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX exception_open ON exception (tenant_id, state, opened_seq);
CREATE INDEX exception_newest ON exception (tenant_id, found_seq) WHERE state = 'open';
CREATE INDEX exception_resource ON exception (tenant_id, resource);
CREATE TABLE exception_note (
    tenant_id int NOT NULL, key bytea NOT NULL, version int NOT NULL, author text NOT NULL, text text NOT NULL,
    noted_on date NOT NULL, PRIMARY KEY (tenant_id, key, version)
);
