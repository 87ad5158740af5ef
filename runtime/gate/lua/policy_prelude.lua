-- policy_prelude.lua -- the words of a policy bundle.  They only build tables; nothing is decided here.
-- Every word returns plain data that policy_load.c turns into canonical JSON and checks.

local function attribute(path)
  local methods = {}
  local function compare(op)
    return function(self, value)
      if value == nil then error(path .. ":" .. op .. " needs a value", 2) end
      return { op = op, attr = path, value = value }
    end
  end
  for _, op in ipairs { "eq", "ne", "lt", "le", "gt", "ge", "one_of", "contains", "prefix" } do
    methods[op] = compare(op)
  end
  methods.has = function() return { op = "has", attr = path } end
  return setmetatable({ attr = path }, {
    __index = function(_, key)
      if methods[key] then return methods[key] end
      if type(key) ~= "string" then error("attribute names are strings", 2) end
      return attribute(path .. "." .. key)
    end,
    __newindex = function() error("attribute \"" .. path .. "\" cannot be assigned", 2) end,
  })
end

local function group(op)
  return function(list)
    if type(list) ~= "table" then error(op .. " needs a list {…}", 2) end
    return { op = op, of = list }
  end
end

local function rule(kind)
  return function(fields)
    if type(fields) ~= "table" then error(kind .. " needs a table {…}", 2) end
    fields.kind = kind
    fields.line = line_of_caller(2)
    return fields
  end
end

local words = {
  me = attribute "me", arg = attribute "arg", res = attribute "res",
  all = group "all", any = group "any", none = group "none",
  permit = rule "permit", forbid = rule "forbid", limit = rule "limit", approve = rule "approve",
  sink = rule "sink", test = rule "test", sod = rule "sod",
  role = function(name) return { role = name } end,
  is = function(name) return { is = name } end,
  any_of = function(list) return list end,
  approval = function(name) return { approval = name } end,
  money = function(text)
    local whole, fraction, currency = tostring(text):match "^(%-?%d+)%.?(%d*) (%u%u%u)$"
    if not whole then error('money "' .. tostring(text) .. '" is not like "5000 EUR" or "12.50 EUR"', 2) end
    return { money = whole .. (fraction ~= "" and "." .. fraction or ""), currency = currency }
  end,
  bundle = function(fields)
    if type(fields) ~= "table" then error("bundle needs a table {…}", 2) end
    fields.kind = "bundle"
    return fields
  end,
}
return words
