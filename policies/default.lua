-- default.lua -- accounts payable and cash: agents propose, sensible people stand behind what is risky.
-- Read it from top to bottom: who may ask for what, what is never done, who must agree, what runs out.
-- The words are explained in README.md; more tests stand in cases/.

-- An amount above a limit of the house currency.  Other currencies are never converted: rule
-- "foreign.currency" asks people instead.
local function above(amount, limit)
  return all { amount.currency:eq "EUR", amount:gt(money(limit)) }
end

-- The model of the run was asked, and its two likeliest options lay less than 20 percent points apart: measured by
-- the runtime, whatever the plan makes of it.
local unsure = all { run.margin:has(), run.margin:lt(20) }

return bundle { name = "default", schema = "erp.v1",

  ---- who may ask ------------------------------------------------------------------------------

  permit { id = "agents.propose", note = "what follows decides who must agree", agents = "*",
    action = any_of { "invoice.hold", "invoice.release", "invoice.reject", "invoice.link_order",
      "invoice.accept_variance", "invoice.confirm_distinct", "invoice.post", "credit_note.request",
      "order.change", "payment.propose", "payment.release", "bank_line.match", "bank_line.post_to",
      "journal.post", "journal.reverse", "exception.note", "exception.snooze", "exception.resolve" } },
  permit { id = "outside.propose", note = "through connectors only; outside.held asks people about each",
    agents = "*", action = any_of { "http.request", "mail.send", "file.write" } },
  permit { id = "agents.think", agents = "*", action = "llm.decide" },

  permit { id = "clerk.documents", persons = role "clerk",
    action = any_of { "order.register", "receipt.register", "remittance.register", "invoice.register",
      "credit_note.register", "bank_statement.*" } },
  permit { id = "clerk.daily", persons = role "clerk",
    action = any_of { "invoice.post", "credit_note.post", "invoice.hold", "invoice.link_order",
      "invoice.reject", "invoice.confirm_distinct", "payment.propose", "payment.release",
      "payment.cancel", "bank_line.match", "bank_line.unmatch", "exception.note" } },
  permit { id = "manager.invoices", persons = role "ap.manager",
    action = any_of { "invoice.release", "invoice.reject", "invoice.reopen", "invoice.accept_variance",
      "credit_note.request", "credit_note.cancel_request", "payment.cancel", "exception.snooze",
      "exception.resolve", "exception.reopen" } },
  permit { id = "buyer.orders", persons = role "buyer", action = "order.change" },
  permit { id = "controller.books", persons = role "controller",
    action = any_of { "journal.post", "journal.reverse", "bank_line.post_to", "invoice.release",
      "period.lock" } },
  permit { id = "admin.master", persons = role "admin",
    action = any_of { "party.register", "account.register", "tolerance.set", "policy.load",
      "agent.publish", "http.request", "mail.send", "file.write" } },
  permit { id = "integrator.publish", persons = role "integrator", action = "agent.publish" },
  permit { id = "operator.runs", persons = role "operator",
    action = any_of { "exception.detect", "run.start", "run.cancel", "run.signal", "run.update", "run.raise" } },

  permit { id = "machine.work", note = "detection, schedules, and taking back what a failed run did",
    system = true,
    action = any_of { "exception.*", "run.start", "run.cancel", "invoice.*", "credit_note.*", "order.change",
      "payment.cancel", "bank_line.*", "journal.post", "journal.reverse", "http.request", "mail.send",
      "file.write" } },

  ---- never, whoever asks ----------------------------------------------------------------------


  forbid { id = "agents.never", note = "master data, documents, periods and policies are people's work",
    agents = "*",
    action = any_of { "party.register", "account.register", "tolerance.set", "period.lock",
      "policy.load", "agent.publish", "bank_statement.*", "run.cancel", "run.raise" } },
  forbid { id = "supplier.blocked", action = any_of { "payment.propose", "payment.release" },
    when = res.vendor.status:eq "blocked" },
  forbid { id = "supplier.unverified", note = "its bank account may come from its own invoice",
    action = any_of { "payment.propose", "payment.release" },
    when = all { res.vendor.status:ne "active", res.vendor.status:ne "blocked" } },
  forbid { id = "payee.changed", note = "the account must still be the one of the master record",
    action = "payment.release", when = res.iban_is_master:eq(false) },

  ---- who must agree ---------------------------------------------------------------------------

  approve { id = "variance.manager", agents = "*", action = "invoice.accept_variance",
    when = above(arg.amount, "50 EUR"), stages = { { role = "ap.manager" } },
    expires = "72h", escalate = { after = "24h", to = "controller" } },
  approve { id = "variance.controller", agents = "*", action = "invoice.accept_variance",
    when = above(arg.amount, "1000 EUR"), stages = { { role = "controller" } },
    expires = "72h", escalate = { after = "48h", to = "treasurer" } },
  approve { id = "post.manager", agents = "*", action = "invoice.post",
    when = above(res.amount, "5000 EUR"), stages = { { role = "ap.manager" } },
    expires = "72h", escalate = { after = "24h", to = "controller" } },
  approve { id = "credit.manager", note = "a letter leaves the house", agents = "*",
    action = "credit_note.request", when = above(arg.amount, "500 EUR"),
    stages = { { role = "ap.manager" } }, expires = "72h", escalate = { after = "24h", to = "controller" } },
  approve { id = "foreign.currency", note = "no limit counts it, so people do", agents = "*",
    action = any_of { "invoice.accept_variance", "invoice.post", "credit_note.request" },
    when = any { all { arg.amount:has(), arg.amount.currency:ne "EUR" },
                 all { res.amount:has(), res.amount.currency:ne "EUR" } },
    stages = { { role = "ap.manager" }, { role = "controller" } }, expires = "72h" },
  approve { id = "release.manager", agents = "*", action = "invoice.release",
    stages = { { role = "ap.manager" } }, expires = "72h", escalate = { after = "24h", to = "controller" } },
  approve { id = "reject.manager", note = "an exact duplicate may go by itself: the books hold its original",
    agents = "*", action = "invoice.reject",
    when = none { all { res.is_duplicate:has(), res.is_duplicate:eq(true) } },
    stages = { { role = "ap.manager" } }, expires = "72h", escalate = { after = "24h", to = "controller" } },
  approve { id = "order.buyer", agents = "*", action = "order.change",
    stages = { { role = "buyer" } }, expires = "72h", escalate = { after = "24h", to = "ap.manager" } },
  approve { id = "payment.manager", agents = "*", action = "payment.propose",
    stages = { { role = "ap.manager" } }, expires = "48h", escalate = { after = "24h", to = "controller" } },
  approve { id = "payment.two", note = "two different people, also when a person asks",
    action = "payment.release",
    stages = { { role = "treasurer" }, { role = "controller" } }, expires = "48h" },
  approve { id = "journal.controller", agents = "*",
    action = any_of { "journal.post", "journal.reverse" },
    stages = { { role = "controller" } }, expires = "72h" },
  approve { id = "bank.clerk", note = "what is sure the books say, not who asks", agents = "*",
    action = any_of { "bank_line.match", "bank_line.post_to" },
    when = none { all { res.is_sure:has(), res.is_sure:eq(true) } },
    stages = { { role = "clerk" } }, expires = "72h", escalate = { after = "24h", to = "ap.manager" } },
  approve { id = "model.unsure", agents = "*",
    note = "the model was not sure; a hold and a note are the careful way, what is not named goes to people anyway",
    action = any_of { "invoice.reject", "invoice.link_order", "invoice.accept_variance", "invoice.confirm_distinct",
      "invoice.post", "credit_note.request", "exception.snooze", "exception.resolve" },
    when = unsure, stages = { { role = "ap.manager" } }, expires = "72h",
    escalate = { after = "24h", to = "controller" } },
  approve { id = "model.unsure.bank", note = "what the books call sure as well", agents = "*",
    action = any_of { "bank_line.match", "bank_line.post_to" }, when = unsure, stages = { { role = "clerk" } },
    expires = "72h", escalate = { after = "24h", to = "ap.manager" } },
  approve { id = "outside.held", note = "what leaves the company cannot be called back", agents = "*",
    action = any_of { "http.request", "mail.send", "file.write" },
    stages = { { role = "controller" } }, expires = "72h" },

  approve { id = "key.ask", note = "another run works on it, and the agent's claim is \"ask\"",
    action = "run.start", when = res.holder.run:has(), stages = { { role = "controller" } },
    expires = "24h", escalate = { after = "4h", to = "ap.manager" } },

  ---- a payee never comes from a document alone ------------------------------------------------
  -- Whoever asks: a value of less trust than a person's own entry must be the master record's, to the
  -- letter and each in its own field, or the treasurer decides.  Payments of the ERP take no payee at all,
  -- they pay to the master record; so this guards the master record and whatever names a payee later.

  sink { id = "payee.iban", action = any_of { "payment.*", "party.register" }, args = { "iban" },
    need = "trusted", endorse = { exact = "vendor.iban" }, otherwise = approval "treasurer", expires = "48h" },
  sink { id = "payee.account", action = any_of { "payment.*", "party.register" }, args = { "bank_account" },
    need = "trusted", endorse = { exact = "vendor.bank_account" }, otherwise = approval "treasurer",
    expires = "48h" },
  sink { id = "payee.name", action = "payment.*", args = { "payee" }, need = "trusted",
    endorse = { exact = "vendor.id" }, otherwise = approval "treasurer", expires = "48h" },

  ---- nobody runs away: windows that roll ------------------------------------------------------

  limit { id = "day.actions", note = "what can be taken back and moves no money", agents = "*",
    action = any_of { "invoice.hold", "invoice.link_order", "invoice.reject", "invoice.confirm_distinct",
      "exception.note", "exception.snooze", "exception.resolve" },
    count = true, per = { "agent" }, window = "1d", cap = 2000, over = "deny" },
  limit { id = "day.variance", agents = "*", action = "invoice.accept_variance",
    when = arg.amount.currency:eq "EUR", sum = arg.amount, per = { "agent" }, window = "1d",
    cap = money "500 EUR", over = approval "ap.manager", expires = "72h",
    escalate = { after = "24h", to = "controller" } },
  limit { id = "day.post", agents = "*", action = "invoice.post",
    when = res.amount.currency:eq "EUR", sum = res.amount, per = { "agent" }, window = "1d",
    cap = money "100000 EUR", over = approval "ap.manager", expires = "72h",
    escalate = { after = "24h", to = "controller" } },
  limit { id = "day.credit", agents = "*", action = "credit_note.request",
    when = arg.amount.currency:eq "EUR", sum = arg.amount, per = { "agent" }, window = "1d",
    cap = money "2500 EUR", over = approval "ap.manager", expires = "72h",
    escalate = { after = "24h", to = "controller" } },

  ---- duties that must not meet in one pair of hands (reeve policy check) -----------------------

  sod { id = "master.and.payment", conflict = { "party.register", "payment.propose" } },
  sod { id = "invoice.and.release", conflict = { "invoice.register", "invoice.release" } },
  sod { id = "policy.and.money", conflict = { "policy.load", "payment.release" } },

  ---- the most important answers, as tests -----------------------------------------------------

  test { "a small variance passes", agent = "price_variance", action = "invoice.accept_variance",
    arg = { amount = "12.50 EUR" }, expect = "allow" },
  test { "a larger one needs the manager", agent = "price_variance", action = "invoice.accept_variance",
    arg = { amount = "80 EUR" }, expect = { hold = { "variance.manager" } } },
  test { "a large one needs the controller as well", agent = "price_variance",
    action = "invoice.accept_variance", arg = { amount = "1500 EUR" },
    expect = { hold = { "variance.controller", "variance.manager", "day.variance" } } },
  test { "an agent may only ask for a payment", agent = "payer", action = "payment.release", arg = {},
    res = { vendor = { status = "active" }, iban_is_master = true }, expect = { hold = { "payment.two" } } },
  test { "a blocked supplier is never paid", agent = "payer", action = "payment.release", arg = {},
    res = { vendor = { status = "blocked" }, iban_is_master = true },
    expect = { deny = { "supplier.blocked" } } },
  test { "a clerk may not publish agents", person = "clerk", roles = { "clerk" },
    action = "agent.publish", arg = {}, expect = { deny = { "no_permit" } } },
}
