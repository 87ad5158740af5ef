-- 0065_detect_money: what was paid, and what the bank says.

-- F19 supplier in debit: what we paid and what was credited is more than what was invoiced, for longer
-- than DEBIT days.  Paid is told by remittances or by our own payments and bank matches: the same money
-- may be told by both, so the larger of the two counts.
CREATE FUNCTION detect_f19(tenant int, today date) RETURNS SETOF finding LANGUAGE sql STABLE
SET work_mem = '256MB' SET jit = off AS $$
    SELECT 'F19', 1, 'party:' || b.party || ':debit:' || b.currency, 'party:' || b.party, b.party,
           format('%s owes us %s: invoiced %s, paid %s, credited %s', p.name,
                  erp_money_text(b.debit, b.currency), erp_money_text(b.invoiced, b.currency),
                  erp_money_text(b.paid, b.currency), erp_money_text(b.credited, b.currency)),
           jsonb_build_object('party', b.party, 'name', p.name, 'invoiced', b.invoiced, 'paid', b.paid,
               'credited', b.credited, 'since', b.since,
               'amount', jsonb_build_object('minor', b.debit, 'currency', b.currency),
               'credit_notes', coalesce((
                   SELECT jsonb_agg(jsonb_build_object('credit_note', c.id, 'number', c.number, 'issued', c.issued,
                              'payable', c.payable, 'preceding', c.preceding, 'state', c.state) ORDER BY c.issued, c.id)
                     FROM (SELECT * FROM credit_note n WHERE n.tenant_id = tenant AND n.party = b.party
                              AND n.currency = b.currency ORDER BY n.issued DESC, n.id DESC LIMIT 10) AS c), '[]'),
               'paid_before_due', coalesce((
                   SELECT jsonb_agg(jsonb_build_object('invoice', i.id, 'number', i.number, 'paid_on', r.paid_on,
                              'due', i.due) ORDER BY r.paid_on)
                     FROM remittance_line r
                     JOIN invoice i ON i.tenant_id = tenant AND i.party = r.party AND i.number_norm = r.invoice_ref_norm
                    WHERE r.tenant_id = tenant AND r.party = b.party AND r.paid_on < i.due), '[]')),
           b.debit, b.currency::text
      FROM (SELECT s.party, s.currency, sum(s.invoiced)::bigint AS invoiced, sum(s.credited)::bigint AS credited,
                   greatest(sum(s.advised), sum(s.sent))::bigint AS paid,
                   (greatest(sum(s.advised), sum(s.sent)) + sum(s.credited) - sum(s.invoiced))::bigint AS debit,
                   max(s.day) AS since
              FROM (SELECT i.party, i.currency, i.payable AS invoiced, 0::bigint AS credited, 0::bigint AS advised,
                           0::bigint AS sent, NULL::date AS day
                      FROM invoice i WHERE i.tenant_id = tenant AND i.state <> 'rejected'
                    UNION ALL
                    SELECT c.party, c.currency, 0, c.payable, 0, 0, c.issued
                      FROM credit_note c WHERE c.tenant_id = tenant
                    UNION ALL
                    SELECT r.party, r.currency, 0, 0, r.paid, 0, r.paid_on
                      FROM remittance_line r WHERE r.tenant_id = tenant
                    UNION ALL
                    SELECT y.party, y.currency, 0, 0, 0, y.amount, y.pay_on
                      FROM payment y WHERE y.tenant_id = tenant AND y.state IN ('released', 'cleared')
                    UNION ALL
                    SELECT o.party, o.currency, 0, 0, 0, (t->>'settles')::bigint, NULL
                      FROM match m CROSS JOIN LATERAL jsonb_array_elements(m.targets) AS t
                      JOIN open_item o ON o.tenant_id = tenant AND o.id = (t->>'open_item')::bigint AND o.side = 'AP'
                     WHERE m.tenant_id = tenant AND m.state = 'active' AND t ? 'open_item') AS s
             GROUP BY s.party, s.currency) AS b
      JOIN party p ON p.tenant_id = tenant AND p.id = b.party
     CROSS JOIN erp_tolerance(tenant, 'DEBIT') AS t
     WHERE b.debit > 0 AND b.since + t.days <= today
$$;

-- F21 paid twice: the same invoice in remittances for more than it was, two payments or two bank debits
-- of one amount to one account within PAY2 days.
CREATE FUNCTION detect_f21(tenant int, today date) RETURNS SETOF finding LANGUAGE sql STABLE
SET work_mem = '256MB' SET jit = off AS $$
    SELECT 'F21', 1, 'remittance:' || r.remittance_id || ':line:' || r.pos, 'remittance:' || r.remittance_id, r.party,
           format('Invoice %s over %s was paid again: %s in all', i.number, erp_money_text(i.payable, i.currency),
                  erp_money_text(r.running::bigint, i.currency)),
           jsonb_build_object('invoice', i.id, 'number', i.number, 'paid_in_all', r.running::bigint,
               'paid_on', r.paid_on, 'amount', jsonb_build_object('minor', r.paid, 'currency', i.currency)),
           least(r.paid, r.running::bigint - i.payable), i.currency::text
      FROM (SELECT x.*, sum(x.paid) OVER (PARTITION BY x.party, x.invoice_ref_norm
                                          ORDER BY x.paid_on, x.remittance_id, x.pos) AS running
              FROM remittance_line x
             WHERE x.tenant_id = tenant AND x.invoice_ref_norm IS NOT NULL) AS r
      JOIN LATERAL (SELECT v.* FROM invoice v
                     WHERE v.tenant_id = tenant AND v.party = r.party AND v.number_norm = r.invoice_ref_norm
                     ORDER BY v.id LIMIT 1) AS i ON true
     WHERE r.paid > 0 AND r.running > i.payable AND r.running - r.paid >= i.payable
    UNION ALL
    SELECT 'F21', 1, 'payment:' || y.id || ':again', 'payment:' || y.id, y.party,
           format('Payment of %s (%s) is the second of this amount to one account; the other is of %s',
                  erp_money_text(y.amount, y.currency), y.reference, y.before_on),
           jsonb_build_object('payment', y.id, 'other', y.before, 'pay_on', y.pay_on, 'other_pay_on', y.before_on,
               'account', erp_mask(coalesce(y.iban, y.bank_account)), 'state', y.state, 'reference', y.reference,
               'amount', jsonb_build_object('minor', y.amount, 'currency', y.currency)),
           y.amount, y.currency::text
      FROM (SELECT x.*, lag(x.id) OVER w AS before, lag(x.pay_on) OVER w AS before_on
              FROM payment x
             WHERE x.tenant_id = tenant AND x.state <> 'cancelled'
            WINDOW w AS (PARTITION BY x.party, coalesce(x.iban, x.bank_account), x.currency, x.amount
                         ORDER BY x.pay_on, x.id)) AS y
     CROSS JOIN erp_tolerance(tenant, 'PAY2') AS t
     WHERE y.before IS NOT NULL AND y.pay_on - y.before_on <= t.days
    UNION ALL
    SELECT 'F21', 1, 'bank_line:' || b.id || ':again', 'bank_line:' || b.id, NULL,
           format('The bank paid %s to %s on %s and again on %s', erp_money_text(-b.amount, b.currency),
                  coalesce(b.counterparty, erp_mask(b.counterparty_iban)), b.before_on, b.booked),
           jsonb_build_object('bank_line', b.id, 'other', b.before, 'booked', b.booked, 'other_booked', b.before_on,
               'account', erp_mask(b.counterparty_iban), 'counterparty', b.counterparty,
               'amount', jsonb_build_object('minor', -b.amount, 'currency', b.currency)),
           -b.amount, b.currency::text
      FROM (SELECT x.*, lag(x.id) OVER w AS before, lag(x.booked) OVER w AS before_on
              FROM bank_line x
             WHERE x.tenant_id = tenant AND x.amount < 0 AND x.counterparty_iban IS NOT NULL AND NOT x.reversal
            WINDOW w AS (PARTITION BY x.counterparty_iban, x.amount ORDER BY x.booked, x.id)) AS b
     CROSS JOIN erp_tolerance(tenant, 'PAY2') AS t
     WHERE b.before IS NOT NULL AND b.booked - b.before_on <= t.days
$$;

-- The ladder of bank matching: every open line of a good statement with what it could be.
--   100 released payment of this amount to this account     95 amount and reference
--    90 amount and account of the party                     70 reference, other amount: this is F23
--    60 amount alone, nothing else has it                   40 amount alone, others have it too
-- A reference is found when a word of the memo, or two or three neighbouring words (RE-2026/64319), is the
-- number of the item.
CREATE FUNCTION bank_candidates(tenant int)
RETURNS TABLE (bank_line bigint, kind text, target bigint, party bigint, ref text, score int, reason text, difference bigint)
LANGUAGE sql STABLE SET work_mem = '256MB' SET jit = off SET enable_nestloop = off AS $$
    WITH line AS MATERIALIZED (
        SELECT b.id, b.amount, b.currency, b.counterparty_iban, b.memo, b.end_to_end_id
          FROM bank_line b
          JOIN bank_statement s ON s.tenant_id = tenant AND s.id = b.statement_id AND s.state = 'imported'
         WHERE b.tenant_id = tenant AND b.state = 'open'
    ), item AS MATERIALIZED (
        SELECT o.id, o.party, o.ref, o.ref_norm, o.currency, p.iban,
               CASE WHEN o.side = 'AP' THEN -(o.open - o.reserved) ELSE o.open - o.reserved END AS amount
          FROM open_item o JOIN party p ON p.tenant_id = tenant AND p.id = o.party
         WHERE o.tenant_id = tenant AND o.open <> o.reserved
    ), word AS (
        SELECT l.id, l.currency, w.word, lead(w.word) OVER (PARTITION BY l.id ORDER BY w.at) AS next,
               lead(w.word, 2) OVER (PARTITION BY l.id ORDER BY w.at) AS after
          FROM line l CROSS JOIN LATERAL regexp_split_to_table(
                   upper((coalesce(l.memo, '') || ' ' || coalesce(l.end_to_end_id, '')) COLLATE "C"),
                   '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+') WITH ORDINALITY AS w(word, at)
         WHERE w.word <> ''
    ), named AS (
        SELECT w.id AS bank_line, i.id AS item
          FROM (SELECT id, currency, ltrim(r.ref, '0') AS ref
                  FROM word CROSS JOIN LATERAL unnest(ARRAY[word, word || next, word || next || after]) AS r(ref)
                 WHERE length(r.ref) >= 4 AND r.ref ~ '[0-9]') AS w
          JOIN item i ON i.ref_norm = w.ref AND i.currency = w.currency
    ), same_amount AS (
        SELECT l.id AS bank_line, i.id AS item, count(*) OVER (PARTITION BY l.id) AS many,
               coalesce(l.counterparty_iban = i.iban, false) AS same_account
          FROM line l JOIN item i ON i.currency = l.currency AND i.amount = l.amount
    ), pair AS MATERIALIZED (
        SELECT u.bank_line, u.item, bool_or(u.named) AS named, max(u.many) AS many, bool_or(u.same_account) AS same_account
          FROM (SELECT bank_line, item, true AS named, NULL::bigint AS many, false AS same_account FROM named
                UNION ALL
                SELECT bank_line, item, false, many, same_account FROM same_amount
                 WHERE many <= 50 OR same_account) AS u
         GROUP BY u.bank_line, u.item
    )
    SELECT l.id, 'payment', y.id, y.party, y.reference,
           CASE WHEN y.iban = l.counterparty_iban OR y.bank_account = l.counterparty_iban
                     OR l.end_to_end_id = y.id::text THEN 100 ELSE 80 END,
           'a released payment of this amount', 0::bigint
      FROM line l JOIN payment y ON y.tenant_id = tenant AND y.state = 'released' AND y.currency = l.currency
                               AND y.amount = -l.amount
    UNION ALL
    SELECT l.id, 'open_item', i.id, i.party, i.ref,
           CASE WHEN p.named AND p.many IS NOT NULL THEN 95
                WHEN p.same_account THEN 90
                WHEN p.many = 1 THEN 60
                WHEN p.many IS NOT NULL THEN 40
                ELSE 70 END,
           CASE WHEN p.named AND p.many IS NOT NULL THEN 'amount and reference'
                WHEN p.same_account THEN 'amount and bank account'
                WHEN p.many IS NOT NULL THEN 'amount'
                ELSE 'reference, other amount' END,
           abs(l.amount) - abs(i.amount)
      FROM pair p
      JOIN line l ON l.id = p.bank_line
      JOIN item i ON i.id = p.item
$$;

-- F22 a bank line nobody has matched, with what it could be; F23 the reference is right and the amount
-- is not.  One look over the bank for both.
CREATE FUNCTION detect_bank(tenant int, today date) RETURNS SETOF finding LANGUAGE sql STABLE
SET work_mem = '256MB' SET jit = off AS $$
    SELECT CASE WHEN f.partial THEN 'F23' ELSE 'F22' END, 1,
           'bank_line:' || b.id || CASE WHEN f.partial THEN ':difference' ELSE ':unmatched' END,
           'bank_line:' || b.id, f.party,
           CASE WHEN f.partial
                THEN format('%s on %s is for %s, but %s %s', erp_money_text(b.amount, b.currency), b.booked, f.ref,
                            erp_money_text(abs(f.difference), b.currency),
                            CASE WHEN f.difference < 0 THEN 'short' ELSE 'over' END)
                ELSE format('%s on %s from or to %s is not matched%s', erp_money_text(b.amount, b.currency), b.booked,
                            coalesce(b.counterparty, 'unknown'),
                            CASE WHEN f.best >= 90 THEN format('; %s fits', f.ref) ELSE '' END) END,
           jsonb_build_object('bank_line', b.id, 'booked', b.booked, 'counterparty', b.counterparty,
               'account', erp_mask(b.counterparty_iban), 'memo', left(b.memo, 400), 'best_score', f.best,
               'difference', f.difference, 'candidates', coalesce(f.candidates, '[]'),
               'code', b.code, 'fee_account', CASE WHEN b.code LIKE '%-CHRG' AND b.amount < 0 THEN fee.number END,
               'amount', jsonb_build_object('minor', b.amount, 'currency', b.currency)),
           CASE WHEN f.partial THEN abs(f.difference) ELSE abs(b.amount) END, b.currency::text
      FROM bank_line b
      JOIN bank_statement s ON s.tenant_id = tenant AND s.id = b.statement_id AND s.state = 'imported'
      LEFT JOIN (SELECT c.bank_line, max(c.score) AS best,
                        (array_agg(c.party ORDER BY c.score DESC, c.target))[1] AS party,
                        (array_agg(c.ref ORDER BY c.score DESC, c.target))[1] AS ref,
                        (array_agg(c.difference ORDER BY c.score DESC, c.target))[1] AS difference,
                        max(c.score) = 70 AS partial,
                        jsonb_agg(jsonb_build_object('kind', c.kind, 'id', c.target, 'ref', c.ref, 'score', c.score,
                                      'reason', c.reason, 'difference', c.difference) ORDER BY c.score DESC, c.target)
                            FILTER (WHERE c.place <= 5) AS candidates
                   FROM (SELECT k.*, row_number() OVER (PARTITION BY k.bank_line ORDER BY k.score DESC, k.target) AS place
                           FROM bank_candidates(tenant) AS k) AS c
                  GROUP BY c.bank_line) AS f ON f.bank_line = b.id
      LEFT JOIN (SELECT min(a.number) AS number FROM account a
                  WHERE a.tenant_id = tenant AND a.role = 'bank_fee' AND a.active) AS fee ON true
     WHERE b.tenant_id = tenant AND b.state = 'open'
$$;

-- All detectors whose types are wanted, one after the other.
CREATE FUNCTION detect_all(tenant int, today date, wanted text[]) RETURNS SETOF finding LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF 'F01' = ANY (wanted) THEN RETURN QUERY SELECT * FROM detect_f01(tenant, today); END IF;
    IF 'F02' = ANY (wanted) THEN RETURN QUERY SELECT * FROM detect_f02(tenant, today); END IF;
    IF 'F04' = ANY (wanted) THEN RETURN QUERY SELECT * FROM detect_f04(tenant, today); END IF;
    IF 'F07' = ANY (wanted) THEN RETURN QUERY SELECT * FROM detect_f07(tenant, today); END IF;
    IF 'F08' = ANY (wanted) THEN RETURN QUERY SELECT * FROM detect_f08(tenant, today); END IF;
    IF 'F09' = ANY (wanted) THEN RETURN QUERY SELECT * FROM detect_f09(tenant, today); END IF;
    IF 'F10' = ANY (wanted) THEN RETURN QUERY SELECT * FROM detect_f10(tenant, today); END IF;
    IF 'F12' = ANY (wanted) THEN RETURN QUERY SELECT * FROM detect_f12(tenant, today); END IF;
    IF 'F19' = ANY (wanted) THEN RETURN QUERY SELECT * FROM detect_f19(tenant, today); END IF;
    IF 'F21' = ANY (wanted) THEN RETURN QUERY SELECT * FROM detect_f21(tenant, today); END IF;
    IF 'F22' = ANY (wanted) OR 'F23' = ANY (wanted) THEN
        RETURN QUERY SELECT d.* FROM detect_bank(tenant, today) AS d WHERE d.type = ANY (wanted);
    END IF;
END $$;
