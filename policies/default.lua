-- default.lua -- accounts payable and cash: agents propose, sensible people stand behind what is risky.
-- Read it from top to bottom: who may ask for what, what is never allowed, and who must agree.

return bundle { name = "default",

  -- agents may ask for these; what follows decides who must agree
  permit { id = "agents.propose", agents = "*",
    action = any_of { "invoice.hold", "invoice.release", "invoice.reject", "invoice.link_order",
      "invoice.accept_variance", "invoice.post", "credit_note.request", "order.change",
      "payment.propose", "payment.release", "bank_line.match", "bank_line.post_to",
      "journal.post", "journal.reverse", "exception.note", "exception.snooze", "exception.resolve" } },
  permit { id = "agents.think", agents = "*", action = any_of { "llm.decide", "run.start" } },

  -- people, by role
  permit { id = "clerk.documents", persons = role "clerk",
    action = any_of { "order.register", "receipt.register", "remittance.register", "invoice.register",
      "credit_note.register", "bank_statement.import", "bank_statement.lines", "bank_statement.close",
      "invoice.post", "invoice.hold", "invoice.link_order", "invoice.reject", "payment.propose",
      "bank_line.match", "exception.note" } },
  permit { id = "admin.master", persons = role "admin",
    action = any_of { "party.register", "account.register", "tolerance.set", "policy.load",
      "agent.publish" } },
  permit { id = "integrator.publish", persons = role "integrator", action = "agent.publish" },
  permit { id = "operator.runs", persons = role "operator",
    action = any_of { "exception.detect", "run.start", "run.cancel", "run.signal" } },
  permit { id = "controller.books", persons = role "controller",
    action = any_of { "journal.post", "journal.reverse", "invoice.release" } },

  -- the machine itself: detection, progress notes, and taking back what a failed run did
  permit { id = "system.work", system = "*",
    action = any_of { "exception.*", "run.start", "invoice.*", "credit_note.*", "order.change",
      "payment.*", "bank_line.*", "journal.reverse", "journal.post" } },

  -- never, whoever asks
  forbid { id = "blocked.supplier", action = any_of { "payment.propose", "payment.release" },
    when = all { res.vendor:has(), res.vendor.status:eq "blocked" } },

  -- money and the books: who must agree
  approve { id = "variance.manager", agents = "*", action = "invoice.accept_variance",
    when = arg.amount:gt(money "50 EUR"),
    stages = { { role = "ap.manager", n = 1 } }, expires = "72h", escalate = { after = "24h", to = "controller" } },
  approve { id = "variance.controller", agents = "*", action = "invoice.accept_variance",
    when = arg.amount:gt(money "1000 EUR"),
    stages = { { role = "controller", n = 1 } }, expires = "72h" },
  approve { id = "post.manager", agents = "*", action = "invoice.post",
    when = res.amount:gt(money "5000 EUR"),
    stages = { { role = "ap.manager", n = 1 } }, expires = "72h" },
  approve { id = "release.manager", agents = "*", action = "invoice.release",
    stages = { { role = "ap.manager", n = 1 } }, expires = "72h" },
  approve { id = "reject.manager", agents = "*", action = "invoice.reject",
    stages = { { role = "ap.manager", n = 1 } }, expires = "72h", escalate = { after = "24h", to = "controller" } },
  approve { id = "credit.manager", agents = "*", action = "credit_note.request",
    stages = { { role = "ap.manager", n = 1 } }, expires = "72h", escalate = { after = "24h", to = "controller" } },
  approve { id = "order.buyer", agents = "*", action = "order.change",
    stages = { { role = "buyer", n = 1 } }, expires = "72h" },
  approve { id = "payment.manager", agents = "*", action = "payment.propose",
    stages = { { role = "ap.manager", n = 1 } }, expires = "48h" },
  approve { id = "payment.two", action = "payment.release",
    stages = { { role = "treasurer", n = 1 }, { role = "controller", n = 1 } }, expires = "48h" },
  approve { id = "journal.controller", agents = "*", action = any_of { "journal.post", "journal.reverse" },
    stages = { { role = "controller", n = 1 } }, expires = "72h" },
  approve { id = "bank.clerk", agents = "*", action = any_of { "bank_line.match", "bank_line.post_to" },
    when = none { all { arg.score:has(), arg.score:ge(95) } },
    stages = { { role = "clerk", n = 1 } }, expires = "72h" },

  -- a payee or an account never comes from a document alone
  sink { id = "payee.trusted", action = any_of { "payment.propose", "payment.release" },
    args = { "iban" }, need = "trusted", endorse = { exact = "vendor.iban" }, otherwise = approval "treasurer" },

  -- nobody runs away: rolling limits per agent
  limit { id = "agent.day", agents = "*", action = any_of { "invoice.hold", "invoice.link_order" },
    count = true, per = { "agent" }, window = "1d", cap = 2000, over = "deny" },
  limit { id = "variance.day", agents = "*", action = "invoice.accept_variance",
    sum = arg.amount, per = { "agent" }, window = "1d", cap = money "500 EUR", over = approval "ap.manager" },

  test { "a small variance passes", agent = "price_variance", action = "invoice.accept_variance",
    arg = { amount = money "12.50 EUR" }, expect = "allow" },
  test { "a larger one needs the manager", agent = "price_variance", action = "invoice.accept_variance",
    arg = { amount = money "80 EUR" }, expect = { hold = { "variance.manager" } } },
  test { "a large one needs the controller as well", agent = "price_variance", action = "invoice.accept_variance",
    arg = { amount = money "1500 EUR" }, expect = { hold = { "variance.controller", "variance.manager", "variance.day" } } },
  test { "another currency cannot be compared: people decide, the day's sum refuses", agent = "price_variance",
    action = "invoice.accept_variance", arg = { amount = money "10 USD" }, expect = "deny" },
  test { "a day's sum runs out", agent = "price_variance", action = "invoice.accept_variance",
    arg = { amount = money "20 EUR" }, used = 49000, expect = { hold = { "variance.day" } } },
  test { "a clerk may not publish agents", person = "clerk", roles = { "clerk" }, action = "agent.publish",
    arg = {}, expect = "deny" },
  test { "payments always need two", person = "treasurer", roles = { "treasurer" }, action = "payment.release",
    arg = {}, res = { vendor = { status = "active" } }, expect = "deny" },
  test { "an agent may only ask for a payment", agent = "payer", action = "payment.release", arg = {},
    res = { vendor = { status = "active" } }, expect = { hold = { "payment.two" } } },
  test { "a blocked supplier is never paid", agent = "payer", action = "payment.release", arg = {},
    res = { vendor = { status = "blocked" } }, expect = "deny" },
  test { "an IBAN that is not the master's asks the treasurer", agent = "payer", action = "payment.propose",
    arg = { iban = "DE00OTHER" }, res = { vendor = { status = "active", iban = "DE00MASTER" } },
    expect = { hold = { "payee.trusted", "payment.manager" } } },
  test { "a sure bank match needs nobody", agent = "bank_line", action = "bank_line.match",
    arg = { score = 100 }, expect = "allow" },
}
