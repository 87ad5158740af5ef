-- clerk: posts what the case asks for, entry by entry, and closes it.  An unlucky amount is refused: then
-- everything before it is taken back.
local agent = { name = "clerk", version = "1", handles = { "X01" }, flow = { { at_once = 2 } }, uses = { "entry.post", "case.close" } }

function agent.plan(ctx, exception)
  local plan = ctx:plan()
  for i, minor in ipairs(exception.evidence.amounts) do
    plan:add("entry.post", { case = exception.resource, ref = exception.evidence.name .. "/" .. i,
      amount = { minor = minor, currency = "EUR" } }, { reason = "number " .. i })
  end
  return plan:add("case.close", { case = exception.resource }, { reason = "done" })
end

return agent
