-- prelude.lua -- what an agent can see.  Runs once in every state, before the agent's text.
--
-- `host` brings the libraries that C chose (base, table, string, math, utf8) and these functions:
--   host.request(name, args)  stands still until the runtime has a durable answer, and gives it
--   host.request("sleep", args, retry)  ... a wait between two attempts: which one failed, and with what code
--   host.check(value, what)   an error when value is no plain data
--   host.fail(message)        an error at the line of the agent that runs now
--   host.line()               that line
--   host.array(list)          marks a list, so that an empty one stays a list
--   host.random(low, high)    chance that is seeded by the run
--   host.setmetatable(t, m)   for this file only
-- Every check is made here and names the function, the field and the rule.
local _, host = ... -- the first is what # became, see source.h
local base = host.base
local fail, request, check = host.fail, host.request, host.check
local type, pairs, ipairs, tostring = base.type, base.pairs, base.ipairs, base.tostring
local is = host.math.type

-- Lua's own xpcall runs its handler inside the failing call.  When what failed is the count hook, hooks are
-- off in there, and a handler that never ends could not be stopped by anything.  Ours runs it afterwards.
local function settle(handler, ok, ...)
  if ok then return true, ... end
  local _, message = base.pcall(handler, (...))
  return false, message
end

local function xpcall(f, handler, ...) return settle(handler, base.pcall(f, ...)) end

local function want(value, wanted, what)
  if type(value) ~= wanted then fail(what .. " must be a " .. wanted .. ", not a " .. type(value)) end
  return value
end

local function want_count(value, most, what)
  if is(value) ~= "integer" or value < 0 or value > most then
    fail(what .. " must be an integer from 0 to " .. most)
  end
  return value
end

-- `fields` says what may be there: a misspelled field is an error, not a default.
local function want_fields(value, fields, what)
  for key in pairs(value) do
    if not fields[key] then
      fail(what .. ': unknown field "' .. tostring(key) .. '"')
    end
  end
end

-- ---- the world: every call stands still until its answer is durable ----

local CUT = "the answer met its limit of tokens and was closed there: max_tokens allows more"

-- An answer that was cut comes with the warning: its value is whole and valid, and says less than it would.
local function ask(name, args, retry)
  local answer = request(name, args, retry)
  if answer.ok and answer.cut then return answer.value, CUT, "limit" end
  if answer.ok then return answer.value end
  return nil, answer.message, answer.code
end

local function want_id(id, what)
  if id == nil then fail(what .. ": id is missing") end
  if type(id) ~= "string" and is(id) ~= "integer" then
    fail(what .. ": id must be an integer or a text, not a " .. type(id))
  end
  return id
end

local FIND_DEFAULT, FIND_MAX = 50, 200
local find_fields = { limit = true }

local erp = {
  find = function(kind, filter, options)
    want(kind, "string", "erp.find: kind")
    if filter ~= nil then want(filter, "table", "erp.find: filter") end
    local limit = FIND_DEFAULT
    if options ~= nil then
      want_fields(want(options, "table", "erp.find: options"), find_fields, "erp.find: options")
      limit = options.limit and want_count(options.limit, FIND_MAX, "erp.find: limit") or limit
    end
    return ask("erp.find", { kind = kind, filter = filter or {}, limit = limit })
  end,
  get = function(kind, id)
    want(kind, "string", "erp.get: kind")
    return ask("erp.get", { kind = kind, id = want_id(id, "erp.get") })
  end,
  history = function(kind, id)
    want(kind, "string", "erp.history: kind")
    return ask("erp.history", { kind = kind, id = want_id(id, "erp.history") })
  end,
}

local OPTIONS_MAX, TOKENS_MAX = 16, 4096
local decide_fields =
  { question = true, options = true, facts = true, untrusted = true, schema = true, max_tokens = true, adapter = true }

local function want_options(options)
  want(options, "table", 'llm.decide: field "options"')
  if #options < 2 or #options > OPTIONS_MAX then
    fail('llm.decide: field "options" needs 2 to ' .. OPTIONS_MAX .. " choices")
  end
  local seen = {}
  for _, option in ipairs(options) do
    want(option, "string", "llm.decide: an option")
    if option == "" then fail("llm.decide: an option is empty: it needs a word that says what it is") end
    if seen[option] then fail('llm.decide: option "' .. option .. '" is there twice') end
    seen[option] = true
  end
end

local llm = {
  decide = function(question)
    want(question, "table", "llm.decide: argument")
    want_fields(question, decide_fields, "llm.decide")
    want(question.question, "string", 'llm.decide: field "question"')
    if question.options ~= nil then want_options(question.options) end
    if question.options == nil and question.schema == nil then
      fail('llm.decide: needs "options" (a list of choices) or "schema"')
    end
    if question.options ~= nil and question.schema ~= nil then
      fail('llm.decide: "options" and "schema" exclude each other: keep the one that is meant')
    end
    for _, name in ipairs { "facts", "untrusted", "schema" } do
      if question[name] ~= nil then want(question[name], "table", 'llm.decide: field "' .. name .. '"') end
    end
    if question.max_tokens ~= nil then
      want_count(question.max_tokens, TOKENS_MAX, 'llm.decide: field "max_tokens"')
      if question.max_tokens == 0 then fail('llm.decide: field "max_tokens" must be at least 1') end
    end
    if question.adapter ~= nil then want(question.adapter, "string", 'llm.decide: field "adapter"') end
    return ask("llm.decide", question)
  end,
}

local memory = {
  get = function(key)
    return ask("memory.get", { key = want(key, "string", "memory.get: key") })
  end,
  set = function(key, value)
    want(key, "string", "memory.set: key")
    if value == nil then fail("memory.set: value is missing") end
    return ask("memory.set", { key = key, value = value })
  end,
}

-- ---- blobs: what is too large to hold, by its handle {blob=, size=, media=} ----

local SLICE_MAX, PUT_MAX, BLOB_MAX = 65536, 200000, 1 << 26
local slice_fields = { from = true, length = true, as = true }

local blob = {
  read = function(handle, options)
    if type(handle) ~= "table" or type(handle.blob) ~= "string" then
      fail("blob.read: the first argument must be a handle, {blob=...}")
    end
    options = options or {}
    want_fields(want(options, "table", "blob.read: options"), slice_fields, "blob.read: options")
    local as = options.as or "text"
    if as ~= "text" and as ~= "hex" then fail('blob.read: field "as" must be "text" or "hex"') end
    return ask("blob.read", {
      blob = handle.blob, as = as,
      from = want_count(options.from or 0, BLOB_MAX, 'blob.read: field "from"'),
      length = want_count(options.length or SLICE_MAX, SLICE_MAX, 'blob.read: field "length"'),
    })
  end,
  put = function(text, media)
    want(text, "string", "blob.put: text")
    if #text > PUT_MAX then
      fail("blob.put: the text has " .. #text .. " bytes, at most " .. PUT_MAX .. " are allowed: put it in pieces")
    end
    return ask("blob.put", { text = text, media = want(media or "text/plain", "string", "blob.put: media") })
  end,
}

-- ---- money: {minor=, currency=}, integers only ----

local decimals = { -- ISO 4217, where it is not 2
  BIF = 0, CLP = 0, DJF = 0, GNF = 0, ISK = 0, JPY = 0, KMF = 0, KRW = 0, PYG = 0, RWF = 0, UGX = 0,
  UYI = 0, VND = 0, VUV = 0, XAF = 0, XOF = 0, XPF = 0,
  BHD = 3, IQD = 3, JOD = 3, KWD = 3, LYD = 3, OMR = 3, TND = 3,
  CLF = 4, UYW = 4,
}

local function want_money(value, what)
  if type(value) ~= "table" or is(value.minor) ~= "integer" or type(value.currency) ~= "string" then
    fail(what .. " must be {minor=integer, currency=\"EUR\"}")
  end
  return value
end

local function want_same(a, b, what)
  want_money(a, what .. ": argument 1")
  want_money(b, what .. ": argument 2")
  if a.currency ~= b.currency then
    fail(what .. ": " .. a.currency .. " and " .. b.currency .. " do not mix")
  end
end

local function sum(a, b, currency, what)
  local minor = a + b
  if (a >= 0) == (b >= 0) and (minor >= 0) ~= (a >= 0) then fail(what .. ": the sum is too large") end
  return { minor = minor, currency = currency }
end

local money
money = {
  of = function(minor, currency)
    return want_money({ minor = minor, currency = currency }, "money.of: the amount")
  end,
  add = function(a, b)
    want_same(a, b, "money.add")
    return sum(a.minor, b.minor, a.currency, "money.add")
  end,
  subtract = function(a, b)
    want_same(a, b, "money.subtract")
    return sum(a.minor, -b.minor, a.currency, "money.subtract")
  end,
  less = function(a, b)
    want_same(a, b, "money.less")
    return a.minor < b.minor
  end,
  abs = function(a)
    want_money(a, "money.abs: argument")
    return { minor = a.minor < 0 and -a.minor or a.minor, currency = a.currency }
  end,
  format = function(a)
    want_money(a, "money.format: argument")
    local digits = tostring(a.minor):gsub("^%-", "")
    local places = decimals[a.currency] or 2
    if places > 0 then
      digits = ("0"):rep(places + 1 - #digits) .. digits
      digits = digits:sub(1, -places - 1) .. "." .. digits:sub(-places)
    end
    return (a.minor < 0 and "-" or "") .. digits .. " " .. a.currency
  end,
}

-- ---- tables that cannot be written ----

local setmetatable = host.setmetatable

local function frozen(name, content)
  return setmetatable({}, {
    __index = content,
    __newindex = function(_, key) fail(name .. "." .. tostring(key) .. " cannot be assigned") end,
    __metatable = false,
  })
end

-- ---- the plan under construction ----

local EVIDENCE_MAX, TEXT_MAX = 32, 1000
local add_fields = { reason = true, evidence = true }

local function want_text(value, what)
  want(value, "string", what)
  if value == "" or #value > TEXT_MAX then fail(what .. " must have 1 to " .. TEXT_MAX .. " bytes") end
  return value
end

local function want_evidence(list)
  want(list, "table", 'plan:add: field "evidence"')
  if #list > EVIDENCE_MAX then fail('plan:add: field "evidence" has more than ' .. EVIDENCE_MAX .. " items") end
  for i, item in ipairs(list) do want_text(item, 'plan:add: field "evidence.' .. i .. '"') end
  return host.array(list)
end

local function new_plan(uses)
  local actions, summary = host.array(), nil
  local plan
  plan = frozen("plan", {
    add = function(self, action, args, options)
      if self ~= plan then fail("plan:add: write plan:add(...), with a colon") end
      want(action, "string", "plan:add: action")
      if not uses[action] then
        fail('plan:add: action "' .. action .. '" is not in "uses" of the manifest')
      end
      if #actions >= host.actions_max then
        fail("plan:add: more than " .. host.actions_max .. " actions")
      end
      want(args, "table", "plan:add: args")
      if #args > 0 then fail("plan:add: args must have names, it is a list") end
      want_fields(want(options, "table", "plan:add: options"), add_fields, "plan:add: options")
      want_text(options.reason, 'plan:add: field "reason"')
      check(args, "plan:add: args")
      actions[#actions + 1] = {
        action = action, args = args, reason = options.reason, line = host.line(),
        evidence = want_evidence(options.evidence or {}),
      }
      return plan
    end,
    summary = function(self, text)
      if self ~= plan then fail("plan:summary: write plan:summary(text), with a colon") end
      summary = want_text(text, "plan:summary: text")
      return plan
    end,
  })
  return plan, function() return { actions = actions, summary = summary } end
end

-- ---- ctx ----

local SLEEP_MAX, SIGNAL_DEFAULT = 366 * 86400, 86400

local close_policies = { cancel = true, abandon = true, wait = true }
local start_fields = { close = true, budget = true, as = true }
local budget_fields = { steps = true, calls = true, tokens = true, risk = true, money = true, wall_ms = true }
local handoff_fields = { reason = true }
local LIMIT_MAX = 1 << 53 -- of one budget: more is a mistake

local function want_budget(budget)
  want_fields(want(budget, "table", 'ctx:start: field "budget"'), budget_fields, 'ctx:start: field "budget"')
  for name, value in pairs(budget) do
    if name ~= "money" then want_count(value, LIMIT_MAX, 'ctx:start: field "budget.' .. name .. '"') end
  end
  for currency, minor in pairs(want(budget.money or {}, "table", 'ctx:start: field "budget.money"')) do
    if type(currency) ~= "string" or not host.string.match(currency, "^%u%u%u$") then
      fail('ctx:start: field "budget.money" has minor units by currency, e.g. { EUR = 500000 }')
    end
    want_count(minor, LIMIT_MAX, 'ctx:start: field "budget.money.' .. currency .. '"')
  end
  return budget
end

-- Other agents: a handle is plain data, and only those that this plan was given can be awaited.
local function new_family(input)
  local handles = {}
  for _, run in ipairs(input.children or {}) do handles[run] = true end -- of before the checkpoint
  return {
    start = function(_, agent, given, options)
      want_text(agent, "ctx:start: agent")
      want(given, "table", "ctx:start: input")
      options = options or {}
      want_fields(want(options, "table", "ctx:start: options"), start_fields, "ctx:start: options")
      local close = options.close or "cancel"
      if not close_policies[close] then
        fail('ctx:start: field "close" must be "cancel", "abandon" or "wait"')
      end
      if options.as ~= nil then want_text(options.as, 'ctx:start: field "as"') end
      local handle, message, code = ask("start", {
        agent = agent, input = given, close = close, budget = want_budget(options.budget or {}), as = options.as,
      })
      if handle then handles[handle.run] = true end
      return handle, message, code
    end,
    await = function(_, handle, timeout_s)
      if type(handle) ~= "table" or not handles[handle.run] then
        fail("ctx:await: handle must be what ctx:start gave to this plan")
      end
      timeout_s = want_count(timeout_s or SLEEP_MAX, SLEEP_MAX, "ctx:await: timeout_s")
      return ask("await", { run = handle.run, timeout_s = timeout_s })
    end,
    handoff = function(_, agent, given, options)
      want_text(agent, "ctx:handoff: agent")
      if given == nil then given = input.exception end
      want(given, "table", "ctx:handoff: exception")
      want_fields(want(options, "table", "ctx:handoff: options"), handoff_fields, "ctx:handoff: options")
      want_text(options.reason, 'ctx:handoff: field "reason"')
      return ask("handoff", { agent = agent, input = given, reason = options.reason })
    end,
  }
end

local function no_family(name)
  return function() fail("ctx:" .. name .. ": a review starts nothing; do it in plan") end
end

-- The plan begins anew, in this run, with ctx.state: what came before is never read again.
local function checkpoint(_, state)
  want(state, "table", "ctx:checkpoint: state")
  check(state, "ctx:checkpoint: state")
  local _, message = ask("checkpoint", { state = state })
  fail("ctx:checkpoint: " .. message)
end

local RETRY_MAX, RETRY_DEFAULT, RETRY_BACKOFF = 8, 3, 2 -- RETRY_MAX: the same question more often is a plan that loops
local retry_fields = { max = true, backoff = true, on = true }

local function retry_codes(list)
  local codes = {}
  for _, code in ipairs(want(list, "table", 'ctx:retry: field "on"')) do
    codes[want(code, "string", 'ctx:retry: a code of field "on"')] = true
  end
  return codes
end

-- Calls attempt(1), attempt(2), ... until one gives a value, or a code that another time would not change.  The
-- waits in between are ctx:sleep's: durable, and each twice as long as the one before.
local function retry(_, policy, attempt)
  want_fields(want(policy, "table", "ctx:retry: policy"), retry_fields, "ctx:retry: policy")
  local most = want_count(policy.max or RETRY_DEFAULT, RETRY_MAX, 'ctx:retry: field "max"')
  local wait = want_count(policy.backoff or RETRY_BACKOFF, SLEEP_MAX, 'ctx:retry: field "backoff"')
  local codes = retry_codes(policy.on or { "unavailable", "timeout" })
  want(attempt, "function", "ctx:retry: attempt")
  for number = 1, most do
    local value, message, code = attempt(number)
    if value ~= nil or code == nil or not codes[code] or number == most then return value, message, code end
    ask("sleep", { seconds = wait }, { attempt = number, code = code })
    wait = wait * 2 < SLEEP_MAX and wait * 2 or SLEEP_MAX
  end
  fail('ctx:retry: field "max" must be at least 1')
end

-- What those outside are told, and what they ask: a value by its name; updates, answered once each.
local NAME_MAX = 64

local function want_name(name, what)
  if #want_text(name, what) > NAME_MAX then fail(what .. " must have 1 to " .. NAME_MAX .. " bytes") end
  return name
end

local function new_desk(updates)
  local answered = {}
  local function want_update(update, what)
    if type(update) ~= "table" or type(update.id) ~= "string" or #update.id > 100
      or not host.string.match(update.id, "^[%w%._:%-]+$") then
      fail(what .. ": the first argument must be what ctx:update gave")
    end
    if answered[update.id] then fail(what .. ': update "' .. update.id .. '" was answered before') end
    return update.id
  end
  local function settle(name, args)
    local ok, message, code = ask(name, args)
    if ok then answered[args.id] = true end -- else a shorter answer may be given
    return ok, message, code
  end
  return {
    publish = function(_, name, value)
      want_name(name, "ctx:publish: name")
      if value == nil then fail("ctx:publish: value is missing") end
      check(value, "ctx:publish: value")
      return ask("publish", { name = name, value = value })
    end,
    update = function(_, name, timeout_s)
      want_text(name, "ctx:update: name")
      if not updates[name] then fail('ctx:update: "' .. name .. '" is not in "updates" of the manifest') end
      timeout_s = want_count(timeout_s or SIGNAL_DEFAULT, SLEEP_MAX, "ctx:update: timeout_s")
      return ask("update", { name = name, timeout_s = timeout_s })
    end,
    reply = function(_, update, result)
      if result ~= nil then check(result, "ctx:reply: result") end
      return settle("reply", { id = want_update(update, "ctx:reply"), result = result })
    end,
    refuse = function(_, update, reason)
      want_text(reason, "ctx:refuse: reason")
      return settle("refuse", { id = want_update(update, "ctx:refuse"), reason = reason })
    end,
  }
end

-- Like a random UUID (RFC 9562, version 4) to everybody else; of the run's chance, so that a replay has the same.
local function uuid()
  local random = host.random
  return host.string.format("%08x-%04x-4%03x-%04x-%012x", random(0, 0xffffffff), random(0, 0xffff),
    random(0, 0xfff), 0x8000 | random(0, 0x3fff), random(0, 0xffffffffffff))
end

local function new_context(agent, input, plan, updates)
  local desk = new_desk(updates)
  local family = plan and new_family(input)
  return frozen("ctx", {
    start = family and family.start or no_family("start"),
    await = family and family.await or no_family("await"),
    handoff = family and family.handoff or no_family("handoff"),
    checkpoint = family and checkpoint
      or function() fail("ctx:checkpoint: a review is short; do it in plan") end,
    state = plan and input.state,
    run = input.run, now = input.now_us, today = input.today, agent = agent.name,
    erp = erp, llm = llm, memory = memory, blob = blob,
    plan = function()
      if not plan then fail("ctx:plan: a review proposes nothing") end
      return plan
    end,
    sleep = function(_, seconds)
      return ask("sleep", { seconds = want_count(seconds, SLEEP_MAX, "ctx:sleep: seconds") })
    end,
    retry = retry, uuid = uuid,
    signal = function(_, name, timeout_s)
      want_text(name, "ctx:signal: name")
      timeout_s = want_count(timeout_s or SIGNAL_DEFAULT, SLEEP_MAX, "ctx:signal: timeout_s")
      return ask("signal", { name = name, timeout_s = timeout_s })
    end,
    publish = desk.publish, update = desk.update, reply = desk.reply, refuse = desk.refuse,
    note = function(_, text) return ask("note", { text = want_text(text, "ctx:note: text") }) end,
  })
end

-- ---- what the agent's text runs in ----

local math = host.math
math.random = function(low, high)
  if high == nil then low, high = 1, low end
  if is(low) ~= "integer" or is(high) ~= "integer" then fail("math.random: needs integer bounds") end
  return host.random(low, high)
end

-- What the libraries do not have, and why.  (A text's other fields are nil, as ever.)
local text_only, machine = "a plan is one text, pinned by one hash", "its last bit differs by machine"
local without = {
  string = {
    dump = text_only, pack = "its layout differs by machine: use string.format",
    unpack = "its layout differs by machine: use string.byte", packsize = "its layout differs by machine",
  },
  table = { move = "write the loop" },
  math = {
    randomseed = "math.random is seeded by the run", pow = machine .. ": multiply", sqrt = "use integers",
    sin = machine, cos = machine, tan = machine, asin = machine, acos = machine, atan = machine,
    exp = machine, log = machine, pi = "there is nothing to use it with",
  },
}
for name, words in pairs(without) do
  setmetatable(host[name], { __index = function(_, key)
    if words[key] then fail(name .. "." .. key .. " is not offered: " .. words[key]) end
  end, __metatable = false })
end

local json = {
  array = host.array,
  object = function(fields) return fields == nil and {} or want(fields, "table", "json.object: argument") end,
}

local words = {
  assert = base.assert, error = base.error, ipairs = ipairs, pairs = pairs, pcall = base.pcall,
  select = base.select, tonumber = base.tonumber, tostring = tostring, type = type,
  xpcall = xpcall,
  string = frozen("string", host.string), table = frozen("table", host.table),
  math = frozen("math", math), utf8 = frozen("utf8", host.utf8), json = frozen("json", json),
  money = frozen("money", money), erp = frozen("erp", erp), llm = frozen("llm", llm),
  memory = frozen("memory", memory), blob = frozen("blob", blob),
}

-- What people look for here, and what to use.
local absent = {
  next = "use pairs: its order is the same everywhere",
  coroutine = "a plan is a coroutine already: erp, llm, ctx:sleep, ctx:signal and ctx:await wait",
  require = "a plan is one text, pinned by one hash: copy the function in",
  load = "a plan is one text, pinned by one hash",
  os = "the time is ctx.now, the date ctx.today",
  io = "ask for facts with erp.get and erp.find",
  print = "use ctx:note",
  debug = "errors name their line; use ctx:note",
  setmetatable = "plain tables and functions are enough for a plan",
  getmetatable = "plain tables and functions are enough for a plan",
  rawget = "no table has a metatable to go around",
  rawset = "no table has a metatable to go around",
  collectgarbage = "memory is capped and collected by itself",
}

local environment = setmetatable({}, {
  __index = function(_, key)
    local word = words[key]
    if word == nil then
      fail('unknown name "' .. tostring(key) .. '"' .. (absent[key] and ": " .. absent[key] or ""))
    end
    return word
  end,
  __newindex = function(_, key) fail('global "' .. tostring(key) .. '" assigned: declare it local') end,
  __metatable = false,
})

-- Runs agent.plan or agent.review; the result is plain data.  `uses`, and the names of `updates`, are the checked
-- manifest's.
local function enter(agent, entry, input, uses, updates)
  if entry == "review" then
    local result = agent.review(new_context(agent, input, nil, updates), input.outcome)
    if result ~= nil then want(result, "table", "agent.review: what it returns") end
    return result or {}
  end
  local allowed = {}
  for _, action in ipairs(uses) do allowed[action] = true end
  local plan, finish = new_plan(allowed)
  local result = agent.plan(new_context(agent, input, plan, updates), input.exception)
  if result ~= nil and result ~= plan then fail("agent.plan must return ctx:plan()") end
  return finish()
end

return environment, enter
