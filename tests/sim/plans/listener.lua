-- listener: waits for a signal for less than a minute.
local agent = { name = "listener", version = "1", handles = {}, uses = {} }

function agent.plan(ctx)
  return ctx:plan():summary(ctx:signal("go", 55) and "heard" or "not heard")
end

return agent
