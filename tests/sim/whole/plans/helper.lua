-- helper: does the work of a boss.
local agent = { name = "helper", version = "1", handles = {}, flow = { { at_once = 1 } }, uses = { "entry.post" } }

function agent.plan(ctx, exception)
  ctx:publish("state", { n = 1 })
  ctx:sleep(1)
  ctx:publish("state", { n = 2 })
  local plan = ctx:plan()
  for i, minor in ipairs(exception.evidence.amounts) do
    plan:add("entry.post", { case = exception.resource, ref = exception.evidence.name .. "/h" .. i,
      amount = { minor = minor, currency = "EUR" } }, { reason = "number " .. i })
  end
  return plan
end

return agent
