-- spender: has too little to spend, and waits until people give it more.
local agent = { name = "spender", version = "1", handles = { "X05" }, uses = { "entry.post", "case.close" },
  limits = { steps = 4, risk = 1 }, overrun = "ask", flow = { { at_once = 2, name = "bank" } }, priority = 1 }

function agent.plan(ctx, exception)
  for i = 1, 6 do
    ctx:note("look " .. i)
  end
  return ctx:plan()
    :add("entry.post", { case = exception.resource, ref = exception.evidence.name .. "/s",
      amount = { minor = exception.evidence.amounts[1], currency = "EUR" } }, { reason = "worth it" })
    :add("case.close", { case = exception.resource }, { reason = "done" })
end

return agent
