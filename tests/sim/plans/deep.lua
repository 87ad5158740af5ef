-- deep: starts itself for another exception, for ever; depth has a limit.
local agent = { name = "deep", version = "1", handles = {}, uses = {}, limits = { depth = 3 } }

function agent.plan(ctx, exception)
  local key = ("%08x"):format(math.random(0, 0xffffffff)):rep(8)
  local child, _, code = ctx:start("deep", { base = exception.base, shared = exception.shared, key = key }, { close = "wait" })
  if not child then return ctx:plan():summary(code) end
  return ctx:plan():summary("below " .. ((ctx:await(child) or {}).summary or "nothing"))
end

return agent
