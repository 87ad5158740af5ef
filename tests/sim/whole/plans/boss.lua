-- boss: lets a helper do the work, waits for it, and closes the case.
local agent = { name = "boss", version = "1", handles = { "X04" }, uses = { "entry.post", "case.close" } }

function agent.plan(ctx, exception)
  local child = ctx:start("helper", { resource = exception.resource, evidence = exception.evidence },
    { close = "wait", as = "the work" })
  local ended = child and ctx:await(child, 25)
  local plan = ctx:plan()
  if ended and ended.status == "done" then
    plan:add("case.close", { case = exception.resource }, { reason = "the helper is done" })
  end
  return plan:summary(ended and ended.status or "nobody came back")
end

return agent
