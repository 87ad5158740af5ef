-- ping: hands the exception to pong, which hands it back: the second time is refused.
local agent = { name = "ping", version = "1", handles = {}, uses = { "exception.note" } }

function agent.plan(ctx, exception)
  local _, why, code = ctx:handoff("pong", exception, { reason = "not mine" })
  return ctx:plan():add("exception.note", { key = exception.key, text = code .. ": " .. why }, { reason = "nobody else" })
end

return agent
