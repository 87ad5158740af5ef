-- thrifty: goes on without what its budget does not give, and says so.
local agent = {
  name = "thrifty", version = "1", handles = {}, uses = { "invoice.hold" },
  limits = { steps = 30, calls = 3 }, overrun = "degrade",
}

function agent.plan(ctx, exception)
  local without = 0
  for i = 1, 5 do
    local _, message, code = erp.get("invoice", i)
    if code == "limit" and message:find('budget "calls"', 1, true) then without = without + 1 end
    _, _, code = llm.decide { question = "which " .. i, options = { "first", "second" }, max_tokens = 50 }
    if code == "limit" then without = without + 1 end
  end
  ctx:note("without " .. without)
  return ctx:plan():add("invoice.hold", { invoice = exception.base + 1, code = "price", reason = "no advice" },
    { reason = "without " .. without })
end

return agent
