-- agents.lua -- what agents may do alone, what they may only ask for, and what they never get.

local active = { vendor = { id = 7, status = "active", iban = "DE00MASTER" }, iban_is_master = true }

return cases {
  -- reversible work, within the limits of a day
  test { "hold", agent = "a", action = "invoice.hold", arg = { invoice = 1 }, expect = { allow = { "agents.propose" } } },
  test { "link to an order", agent = "a", action = "invoice.link_order", expect = "allow" },
  test { "note", agent = "a", action = "exception.note", expect = "allow" },
  test { "the day's actions run out", agent = "a", action = "invoice.hold", used = 2000,
    expect = { deny = { "day.actions" } } },
  test { "one is left", agent = "a", action = "invoice.hold", used = 1999, expect = "allow" },
  test { "reject an exact duplicate", agent = "a", action = "invoice.reject", arg = { duplicate_of = 3 },
    res = { is_duplicate = true }, expect = "allow" },
  test { "calling it a duplicate is not enough", agent = "a", action = "invoice.reject", arg = { duplicate_of = 3 },
    res = { is_duplicate = false }, expect = { hold = { "reject.manager" } } },
  test { "reject anything else", agent = "a", action = "invoice.reject", arg = {},
    expect = { hold = { "reject.manager" } } },
  test { "an agent starts no other agent", agent = "a", action = "run.start",
    arg = { agent = "b", mode = "start" }, expect = "deny" },
  test { "thinking is free", agent = "a", action = "llm.decide", expect = { allow = { "agents.think" } } },

  -- variances
  test { "50.00 is still small", agent = "a", action = "invoice.accept_variance", arg = { amount = "50.00 EUR" },
    expect = "allow" },
  test { "50.01 is not", agent = "a", action = "invoice.accept_variance", arg = { amount = "50.01 EUR" },
    expect = { hold = { "variance.manager" } } },
  test { "1000.00 needs one", agent = "a", action = "invoice.accept_variance", arg = { amount = "1000 EUR" },
    expect = { hold = { "variance.manager", "day.variance" } } },
  test { "many small ones add up", agent = "a", action = "invoice.accept_variance", arg = { amount = "20 EUR" },
    used = { ["day.variance"] = "490 EUR" }, expect = { hold = { "day.variance" } } },
  test { "another currency asks two", agent = "a", action = "invoice.accept_variance", arg = { amount = "10 USD" },
    expect = { hold = { "foreign.currency" } } },
  test { "an amount without a currency is refused", agent = "a", action = "invoice.accept_variance", arg = { amount = 10 },
    expect = { deny = { "day.variance", "foreign.currency" } } },

  -- posting
  test { "post up to 5,000.00", agent = "a", action = "invoice.post", res = { amount = "5000 EUR" }, expect = "allow" },
  test { "post above", agent = "a", action = "invoice.post", res = { amount = "5000.01 EUR" },
    expect = { hold = { "post.manager" } } },
  test { "post a day's worth", agent = "a", action = "invoice.post", res = { amount = "100 EUR" },
    used = { ["day.post"] = "99950 EUR" }, expect = { hold = { "day.post" } } },
  test { "post in francs", agent = "a", action = "invoice.post", res = { amount = "5 CHF" },
    expect = { hold = { "foreign.currency" } } },
  test { "post without facts", agent = "a", action = "invoice.post", expect = "deny" },

  -- credit notes
  test { "ask for a small credit note", agent = "a", action = "credit_note.request", arg = { amount = "500 EUR" },
    expect = "allow" },
  test { "ask for a large one", agent = "a", action = "credit_note.request", arg = { amount = "501 EUR" },
    expect = { hold = { "credit.manager" } } },
  test { "ask for many", agent = "a", action = "credit_note.request", arg = { amount = "200 EUR" },
    used = { ["day.credit"] = "2400 EUR" }, expect = { hold = { "day.credit" } } },

  -- never alone
  test { "release an invoice", agent = "a", action = "invoice.release", expect = { hold = { "release.manager" } } },
  test { "change an order", agent = "a", action = "order.change", expect = { hold = { "order.buyer" } } },
  test { "write to the books", agent = "a", action = "journal.post", expect = { hold = { "journal.controller" } } },
  test { "reverse in the books", agent = "a", action = "journal.reverse", expect = { hold = { "journal.controller" } } },

  -- cash
  test { "a sure match", agent = "a", action = "bank_line.match", arg = { score = 95 }, res = { is_sure = true },
    expect = "allow" },
  test { "calling it sure is not enough", agent = "a", action = "bank_line.match", arg = { score = 100 },
    res = { is_sure = false }, expect = { hold = { "bank.clerk" } } },
  test { "a match that the books know nothing of", agent = "a", action = "bank_line.match", arg = { score = 100 },
    expect = { hold = { "bank.clerk" } } },

  -- payments
  test { "propose", agent = "a", action = "payment.propose", res = active, expect = { hold = { "payment.manager" } } },
  test { "propose for a blocked supplier", agent = "a", action = "payment.propose",
    res = { vendor = { status = "blocked" } }, expect = { deny = { "supplier.blocked" } } },
  test { "propose without knowing the supplier", agent = "a", action = "payment.propose",
    expect = { deny = { "supplier.blocked", "supplier.unverified" } } },
  test { "propose for a supplier nobody has verified", agent = "a", action = "payment.propose",
    res = { vendor = { status = "unverified" } }, expect = { deny = { "supplier.unverified" } } },
  test { "release to a changed account", agent = "a", action = "payment.release",
    res = { vendor = { status = "active" }, iban_is_master = false }, expect = { deny = { "payee.changed" } } },
  test { "an account from a document", agent = "a", action = "payment.propose", arg = { iban = "DE00OTHER" },
    labels = { iban = "external" }, res = active, expect = { hold = { "payee.iban", "payment.manager" } } },
  test { "an account from nowhere", agent = "a", action = "payment.propose", arg = { iban = "DE00OTHER" },
    res = active, expect = { hold = { "payee.iban", "payment.manager" } } },
  test { "an account that the model made up", agent = "a", action = "payment.propose", arg = { iban = "DE00OTHER" },
    labels = { iban = "model" }, res = active, expect = { hold = { "payee.iban", "payment.manager" } } },
  test { "the master's account, wherever it was read", agent = "a", action = "payment.propose",
    arg = { iban = "DE00MASTER" }, labels = { iban = "external" }, res = active,
    expect = { hold = { "payment.manager" } } },
  test { "the master's account written in another way", agent = "a", action = "payment.propose",
    arg = { iban = "DE00 MASTER" }, res = active, expect = { hold = { "payee.iban", "payment.manager" } } },
  test { "an account in a box", agent = "a", action = "payment.propose", arg = { iban = { "DE00MASTER" } },
    res = active, expect = { hold = { "payee.iban", "payment.manager" } } },
  test { "the master's IBAN is no other account", agent = "a", action = "payment.propose",
    arg = { bank_account = "DE00MASTER" }, res = active, expect = { hold = { "payee.account", "payment.manager" } } },
  test { "the master's IBAN is no payee", agent = "a", action = "payment.propose",
    arg = { payee = "DE00MASTER" }, res = active, expect = { hold = { "payee.name", "payment.manager" } } },
  test { "the supplier himself is", agent = "a", action = "payment.propose", arg = { payee = 7 }, res = active,
    expect = { hold = { "payment.manager" } } },
  test { "no account in the record", agent = "a", action = "payment.propose", arg = { iban = "DE00MASTER" },
    res = { vendor = { id = 7, status = "active" } }, expect = { hold = { "payee.iban", "payment.manager" } } },

  -- not theirs
  test { "master data", agent = "a", action = "party.register", expect = { deny = { "agents.never" } } },
  test { "policies", agent = "a", roles = { "admin" }, action = "policy.load", expect = { deny = { "agents.never" } } },
  test { "statements", agent = "a", action = "bank_statement.import", expect = { deny = { "agents.never" } } },
  test { "what nobody has thought of", agent = "a", action = "payroll.run", expect = { deny = { "no_permit" } } },
}
