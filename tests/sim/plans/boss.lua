-- boss: starts one other agent as its exception says, and awaits it when it says so.
local agent = {
  name = "boss", version = "1", handles = {}, uses = { "invoice.reject" }, limits = { steps = 60, calls = 60, risk = 40 },
}

function agent.plan(ctx, exception)
  local child, why, code = ctx:start(exception.agent or "saga", { base = exception.base + 4, shared = 7 },
    { close = exception.close, budget = exception.budget, as = "the work" })
  if not child then return ctx:plan():summary(code .. ": " .. why) end
  local ended = exception.await and ctx:await(child, exception.timeout_s)
  if exception.rest then ctx:sleep(exception.rest) end
  return ctx:plan()
    :add("invoice.reject", { invoice = exception.base, reason = "own work" }, { reason = "own work" })
    :summary(ended and ended.run == child.run and ended.status or "did not wait")
end

return agent
