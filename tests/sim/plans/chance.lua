-- chance: a plan that the run's own seed writes.  Asks anything in any order, then proposes anything.
local agent = {
  name = "chance", version = "1", handles = {},
  uses = { "invoice.hold", "invoice.reject", "exception.note", "exception.resolve", "invoice.accept_variance" },
  limits = { steps = 60, calls = 40, tokens = 20000 },
}

local function any(list) return list[math.random(#list)] end

local asks = {
  function() return erp.get("invoice", math.random(4)) end,
  function() return erp.find("invoice", { state = "held" }, { limit = 3 }) end,
  function() return erp.history("invoice", math.random(4)) end,
  function() return llm.decide { question = "which?", options = { "first", "second" }, max_tokens = 50 } end,
  function() return memory.set("seen", math.random(1000)) end,
  function() return memory.get("seen") end,
  function(ctx) return ctx:sleep(any { 0, 1, 20, 59, 61, 3600, 200000 }) end,
  function(ctx) return ctx:signal("go", any { 0, 30, 90, 86400, 500000 }) end,
  function(ctx) return ctx:note("thought " .. math.random(1000)) end,
}

local function wander(ctx, most)
  for _ = 1, math.random(0, most) do any(asks)(ctx) end
end

local function action(plan, exception, i)
  local invoice, reason = exception.base + i, "step " .. i
  local why = { reason = reason, evidence = { "number " .. i } }
  local kind = math.random(6)
  if kind == 1 then
    plan:add("invoice.hold", { invoice = invoice, code = "price", reason = reason }, why)
  elseif kind == 2 then
    plan:add("invoice.reject", { invoice = invoice, reason = reason }, why)
  elseif kind == 3 then
    plan:add("exception.note", { key = exception.key, text = reason }, why)
  elseif kind == 4 then
    plan:add("exception.resolve", { key = exception.key, resolution = "invoice.hold", reason = reason }, why)
  elseif kind == 5 then
    plan:add("invoice.accept_variance", { invoice = invoice, line = "1", variance = "PP",
      amount = { minor = 100 * i, currency = "EUR" }, reason = reason }, why)
  else
    plan:add("invoice.hold", { invoice = exception.shared, code = "quantity", reason = reason }, why)
  end
end

function agent.plan(ctx, exception)
  wander(ctx, 6)
  local plan = ctx:plan()
  for i = 1, math.random(0, 5) do action(plan, exception, i) end
  wander(ctx, 2)
  return plan:summary("as it came")
end

function agent.review(ctx)
  wander(ctx, 3)
  if math.random(4) == 1 then error("the review does not like it") end
  return { liked = math.random(2) == 1 }
end

return agent
