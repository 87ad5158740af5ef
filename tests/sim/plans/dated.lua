-- dated: writes down what day it is, sleeps, and must still think so.
local agent = { name = "dated", version = "1", handles = {}, uses = {} }

function agent.plan(ctx)
  ctx:note(ctx.today)
  ctx:sleep(5 * 86400)
  ctx:note("still " .. ctx.today)
  return ctx:plan():summary(ctx.today)
end

return agent
