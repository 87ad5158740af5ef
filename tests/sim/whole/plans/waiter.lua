-- waiter: waits for a word from people, posts what came of it, remembers it.
local agent = { name = "waiter", version = "1", handles = { "X03" }, uses = { "entry.post", "case.close" } }

function agent.plan(ctx, exception)
  local answer = ctx:signal("go", 12)
  memory.set("last", answer and "told" or "not told")
  ctx:sleep(2)
  local plan = ctx:plan()
  if answer then
    plan:add("entry.post", { case = exception.resource, ref = exception.evidence.name .. "/w",
      amount = { minor = exception.evidence.amounts[1], currency = "EUR" } }, { reason = "told to" })
  end
  return plan:add("case.close", { case = exception.resource }, { reason = memory.get("last") })
end

function agent.review(ctx)
  ctx:note("looked at it again")
  return { seen = true }
end

return agent
