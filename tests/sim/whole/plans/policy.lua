-- policy: who may do what in the simulated companies.
local function above(amount, limit)
  return all { amount.currency:eq "EUR", amount:gt(money(limit)) }
end

return bundle { name = "sim", schema = "erp.v1",
  permit { id = "agents", agents = "*", action = any_of { "entry.post", "payment.send", "case.close", "run.start", "llm.decide",
    "http.request", "mail.send", "file.write" } },
  permit { id = "machine", system = true, action = any_of { "entry.*", "case.*", "run.start", "http.request" } },
  permit { id = "clerk", persons = role "clerk", action = any_of { "payment.send", "entry.post", "run.signal", "run.cancel", "run.update", "run.raise", "run.start" } },
  forbid { id = "too.much", action = "payment.send", when = above(arg.amount, "900 EUR") },
  approve { id = "pay.controller", action = "payment.send", when = above(arg.amount, "100 EUR"),
    stages = { { role = "controller" } }, expires = "8s", escalate = { after = "3s", to = "manager" } },
  approve { id = "pay.two", action = "payment.send", when = above(arg.amount, "500 EUR"),
    stages = { { role = "controller" }, { role = "manager" } }, expires = "25s" },
  approve { id = "model.unsure", agents = "*", action = "entry.post", when = all { run.margin:has(), run.margin:lt(20) },
    stages = { { role = "controller" } }, expires = "8s", escalate = { after = "3s", to = "manager" } },
  approve { id = "key.ask", action = "run.start", when = res.holder.run:has(),
    stages = { { role = "controller" } }, expires = "6s", escalate = { after = "3s", to = "manager" } },
  limit { id = "day.payments", agents = "*", action = "payment.send", when = arg.amount.currency:eq "EUR",
    sum = arg.amount, per = { "agent" }, window = "1d", cap = money "100000 EUR", over = "deny" },
}
