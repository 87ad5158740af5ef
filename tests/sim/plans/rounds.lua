-- rounds: works in rounds and begins anew after each, with what it has to remember; waits, and has others work.
local agent = {
  name = "rounds", version = "1", handles = {}, uses = { "invoice.hold", "exception.note" },
  limits = { steps = 90, calls = 40, tokens = 20000, children = 3 },
}

local function any(list) return list[math.random(#list)] end

function agent.plan(ctx, exception)
  local state = ctx.state or { round = 0, seen = {}, rounds = math.random(0, 6) }
  if state.child and math.random(2) == 1 then
    local ended = ctx:await(state.child, any { 0, 86400, 30000000 })
    state.child = nil
    state.seen[#state.seen + 1] = ended and ended.status or "not in time"
  end
  if state.round < state.rounds then
    state.round = state.round + 1
    for _ = 1, math.random(0, 3) do
      local found = erp.get("invoice", math.random(4))
      state.seen[#state.seen + 1] = found and found.version or 0
    end
    if math.random(3) == 1 then llm.decide { question = "round?", options = { "first", "second" }, max_tokens = 50 } end
    if math.random(3) == 1 then state.seen[#state.seen + 1] = ctx:signal("go", any { 0, 90, 86400 }) and 1 or 0 end
    if math.random(3) == 1 then ctx:sleep(any { 0, 20, 3600 }) end
    if not state.child and math.random(4) == 1 then
      state.child = ctx:start(any { "quiet", "waiter", "sleeper" }, { base = exception.base, shared = exception.shared },
        { close = any { "cancel", "abandon", "wait" } })
    end
    ctx:checkpoint(state)
    error("a checkpoint does not come back")
  end
  local plan = ctx:plan():summary(("%d rounds at %d"):format(state.round, ctx.now))
  for i = 1, math.random(0, 3) do
    plan:add("invoice.hold", { invoice = exception.base + i, code = "price", reason = "seen " .. #state.seen },
      { reason = "round " .. state.round })
  end
  return plan
end

return agent
