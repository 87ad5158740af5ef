-- family: starts others as the run's own seed says, waits for some, leaves some, and may hand over in the end.
local agent = {
  name = "family", version = "1", handles = {}, uses = { "invoice.hold" },
  limits = { steps = 120, calls = 60, tokens = 20000, risk = 6, children = 4 },
}

local function any(list) return list[math.random(#list)] end

local others = { "quiet", "saga", "waiter", "sleeper", "listener", "spender", "insister", "deep", "nobody", "ping", "adviser" }

local function start(ctx, exception, i)
  local input = { base = exception.base + i * 3, shared = exception.shared }
  input.key = any { exception.key, ("%02x"):format(math.random(0, 255)):rep(32) }
  return ctx:start(any(others), input, {
    close = any { "cancel", "abandon", "wait" }, as = "number " .. i,
    budget = math.random(2) == 1 and { steps = math.random(0, 40), risk = math.random(0, 3) } or nil,
  })
end

function agent.plan(ctx, exception)
  local children, plan = {}, ctx:plan()
  for i = 1, math.random(0, 5) do
    local child, why, code = start(ctx, exception, i)
    if child then children[#children + 1] = child else ctx:note(code .. ": " .. why) end
  end
  for i, child in ipairs(children) do
    if math.random(3) > 1 then
      local ended = ctx:await(child, any { 0, 60, 86400, 30000000 })
      if ended and ended.status == "done" then
        plan:add("invoice.hold", { invoice = exception.base + i, code = "other", reason = ended.run }, { reason = "it is done" })
      end
    end
  end
  if math.random(5) == 1 then
    local _, why = ctx:handoff(any(others), nil, { reason = "somebody else" })
    ctx:note("still here: " .. why)
  end
  return plan
end

return agent
