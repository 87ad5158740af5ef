-- shouter: fails with a message that is long and not ASCII; what is cut off must still be text.
local agent = { name = "shouter", version = "1", handles = {}, uses = {} }

function agent.plan(_, exception)
  local invoice = erp.get("invoice", exception.base)
  error(("x"):rep(exception.base % 4) .. ("\u{4e2d}\u{6587}"):rep(200) .. (invoice and "" or "\xff"))
end

return agent
