-- quiet: asks nothing, proposes two actions.
local agent = { name = "quiet", version = "1", handles = {}, uses = { "invoice.hold" } }

function agent.plan(ctx, exception)
  return ctx:plan()
    :add("invoice.hold", { invoice = exception.base, code = "price", reason = "one" }, { reason = "one" })
    :add("invoice.hold", { invoice = exception.base + 1, code = "price", reason = "two" }, { reason = "two" })
end

return agent
