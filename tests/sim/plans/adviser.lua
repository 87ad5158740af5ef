-- adviser: does what the model chooses, and something else when there is none.
local agent = {
  name = "adviser", version = "1", handles = {}, uses = { "invoice.hold", "invoice.reject" },
  limits = { tokens = 300 },
}

function agent.plan(ctx, exception)
  local plan = ctx:plan()
  for i = 1, 4 do
    local advice = llm.decide { question = "number " .. i, options = { "first", "second" }, max_tokens = 100 }
    if advice and advice.choice == "first" then
      plan:add("invoice.reject", { invoice = exception.base + i, reason = "advised" }, { reason = "advised" })
    else
      plan:add("invoice.hold", { invoice = exception.base + i, code = "other", reason = "alone" }, { reason = "alone" })
    end
  end
  return plan
end

return agent
