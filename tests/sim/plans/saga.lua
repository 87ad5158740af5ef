-- saga: four actions that can be taken back, a hold and a fact that cannot; whatever fails, the rest is undone,
-- and the hold stays where nobody has decided.
local agent = {
  name = "saga", version = "1", handles = {}, uses = { "invoice.hold", "invoice.reject", "exception.note" },
}

function agent.plan(ctx, exception)
  local plan = ctx:plan()
  for i = 1, 5 do
    plan:add(i ~= 3 and "invoice.reject" or "invoice.hold",
      i ~= 3 and { invoice = exception.base + i, reason = "step " .. i }
        or { invoice = exception.base + i, code = "price", reason = "step " .. i },
      { reason = "number " .. i })
    if i == 3 then plan:add("exception.note", { key = exception.key, text = "a fact" }, { reason = "fact" }) end
  end
  return plan
end

return agent
