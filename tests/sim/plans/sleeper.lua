-- sleeper: sleeps a minute and then a month, in the plan and in its review.
local agent = { name = "sleeper", version = "1", handles = {}, uses = { "invoice.hold" } }

function agent.plan(ctx, exception)
  ctx:sleep(50)
  ctx:sleep(30 * 86400)
  return ctx:plan():add("invoice.hold", { invoice = exception.base, code = "other", reason = "awake" },
    { reason = "awake" })
end

function agent.review(ctx)
  ctx:sleep(10 * 86400)
  return { slept = true }
end

return agent
