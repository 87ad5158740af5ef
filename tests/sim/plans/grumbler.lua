-- grumbler: does its work and fails in its review, which changes nothing about the work.
local agent = { name = "grumbler", version = "1", handles = {}, uses = { "invoice.hold" } }

function agent.plan(ctx, exception)
  return ctx:plan():add("invoice.hold", { invoice = exception.base, code = "other", reason = "work" },
    { reason = "work" })
end

function agent.review(ctx)
  erp.get("invoice", 1)
  ctx:note("about to grumble")
  error("nothing is ever right")
end

return agent
