-- text.lua -- trees to text: XML from {tag, attributes…, content…}, JSON from lists of pairs.
--
--   {"cbc:Amount", "12.50", currencyID = "EUR"}          <cbc:Amount currencyID="EUR">12.50</…>
--   {"cac:Party", {…}, false, {…}}                       children; false is "leave it out"
--
-- Order is the order written down, attributes alphabetical: the same tree is always the same bytes.

local text = {}

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escaped(value)
  return (value:gsub('[&<>"]', escapes))
end

local function attributes(node)
  local names = {}
  for key in pairs(node) do
    if type(key) == "string" then names[#names + 1] = key end
  end
  table.sort(names)
  local out = {}
  for _, name in ipairs(names) do
    out[#out + 1] = (' %s="%s"'):format(name, escaped(node[name]))
  end
  return table.concat(out)
end

local function element(node, indent, out)
  local tag = node[1]
  local open = indent .. "<" .. tag .. attributes(node)
  if type(node[2]) == "string" then
    assert(#node == 2, tag .. " has both text and children")
    out[#out + 1] = ("%s>%s</%s>"):format(open, escaped(node[2]), tag)
    return
  end
  out[#out + 1] = open .. ">"
  for i = 2, #node do
    if node[i] then element(node[i], indent .. "  ", out) end
  end
  out[#out + 1] = ("%s</%s>"):format(indent, tag)
end

function text.xml(root)
  local out = { '<?xml version="1.0" encoding="UTF-8"?>' }
  element(root, "", out)
  return table.concat(out, "\n") .. "\n"
end

-- ---- JSON: {"key", value} pairs in {object = {…}}, plain sequences are arrays ----

function text.object(...)
  return { object = { ... } }
end

local function quoted(value)
  return '"' .. value:gsub('[%c"\\]', function(c)
    return c == '"' and '\\"' or c == "\\" and "\\\\" or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function json(value, indent)
  if type(value) == "string" then
    return quoted(value)
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local inner, parts = indent .. "  ", {}
  if value.object then
    local flat = true
    for _, pair in ipairs(value.object) do
      flat = flat and type(pair[2]) ~= "table"
      parts[#parts + 1] = quoted(pair[1]) .. ": " .. json(pair[2], inner)
    end
    local line = "{" .. table.concat(parts, ", ") .. "}"
    if flat and #line + #indent <= 100 then return line end
    return "{\n" .. inner .. table.concat(parts, ",\n" .. inner) .. "\n" .. indent .. "}"
  end
  for _, item in ipairs(value) do parts[#parts + 1] = json(item, inner) end
  return "[\n" .. inner .. table.concat(parts, ",\n" .. inner) .. "\n" .. indent .. "]"
end

function text.json(value)
  return json(value, "") .. "\n"
end

return text
