-- payer: asks what is known, posts, pays, which above a limit needs people, posts once more, and closes the case.  A
-- payment cannot be taken back; the last entry may be refused after it.
local agent = {
  name = "payer", version = "1", handles = { "X02" }, uses = { "payment.send", "entry.post", "case.close" },
  flow = { { at_once = 2, name = "bank" }, { starts = 2, seconds = 2 }, { at_once = 1, by = "resource" } },
}

function agent.plan(ctx, exception)
  erp.get("case", 1)
  local amounts, name = exception.evidence.amounts, exception.evidence.name
  local plan = ctx:plan()
    :add("entry.post", { case = exception.resource, ref = name .. "/e",
      amount = { minor = amounts[1], currency = "EUR" } }, { reason = "entry" })
    :add("payment.send", { case = exception.resource, ref = name .. "/p",
      amount = { minor = amounts[1] * 100, currency = "EUR" } }, { reason = "payment" })
  if amounts[2] then
    plan:add("entry.post", { case = exception.resource, ref = name .. "/f",
      amount = { minor = amounts[2], currency = "EUR" } }, { reason = "fee" })
  end
  return plan:add("case.close", { case = exception.resource }, { reason = "done" })
end

return agent
