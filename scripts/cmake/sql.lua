-- sql.lua -- turns .sql files into C: one `struct rv_statement` per "-- name:" block.
-- usage: lua5.4 sql.lua ROOM OUTPUT_PREFIX BASE_DIR FILES...
-- Files below a folder "migrations" become rv_migration entries (whole file, ordered by name).

local room, out, base = arg[1], arg[2], arg[3]
local statements, migrations = {}, {}

local function c_string(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = '    "' .. line:gsub("\\", "\\\\"):gsub('"', '\\"'):gsub("%?%?", "?\\?") .. '\\n"'
  end
  return table.concat(lines, "\n")
end

local function fail(path, message)
  io.stderr:write(path, ": ", message, "\n")
  os.exit(1)
end

local function read_statements(path, text)
  local current
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local name = line:match("^%-%- name:%s*([%w_]+)%s*$")
    if name then
      current = { name = name, params = "", lines = {}, path = path }
      statements[#statements + 1] = current
    elseif current then
      local params = line:match("^%-%- params:%s*(.-)%s*$")
      local more = line:match("^%-%- params%+:%s*(.-)%s*$")
      if params then
        current.params = params
      elseif more then
        current.params = current.params .. " " .. more
      elseif not line:match("^%-%-") then
        current.lines[#current.lines + 1] = line
      end
    end
  end
end

for i = 4, #arg do
  local path = arg[i]
  if path:match("%.sql$") then
    local file = assert(io.open(path, "rb"))
    local text = file:read("a")
    file:close()
    if path:match("/migrations/") then
      migrations[#migrations + 1] = { name = path:match("([^/]+)%.sql$"), text = text }
    else
      read_statements(path, text)
    end
  end
end
table.sort(statements, function(a, b) return a.name < b.name end)
table.sort(migrations, function(a, b) return a.name < b.name end)

local header, source = {}, {}
local guard = "REEVE_GENERATED_" .. room:upper() .. "_SQL_H"
header[#header + 1] = "/* Generated from " .. room .. "'s .sql files; do not edit. */"
header[#header + 1] = "#ifndef " .. guard .. "\n#define " .. guard
header[#header + 1] = '#include "runtime/base/statement.h"\n'
source[#source + 1] = '#include "' .. room .. '_sql.h"\n#include <stddef.h>\n'

for i, s in ipairs(statements) do
  if i > 1 and statements[i - 1].name == s.name then
    fail(s.path, "statement \"" .. s.name .. "\" is named twice")
  end
  local text = table.concat(s.lines, "\n"):gsub("^%s+", ""):gsub("%s+$", ""):gsub(";$", "")
  if text == "" then fail(s.path, "statement \"" .. s.name .. "\" is empty") end
  local count = 0
  for param in s.params:gmatch("[^,]+") do
    if param:match("%S") then count = count + 1 end
  end
  local highest = 0
  for n in text:gmatch("%$(%d+)") do highest = math.max(highest, tonumber(n)) end
  if highest ~= count then
    fail(s.path, ("statement \"%s\" uses $%d but its params line declares %d"):format(s.name, highest, count))
  end
  header[#header + 1] = ("extern const struct rv_statement rv_sql_%s;"):format(s.name)
  source[#source + 1] = ("const struct rv_statement rv_sql_%s = {\n    .name = \"%s\",\n    .params = \"%s\",\n    .param_count = %d,\n    .text =\n%s,\n};\n")
    :format(s.name, s.name, s.params, count, c_string(text))
end

header[#header + 1] = ("\n/* All statements and migrations of this room, NULL-terminated. */\nextern const struct rv_statement *const rv_%s_statements[];\nextern const struct rv_migration rv_%s_migrations[];\n"):format(room, room)
header[#header + 1] = "#endif"
source[#source + 1] = ("const struct rv_statement *const rv_%s_statements[] = {"):format(room)
for _, s in ipairs(statements) do source[#source + 1] = ("    &rv_sql_%s,"):format(s.name) end
source[#source + 1] = "    NULL};\n"
source[#source + 1] = ("const struct rv_migration rv_%s_migrations[] = {"):format(room)
for _, m in ipairs(migrations) do
  source[#source + 1] = ("    {.name = \"%s\", .text =\n%s},"):format(m.name, c_string(m.text))
end
source[#source + 1] = "    {.name = NULL, .text = NULL}};"

local function write(path, parts)
  local file = assert(io.open(path, "wb"))
  file:write(table.concat(parts, "\n"), "\n")
  file:close()
end
write(out .. ".h", header)
write(out .. ".c", source)
