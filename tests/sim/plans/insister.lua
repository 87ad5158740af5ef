-- insister: asks the same for ever; repetition has a limit.
local agent = { name = "insister", version = "1", handles = {}, uses = {} }

function agent.plan()
  while true do erp.get("invoice", 1) end
end

return agent
