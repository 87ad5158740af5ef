-- dozer: sleeps as long as a run keeps its actor.
local agent = { name = "dozer", version = "1", handles = {}, uses = {} }

function agent.plan(ctx)
  ctx:sleep(1)
  return ctx:plan()
end

return agent
