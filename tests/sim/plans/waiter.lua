-- waiter: waits for a signal for a month; then holds the invoice that the signal names.
local agent = { name = "waiter", version = "1", handles = {}, uses = { "invoice.hold" } }

function agent.plan(ctx, exception)
  erp.get("invoice", exception.base)
  local answer, why = ctx:signal("go", 30 * 86400)
  erp.get("invoice", exception.base + 1)
  local plan = ctx:plan()
  if answer then
    plan:add("invoice.hold", { invoice = exception.base, code = "price", reason = "told to" }, { reason = "told to" })
  end
  return plan:summary(answer and "told" or why)
end

return agent
