-- asker: as a helper, but where another run has its key people decide which of the two has it.
local agent = { name = "asker", version = "1", handles = {}, uses = { "entry.post" }, claims = "ask" }

function agent.plan(ctx, exception)
  ctx:publish("state", { n = 1 })
  ctx:sleep(exception.seconds or 1)
  local plan = ctx:plan()
  for i, minor in ipairs(exception.evidence.amounts) do
    plan:add("entry.post", { case = exception.resource, ref = exception.evidence.name .. "/a" .. i,
      amount = { minor = minor, currency = "EUR" } }, { reason = "number " .. i })
  end
  return plan
end

return agent
