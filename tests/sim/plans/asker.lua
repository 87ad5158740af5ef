-- asker: too little of everything, and asks people for more, in its questions and in its actions.
local agent = {
  name = "asker", version = "1", handles = {}, uses = { "invoice.hold" },
  limits = { steps = 4, calls = 2, tokens = 60, risk = 0 }, overrun = "ask",
}

function agent.plan(ctx, exception)
  for i = 1, 4 do
    erp.get("invoice", i)
    if i == 2 then llm.decide { question = "which?", options = { "first", "second" }, max_tokens = 50 } end
  end
  ctx:sleep(math.random(2) == 1 and 5 or 90)
  local plan = ctx:plan()
  for i = 1, 3 do
    plan:add("invoice.hold", { invoice = exception.base + i, code = "price", reason = "step " .. i },
      { reason = "number " .. i })
  end
  return plan
end

function agent.review(ctx)
  return { seen = erp.get("invoice", 9) ~= nil }
end

return agent
