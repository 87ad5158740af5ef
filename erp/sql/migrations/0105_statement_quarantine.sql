-- 0105_statement_quarantine: why a statement is in quarantine, by rule.  Lines of such a statement have the
-- account "quarantined:<statement>", and so do not stand in the way of a correction.  A statement that came
-- for an account which was not registered has the account "unregistered:<IBAN>", and `judged` is {state,
-- rule, reason} as it will be once bank_statement.release finds the account.

ALTER TABLE bank_statement ADD COLUMN rule text, ADD COLUMN reason text, ADD COLUMN judged jsonb;
