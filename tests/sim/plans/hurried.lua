-- hurried: has an hour of real time; whoever lets it wait longer gets no further step.
local agent = {
  name = "hurried", version = "1", handles = {}, uses = { "invoice.hold" }, limits = { wall_ms = 3600000 },
}

function agent.plan(ctx, exception)
  local plan = ctx:plan()
  erp.get("invoice", exception.base)
  ctx:sleep(1200)
  for i = 1, 4 do
    plan:add("invoice.hold", { invoice = exception.base + i, code = "price", reason = "step " .. i },
      { reason = "number " .. i })
  end
  erp.get("invoice", exception.base + 1)
  return plan
end

return agent
