-- payer: asks what is known, pays, which above a limit needs people, posts one entry and closes the case.
local agent = {
  name = "payer", version = "1", handles = { "X02" }, uses = { "payment.send", "entry.post", "case.close" },
}

function agent.plan(ctx, exception)
  erp.get("case", 1)
  local amounts, name = exception.evidence.amounts, exception.evidence.name
  return ctx:plan()
    :add("entry.post", { case = exception.resource, ref = name .. "/e",
      amount = { minor = amounts[1], currency = "EUR" } }, { reason = "entry" })
    :add("payment.send", { case = exception.resource, ref = name .. "/p",
      amount = { minor = amounts[1] * 100, currency = "EUR" } }, { reason = "payment" })
    :add("case.close", { case = exception.resource }, { reason = "done" })
end

return agent
