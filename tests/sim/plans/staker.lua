-- staker: gives a child most of the risk it may take, begins anew, and acts with what is left.
local agent = {
  name = "staker", version = "1", handles = {}, uses = { "invoice.reject" }, limits = { risk = 4 },
}

function agent.plan(ctx, exception)
  if not ctx.state then
    local child = ctx:start("quiet", { base = exception.base + 4, shared = 7 },
      { close = "abandon", budget = { risk = 3 } })
    if child and exception.await then ctx:await(child) end
    ctx:checkpoint({ began = true })
  end
  local plan = ctx:plan()
  for i = 1, 3 do
    plan:add("invoice.reject", { invoice = exception.base + i, reason = "step " .. i }, { reason = "number " .. i })
  end
  return plan
end

return agent
