-- adviser: asks the model before and after a short rest, and does what the case asks for whatever it says.
local agent = { name = "adviser", version = "1", handles = { "X07" }, uses = { "entry.post", "case.close" } }

function agent.plan(ctx, exception)
  ctx.llm.decide { question = "Is it worth it?", options = { "yes", "no" }, max_tokens = 16 }
  ctx:sleep(1)
  ctx.llm.decide { question = "Is it really?", options = { "yes", "no" }, max_tokens = 16 }
  return ctx:plan()
    :add("entry.post", { case = exception.resource, ref = exception.evidence.name .. "/m",
      amount = { minor = exception.evidence.amounts[1], currency = "EUR" } }, { reason = "as advised" })
    :add("case.close", { case = exception.resource }, { reason = "done" })
end

return agent
