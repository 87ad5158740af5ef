-- dozer: looks again every second, most of the time asleep, and then does what the case asks for.
local agent = { name = "dozer", version = "1", handles = { "X06" }, uses = { "entry.post", "case.close" },
  limits = { steps = 60 } }

function agent.plan(ctx, exception)
  local minor = exception.evidence.amounts[1]
  for i = 1, 5 + minor % 6 do
    ctx:note("look " .. i)
    ctx:sleep(1)
  end
  ctx:sleep(2)
  return ctx:plan()
    :add("entry.post", { case = exception.resource, ref = exception.evidence.name .. "/d",
      amount = { minor = minor, currency = "EUR" } }, { reason = "long looked at" })
    :add("case.close", { case = exception.resource }, { reason = "done" })
end

return agent
