-- prelude.lua -- what an agent can see.  Runs once in every plan's own state, before the agent's text.
--
-- Everything here is deterministic and bounded: iteration is sorted, sorting is a stable merge sort,
-- pattern matching is written in Lua so that the instruction cap covers it, no function gives an
-- address, a time or a number that was not handed in.  `host` holds the few functions made in C:
--   host.request(name, args, line)  stands still until the runtime has a durable answer
--   host.check(value, what)         complains when value is no plain data
--   host.line()                     line of agent.lua that is being run
local host = ...
local type, error, select, tostring0, rawlen, floor = type, error, select, tostring, rawlen, math.floor
local string0, table0, math0 = string, table, math
local next0, setmetatable0, getmetatable0 = next, setmetatable, getmetatable

local function fail(level, message) error(message, level + 1) end

local function check_type(value, wanted, what, level)
  if type(value) ~= wanted then
    error(("%s must be a %s, not %s"):format(what, wanted, type(value)), level + 1)
  end
end

-- ---- tables: sorted iteration, stable sort ----

local rank = { boolean = 1, number = 2, string = 3 }
local function before(a, b)
  local x, y = rank[type(a)], rank[type(b)]
  if x ~= y then return x < y end
  if x == 1 then return (not a) and b end
  return a < b
end

local function merge_sort(list, less)
  local n = #list
  local from, to, width = list, {}, 1
  while width < n do
    for left = 1, n, 2 * width do
      local middle, right = left + width, left + 2 * width
      if middle > n + 1 then middle = n + 1 end
      if right > n + 1 then right = n + 1 end
      local i, j = left, middle
      for k = left, right - 1 do
        if i < middle and (j >= right or not less(from[j], from[i])) then
          to[k] = from[i]; i = i + 1
        else
          to[k] = from[j]; j = j + 1
        end
      end
    end
    from, to, width = to, from, 2 * width
  end
  if from ~= list then for i = 1, n do list[i] = from[i] end end
end

local function pairs(object)
  check_type(object, "table", "pairs: argument", 2)
  local keys, n = {}, 0
  for key in next0, object do
    if not rank[type(key)] then fail(2, "pairs: a " .. type(key) .. " is no key that has an order") end
    n = n + 1; keys[n] = key
  end
  merge_sort(keys, before)
  local i = 0
  return function()
    repeat i = i + 1 until keys[i] == nil or object[keys[i]] ~= nil
    if keys[i] ~= nil then return keys[i], object[keys[i]] end
  end
end

local table = {
  concat = table0.concat, insert = table0.insert, remove = table0.remove, pack = table0.pack,
  unpack = function(list, i, j)
    i, j = i or 1, j or #list
    if j - i > 200 then fail(2, "unpack: more than 200 values") end
    return table0.unpack(list, i, j)
  end,
  sort = function(list, less)
    check_type(list, "table", "sort: argument 1", 2)
    merge_sort(list, less or function(a, b) return a < b end)
  end,
}

-- ---- text: Lua patterns, matched in Lua ----

local byte, sub, len = string0.byte, string0.sub, string0.len
local classes = {
  a = function(c) return c >= 65 and c <= 90 or c >= 97 and c <= 122 end,
  d = function(c) return c >= 48 and c <= 57 end,
  l = function(c) return c >= 97 and c <= 122 end,
  u = function(c) return c >= 65 and c <= 90 end,
  s = function(c) return c == 32 or c >= 9 and c <= 13 end,
  w = function(c) return c >= 48 and c <= 57 or c >= 65 and c <= 90 or c >= 97 and c <= 122 end,
  x = function(c) return c >= 48 and c <= 57 or c >= 65 and c <= 70 or c >= 97 and c <= 102 end,
  p = function(c) return c >= 33 and c <= 47 or c >= 58 and c <= 64 or c >= 91 and c <= 96 or c >= 123 and c <= 126 end,
  c = function(c) return c < 32 or c == 127 end,
  g = function(c) return c > 32 and c < 127 end,
}

local function class_matches(c, letter)
  local lower = string0.lower(letter)
  local test = classes[lower]
  if not test then return c == byte(letter) end
  if lower == letter then return test(c) end
  return not test(c)
end

-- one item of the pattern at p: end of item, and whether character c fits it
local function item_end(pattern, p)
  local c = sub(pattern, p, p)
  if c == "%" then
    if p == len(pattern) then error("malformed pattern (ends with '%')", 0) end
    return p + 2
  end
  if c ~= "[" then return p + 1 end
  p = p + 1
  if sub(pattern, p, p) == "^" then p = p + 1 end
  repeat
    if p > len(pattern) then error("malformed pattern (missing ']')", 0) end
    local escape = sub(pattern, p, p) == "%"
    p = p + (escape and 2 or 1)
  until sub(pattern, p, p) == "]"
  return p + 1
end

local function set_matches(c, pattern, p, last)
  local negative = sub(pattern, p + 1, p + 1) == "^"
  p = p + (negative and 2 or 1)
  local hit = false
  while p < last do
    local ch = sub(pattern, p, p)
    if ch == "%" then
      if class_matches(c, sub(pattern, p + 1, p + 1)) then hit = true end
      p = p + 2
    elseif sub(pattern, p + 1, p + 1) == "-" and p + 2 < last then
      if c >= byte(pattern, p) and c <= byte(pattern, p + 2) then hit = true end
      p = p + 3
    else
      if c == byte(pattern, p) then hit = true end
      p = p + 1
    end
  end
  return hit ~= negative
end

local function single(text, s, pattern, p, ep)
  local c = byte(text, s)
  if not c then return false end
  local ch = sub(pattern, p, p)
  if ch == "." then return true end
  if ch == "%" then return class_matches(c, sub(pattern, p + 1, p + 1)) end
  if ch == "[" then return set_matches(c, pattern, p, ep - 1) end
  return byte(pattern, p) == c
end

local match
local function match_here(text, s, pattern, p, captures)
  while true do
    if p > len(pattern) then return s end
    local ch = sub(pattern, p, p)
    if ch == "(" then
      local position = sub(pattern, p + 1, p + 1) == ")"
      captures[#captures + 1] = { s, position and -1 or nil }
      local e = match_here(text, s, pattern, p + (position and 2 or 1), captures)
      if not e then captures[#captures] = nil end
      return e
    elseif ch == ")" then
      for i = #captures, 1, -1 do
        if captures[i][2] == nil then
          captures[i][2] = s
          local e = match_here(text, s, pattern, p + 1, captures)
          if not e then captures[i][2] = nil end
          return e
        end
      end
      error("invalid pattern capture", 0)
    elseif ch == "$" and p == len(pattern) then
      return s == len(text) + 1 and s or nil
    end
    local ep = item_end(pattern, p)
    local quantifier = sub(pattern, ep, ep)
    if quantifier == "?" then
      if single(text, s, pattern, p, ep) then
        local e = match_here(text, s + 1, pattern, ep + 1, captures)
        if e then return e end
      end
      p = ep + 1
    elseif quantifier == "*" or quantifier == "+" then
      local n = 0
      while single(text, s + n, pattern, p, ep) do n = n + 1 end
      for k = n, quantifier == "+" and 1 or 0, -1 do
        local e = match_here(text, s + k, pattern, ep + 1, captures)
        if e then return e end
      end
      return nil
    elseif quantifier == "-" then
      while true do
        local e = match_here(text, s, pattern, ep + 1, captures)
        if e then return e end
        if not single(text, s, pattern, p, ep) then return nil end
        s = s + 1
      end
    else
      if not single(text, s, pattern, p, ep) then return nil end
      s, p = s + 1, ep
    end
  end
end

function match(text, pattern, init)
  check_type(text, "string", "text", 3)
  check_type(pattern, "string", "pattern", 3)
  if len(pattern) > 256 then fail(3, "pattern is longer than 256 characters") end
  init = init or 1
  if init < 0 then init = len(text) + init + 1 end
  if init < 1 then init = 1 end
  local anchored = sub(pattern, 1, 1) == "^"
  local p = anchored and 2 or 1
  for s = init, len(text) + 1 do
    local captures = {}
    local e = match_here(text, s, pattern, p, captures)
    if e then return s, e - 1, captures end
    if anchored then return nil end
  end
end

local function values(text, s, e, captures)
  if #captures == 0 then return sub(text, s, e) end
  local out = {}
  for i, c in ipairs(captures) do
    if c[2] == nil then error("unfinished capture", 0) end
    out[i] = c[2] == -1 and c[1] or sub(text, c[1], c[2] - 1)
  end
  return table0.unpack(out)
end

local function expand(replacement, text, s, e, captures)
  if type(replacement) == "string" then
    local parts, i = {}, 1
    local caught = { values(text, s, e, captures) }
    while i <= len(replacement) do
      local ch = sub(replacement, i, i)
      if ch == "%" then
        local d = sub(replacement, i + 1, i + 1)
        if d == "0" then parts[#parts + 1] = sub(text, s, e)
        elseif classes.d(byte(d) or 0) then parts[#parts + 1] = tostring0(caught[byte(d) - 48] or "")
        else parts[#parts + 1] = d end
        i = i + 2
      else
        parts[#parts + 1] = ch
        i = i + 1
      end
    end
    return table0.concat(parts)
  end
  local key = values(text, s, e, captures)
  local value
  if type(replacement) == "table" then value = replacement[key] else value = replacement(values(text, s, e, captures)) end
  if not value then return sub(text, s, e) end
  return tostring0(value)
end

local string
string = {
  byte = string0.byte, char = string0.char, len = string0.len, lower = string0.lower,
  reverse = string0.reverse, sub = string0.sub, upper = string0.upper,
  rep = function(text, n, separator)
    if n > 100000 then fail(2, "rep: more than 100000 repetitions") end
    return string0.rep(text, n, separator)
  end,
  format = function(pattern, ...)
    local at = string0.find(pattern, "%p", 1, true)
    if at then fail(2, "format: %p would show an address") end
    for i = 1, select("#", ...) do
      local t = type((select(i, ...)))
      if t == "table" or t == "function" then fail(2, "format: argument " .. i .. " is a " .. t) end
    end
    return string0.format(pattern, ...)
  end,
  find = function(text, pattern, init, plain)
    if plain then return string0.find(text, pattern, init, true) end
    local s, e, captures = match(text, pattern, init)
    if not s then return nil end
    if #captures == 0 then return s, e end
    return s, e, values(text, s, e, captures)
  end,
  match = function(text, pattern, init)
    local s, e, captures = match(text, pattern, init)
    if s then return values(text, s, e, captures) end
  end,
  gmatch = function(text, pattern)
    local at = 1
    return function()
      local s, e, captures = match(text, pattern, at)
      if not s then return nil end
      at = e >= s and e + 1 or s + 1
      return values(text, s, e, captures)
    end
  end,
  gsub = function(text, pattern, replacement, most)
    local parts, at, count = {}, 1, 0
    while not most or count < most do
      local s, e, captures = match(text, pattern, at)
      if not s then break end
      count = count + 1
      parts[#parts + 1] = sub(text, at, s - 1)
      parts[#parts + 1] = expand(replacement, text, s, e, captures)
      if e >= s then
        at = e + 1
      else
        parts[#parts + 1] = sub(text, s, s)
        at = s + 1
      end
      if at > len(text) + 1 or sub(pattern, 1, 1) == "^" then break end
    end
    parts[#parts + 1] = sub(text, at)
    return table0.concat(parts), count
  end,
}

local function tostring(value)
  local t = type(value)
  if t == "table" or t == "function" or t == "userdata" or t == "thread" then return t end
  return tostring0(value)
end

-- ---- numbers: integers first, a seeded generator ----

local state = host.seed
local math = {
  abs = math0.abs, ceil = math0.ceil, floor = math0.floor, max = math0.max, min = math0.min,
  tointeger = math0.tointeger, type = math0.type, ult = math0.ult, fmod = math0.fmod,
  maxinteger = math0.maxinteger, mininteger = math0.mininteger, huge = math0.huge,
  random = function(low, high)
    if not high then low, high = 1, low or fail(2, "random: needs a bound") end
    if low > high then fail(2, "random: the interval is empty") end
    state = state * 6364136223846793005 + 1442695040888963407 -- Knuth's 64-bit LCG
    return low + ((state >> 33) % (high - low + 1))
  end,
}

-- ---- money: {minor=, currency=}, never a float ----

local function check_money(value, what, level)
  if type(value) ~= "table" or math0.type(value.minor) ~= "integer" or type(value.currency) ~= "string" then
    error(what .. " must be {minor=integer, currency=\"EUR\"}", level + 1)
  end
end
local function same_currency(a, b, level)
  check_money(a, "money: argument 1", level + 1)
  check_money(b, "money: argument 2", level + 1)
  if a.currency ~= b.currency then error("money: " .. a.currency .. " and " .. b.currency .. " do not mix", level + 1) end
end
local digits = { JPY = 0, KRW = 0, CLP = 0, ISK = 0, KWD = 3, BHD = 3, TND = 3 }
local money = {
  add = function(a, b) same_currency(a, b, 2) return { minor = a.minor + b.minor, currency = a.currency } end,
  subtract = function(a, b) same_currency(a, b, 2) return { minor = a.minor - b.minor, currency = a.currency } end,
  less = function(a, b) same_currency(a, b, 2) return a.minor < b.minor end,
  abs = function(a) check_money(a, "money", 2) return { minor = a.minor < 0 and -a.minor or a.minor, currency = a.currency } end,
  format = function(a)
    check_money(a, "money", 2)
    local d = digits[a.currency] or 2
    local unit = 1
    for _ = 1, d do unit = unit * 10 end
    local n = a.minor < 0 and -a.minor or a.minor
    local text = (a.minor < 0 and "-" or "") .. tostring0(n // unit)
    if d > 0 then text = text .. "." .. string0.format("%0" .. d .. "d", n % unit) end
    return text .. " " .. a.currency
  end,
}

-- ---- the world: every call stands still until its answer is durable ----

local function ask(name, args)
  host.check(args, name)
  local answer = host.request(name, args, host.line())
  if answer.ok then return answer.value end
  return nil, answer.message, answer.code
end

local erp = {
  find = function(kind, filter, options)
    check_type(kind, "string", "erp.find: kind", 2)
    return ask("erp.find", { kind = kind, filter = filter or host.object(), limit = options and options.limit or 50 })
  end,
  get = function(kind, id)
    check_type(kind, "string", "erp.get: kind", 2)
    if id == nil then fail(2, "erp.get: id is missing") end
    return ask("erp.get", { kind = kind, id = id })
  end,
  history = function(kind, id)
    check_type(kind, "string", "erp.history: kind", 2)
    if id == nil then fail(2, "erp.history: id is missing") end
    return ask("erp.history", { kind = kind, id = id })
  end,
}

local llm = {
  decide = function(question)
    check_type(question, "table", "llm.decide: argument", 2)
    check_type(question.question, "string", "llm.decide: field \"question\"", 2)
    check_type(question.options, "table", "llm.decide: field \"options\"", 2)
    if #question.options < 2 then fail(2, "llm.decide: field \"options\" needs at least two choices") end
    return ask("llm.decide", question)
  end,
}

local memory = {
  get = function(key) check_type(key, "string", "memory.get: key", 2) return ask("memory.get", { key = key }) end,
  set = function(key, value)
    check_type(key, "string", "memory.set: key", 2)
    if value == nil then fail(2, "memory.set: value is missing") end
    return ask("memory.set", { key = key, value = value })
  end,
}

-- ---- the plan under construction ----

local function new_plan(uses)
  local actions, summary = {}, nil
  local plan = {}
  function plan:add(action, args, options)
    check_type(action, "string", "plan:add: action", 2)
    if not uses[action] then
      fail(2, 'plan:add: action "' .. action .. '" is not in the manifest\'s uses')
    end
    if #actions >= host.actions_max then fail(2, "plan:add: more than " .. host.actions_max .. " actions") end
    check_type(args, "table", "plan:add: args", 2)
    options = options or {}
    check_type(options, "table", "plan:add: options", 2)
    check_type(options.reason, "string", 'plan:add: field "reason"', 2)
    if options.evidence ~= nil then check_type(options.evidence, "table", 'plan:add: field "evidence"', 2) end
    for key in pairs(options) do
      if key ~= "reason" and key ~= "evidence" then fail(2, 'plan:add: unknown field "' .. tostring(key) .. '"') end
    end
    host.check(args, "plan:add: args")
    host.check(options, "plan:add: options")
    actions[#actions + 1] = { action = action, args = args, reason = options.reason,
      evidence = options.evidence, line = host.line() }
    return self
  end
  function plan:summary(text)
    check_type(text, "string", "plan:summary: text", 2)
    summary = text
    return self
  end
  return plan, function() return { actions = actions, summary = summary } end
end

-- ---- what the agent's text runs in ----

local words = {
  assert = assert, error = error, ipairs = ipairs, pairs = pairs, pcall = pcall, xpcall = xpcall,
  select = select, tonumber = tonumber, tostring = tostring, type = type,
  string = string, table = table, math = math, utf8 = utf8, money = money,
  erp = erp, llm = llm, memory = memory,
  json = { array = host.array, object = host.object },
}

local function frozen(name, content)
  return setmetatable0({}, {
    __index = content,
    __newindex = function(_, key) error(name .. "." .. tostring(key) .. " cannot be assigned", 2) end,
    __metatable = false,
  })
end
for name, value in next0, words do
  if type(value) == "table" then words[name] = frozen(name, value) end
end
getmetatable0("").__index = string
getmetatable0("").__metatable = false

local environment = setmetatable0({}, {
  __index = function(_, key)
    local value = words[key]
    if value == nil then error('unknown name "' .. tostring(key) .. '"', 2) end
    return value
  end,
  __newindex = function(_, key) error('global "' .. tostring(key) .. '" assigned: declare it local', 2) end,
  __metatable = false,
})

-- enter(agent, entry, input): runs agent.plan or agent.review and gives its result as plain data
local function enter(agent, entry, input)
  local uses = {}
  for _, name in ipairs(agent.uses) do uses[name] = true end
  local plan, finish = new_plan(uses)
  local ctx = frozen("ctx", {
    run = input.run, now = input.now_us, agent = agent.name,
    plan = function() return plan end,
    sleep = function(_, seconds)
      if math0.type(seconds) ~= "integer" or seconds < 0 then fail(2, "ctx:sleep: seconds must be an integer >= 0") end
      return ask("sleep", { seconds = seconds })
    end,
    signal = function(_, name, timeout_s)
      check_type(name, "string", "ctx:signal: name", 2)
      return ask("signal", { name = name, timeout_s = timeout_s or 86400 })
    end,
    note = function(_, text)
      check_type(text, "string", "ctx:note: text", 2)
      return ask("note", { text = text })
    end,
    erp = erp, llm = llm, memory = memory,
  })
  if entry == "plan" then
    local result = agent.plan(ctx, input.exception)
    if result ~= nil and result ~= plan then
      error("agent.plan must return ctx:plan()", 0)
    end
    return finish()
  end
  return agent.review(ctx, input.outcome) or host.object()
end

return environment, enter
