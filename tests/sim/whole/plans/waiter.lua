-- waiter: says how it stands, waits for an update and for a word from people, posts what came of it, remembers it.
local agent = { name = "waiter", version = "1", handles = { "X03" }, uses = { "entry.post", "case.close" },
  updates = { amount = { type = "object", required = { "minor" }, properties = { minor = { type = "integer", minimum = 1 } } } } }

function agent.plan(ctx, exception)
  local minor = exception.evidence.amounts[1]
  for n = 1, 2 do
    ctx:publish("state", { n = n })
    local update = ctx:update("amount", 5)
    if not update then
      break
    elseif update.body.minor > 600 then
      ctx:refuse(update, "too much")
    else
      minor = update.body.minor
      ctx:reply(update, { minor = minor, n = n })
    end
  end
  local answer = ctx:signal("go", 12)
  memory.set("last", answer and "told" or "not told")
  ctx:sleep(2)
  local plan = ctx:plan()
  if answer then
    plan:add("entry.post", { case = exception.resource, ref = exception.evidence.name .. "/w",
      amount = { minor = minor, currency = "EUR" } }, { reason = "told to" })
  end
  return plan:add("case.close", { case = exception.resource }, { reason = memory.get("last") })
end

function agent.review(ctx)
  ctx:note("looked at it again")
  return { seen = true }
end

return agent
