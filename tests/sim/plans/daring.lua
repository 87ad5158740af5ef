-- daring: its actions have more points of risk than it may take, and it asks people for more.
local agent = {
  name = "daring", version = "1", handles = {}, uses = { "invoice.hold" }, limits = { risk = 1 }, overrun = "ask",
}

function agent.plan(ctx, exception)
  local plan = ctx:plan()
  for i = 1, 4 do
    plan:add("invoice.hold", { invoice = exception.base + i, code = "price", reason = "step " .. i },
      { reason = "number " .. i })
  end
  return plan
end

return agent
