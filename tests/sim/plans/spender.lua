-- spender: more steps than its limit allows, in the middle of its actions.
local agent = {
  name = "spender", version = "1", handles = {}, uses = { "invoice.reject" }, limits = { steps = 5 },
}

function agent.plan(ctx, exception)
  erp.get("invoice", 1)
  local plan = ctx:plan()
  for i = 1, 6 do
    plan:add("invoice.reject", { invoice = exception.base + i, reason = "step " .. i },
      { reason = "number " .. i })
  end
  return plan
end

return agent
