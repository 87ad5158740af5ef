-- style.lua -- the rules of the house that a machine can check; runs as the test "style".
-- usage: lua5.4 scripts/style.lua [FILES...]      (from the repository root; default: all tracked files)
-- One line per complaint: file:line: what, and why.  Exit status 1 when there is one.
-- A line may be excused where the rule is wrong for it: a comment with "style: REASON" on the same line.

-- ---- who may include whom: a room sees itself and what stands here ----

local everything_below_http = { "loop", "config", "db", "lua", "actor", "journal", "audit", "gate", "approval",
  "model", "hooks", "effect", "run", "schedule", "cluster" }
local runtime_rooms = { -- beside base, which all see
  base = {}, loop = {}, config = {},
  db = { "loop", "config" }, lua = { "loop" }, actor = { "loop" },
  journal = { "loop", "config", "db", "actor" }, audit = { "loop", "config", "db", "journal" },
  gate = { "loop", "config", "db", "lua", "actor", "journal", "audit" },
  approval = { "loop", "config", "db", "lua", "actor", "journal", "audit", "gate" },
  model = { "loop", "config", "db", "actor", "journal", "audit", "gate" },
  hooks = { "loop", "config", "db", "actor", "journal", "audit", "gate", "approval" },
  effect = { "loop", "config", "db", "journal", "audit", "hooks" },
  run = { "loop", "config", "db", "lua", "actor", "journal", "audit", "gate", "approval", "model", "effect",
    "schedule" },
  schedule = { "loop", "config", "db", "actor", "journal", "audit", "gate" },
  cluster = { "loop", "config", "db", "actor", "journal" },
  http = everything_below_http, observe = everything_below_http, web = {},
}
local sees_erp = { gate = true, run = true, cli = true } -- both the catalogue and the journal

local function contains(list, value)
  for _, one in ipairs(list or {}) do if one == value then return true end end
  return false
end

-- nil when the include is allowed, else the reason
local function layer_complaint(path, include)
  local from_runtime = path:match("^runtime/([^/]+)/")
  local to_runtime = include:match("^runtime/([^/]+)/")
  if path:match("^tests/") then return nil end
  if include:match("^tests/") then return "nobody outside tests/ may need tests/" end
  if path:match("^kernels/") then
    if include:match("^kernels/") then return nil end
    return (to_runtime or include:match("^erp/")) and "kernels/ knows nothing of ours" or nil
  end
  if path:match("^erp/") then
    if include:match("^erp/") or to_runtime == "base" or not include:find("/") then return nil end -- generated
    return "erp/ sees runtime/base and itself only"
  end
  if from_runtime == nil or from_runtime == "cli" then return nil end -- cli is the composition root
  if include:match("^erp/") and not sees_erp[from_runtime] then
    return "only runtime/gate and runtime/run see the ERP"
  end
  if include:match("^kernels/") and from_runtime ~= "model" then return "only runtime/model sees kernels/" end
  if to_runtime == nil or to_runtime == from_runtime or to_runtime == "base" then return nil end
  if not contains(runtime_rooms[from_runtime], to_runtime) then
    return "runtime/" .. from_runtime .. " stands below runtime/" .. to_runtime
  end
end

-- ---- third parties stay in one room each, so that replacing one is one room's work ----

local confined = {
  { "^uv%.h", { "^runtime/loop/" } },
  { "^libpq%-fe%.h", { "^runtime/db/" } },
  { "^l[ua]%w*lib%.h", { "^runtime/lua/", "^runtime/gate/" } }, { "^lua%.h", { "^runtime/lua/", "^runtime/gate/" } },
  { "^lauxlib%.h", { "^runtime/lua/", "^runtime/gate/" } },
  { "^jansson%.h", { "^runtime/base/json%.h", "^kernels/serve/" } },
  { "^sodium", { "^runtime/audit/", "^runtime/http/", "^runtime/hooks/", "^runtime/effect/", "^runtime/cluster/",
    "^erp/keys/" } },
  { "^curl/", { "^runtime/hooks/", "^runtime/model/" } },
  { "^libxml/", { "^erp/exchange/", "^runtime/observe/", "^runtime/cli/cli%.c" } }, -- cli.c: initialised once per process
  { "^llhttp%.h", { "^runtime/http/" } },
  { "^openssl/ssl", { "^runtime/http/" } }, { "^openssl/", { "^runtime/base/hash%.c", "^runtime/http/", "^erp/keys/", "^kernels/model/gguf", "^runtime/cluster/certificate" } },
  { "^ini%.h", { "^runtime/config/" } },
  { "^nng/", { "^runtime/cluster/" } },
}

-- ---- functions that are banned, and where not ----

local banned = {
  { "strcpy", "no bound: use snprintf or memcpy with a checked length" },
  { "strcat", "no bound: use rv_buf" },
  { "sprintf", "no bound: use snprintf" },
  { "vsprintf", "no bound: use vsnprintf" },
  { "gets", "no bound" },
  { "atoi", "takes nonsense for 0: use strtol and look at the end" },
  { "atol", "takes nonsense for 0: use strtol and look at the end" },
  { "atof", "floating point, and takes nonsense for 0" },
  { "strtok", "keeps a global state" },
  { "alloca", "the stack has a limit that nobody sees" },
  { "malloc", "cannot fail here: use rv_alloc or an arena", { "^runtime/base/check%.c", "^kernels/base/fail%.c" } },
  { "calloc", "cannot fail here: use rv_alloc or an arena", { "^runtime/base/check%.c", "^kernels/base/fail%.c" } },
  { "realloc", "cannot fail here: use rv_realloc", { "^runtime/base/check%.c", "^kernels/base/fail%.c" } },
  { "time", "time is a parameter: take a struct rv_clock", { "^runtime/base/clock%.c" } },
  { "gettimeofday", "time is a parameter: take a struct rv_clock", { "^runtime/base/clock%.c" } },
  { "clock_gettime", "time is a parameter: take a struct rv_clock", { "^runtime/base/clock%.c" } },
  { "rand", "chance is a parameter: take a struct rv_random" },
  { "random", "chance is a parameter: take a struct rv_random" },
  { "getenv", "only runtime/config reads the environment: rv_environment", { "^runtime/config/config%.c" } },
}

-- scripts/format breaks lines at 100 columns; what it cannot break (tables, messages) may go on to 120,
-- and test data to 160: behind that a reader has to scroll
local limits = { columns = 120, test_columns = 200, lines = 1200, header_lines = 350 }
-- files that are over the limit and may only shrink: their number goes down, nobody is added
local long_files = {}

-- ---- reading ----

local complaints = 0
local function complain(path, line, text)
  io.stdout:write(path, ":", line, ": ", text, "\n")
  complaints = complaints + 1
end

local function display_width(line)
  return utf8.len(line) or #line
end

-- the text with the insides of comments and strings blanked out, line structure kept
local function code_only(text)
  local out, at = {}, 1
  while at <= #text do
    local two, one = text:sub(at, at + 1), text:sub(at, at)
    local stop
    if two == "/*" then
      stop = select(2, text:find("*/", at + 2, true)) or #text
    elseif two == "//" then
      stop = (text:find("\n", at, true) or #text + 1) - 1
    elseif one == '"' or one == "'" then
      local i = at + 1
      while i <= #text and text:sub(i, i) ~= one and text:sub(i, i) ~= "\n" do
        i = i + (text:sub(i, i) == "\\" and 2 or 1)
      end
      stop = i
    end
    if stop then
      out[#out + 1] = text:sub(at, stop):gsub("[^\n]", " ")
      at = stop + 1
    else
      out[#out + 1] = one
      at = at + 1
    end
  end
  return table.concat(out)
end

local function lines_of(text)
  local lines = {}
  for line in (text:sub(-1) == "\n" and text or text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines
end

local function matches_any(path, patterns)
  for _, pattern in ipairs(patterns or {}) do if path:match(pattern) then return true end end
  return false
end

local function excused(line)
  return line:find("style: %S") ~= nil
end

-- ---- the checks ----

local function check_text(path, lines)
  for n, line in ipairs(lines) do
    if line:match("\r$") then complain(path, n, "a carriage return: lines end in LF") end
    if line:match("[ \t]$") and not path:match("%.md$") then complain(path, n, "space at the end of the line") end
    if line:match("TO" .. "DO") or line:match("FIX" .. "ME") then
      if not excused(line) then complain(path, n, "unfinished work is finished or left out") end
    end
  end
end

local function check_c(path, text, lines)
  local in_tests = path:match("^tests/") ~= nil
  local code = lines_of(code_only(text))
  local most = long_files[path] or limits.lines
  if #lines > most then complain(path, #lines, "more than " .. most .. " lines: one idea per file") end
  if not lines[1]:match("^/%*") then
    complain(path, 1, "the first lines say what the file is about: /* " .. path:match("([^/]+)$") .. " -- ...")
  end
  for n, line in ipairs(lines) do
    local columns = in_tests and limits.test_columns or limits.columns
    if display_width(line) > columns and not excused(line) then
      complain(path, n, "longer than " .. columns .. " columns")
    end
    if line:match("\t") then complain(path, n, "a tab: four spaces") end
    local own = line:match('^%s*#%s*include%s+"([^"]+)"')
    local foreign = line:match("^%s*#%s*include%s+<([^>]+)>")
    if own then
      local why = layer_complaint(path, own)
      if why then complain(path, n, "may not include " .. own .. ": " .. why) end
      if own:match("^%.%.?/") then complain(path, n, "include paths start at the repository root") end
    end
    if foreign and not in_tests then
      for _, rule in ipairs(confined) do
        if foreign:match(rule[1]) and not matches_any(path, rule[2]) and not excused(line) then
          complain(path, n, "<" .. foreign .. "> is confined to " .. rule[2][1]:gsub("[%^%%]", ""))
          break
        end
      end
    end
    if not in_tests then
      for _, rule in ipairs(banned) do
        if code[n] and code[n]:find("%f[%w_]" .. rule[1] .. "%s*%(") and not matches_any(path, rule[3]) and not excused(line)
          and not code[n]:find("[%.>]" .. rule[1] .. "%s*%(") then
          complain(path, n, rule[1] .. "(): " .. rule[2])
        end
      end
      for literal in line:gmatch('"(.-)"') do
        if (literal:match("^%s*SELECT%s") or literal:match("^%s*INSERT INTO%s") or literal:match("^%s*UPDATE%s+%l")
            or literal:match("^%s*DELETE FROM%s")) and not excused(line) then
          complain(path, n, "SQL in a C string: it belongs into a .sql file, where it can be tried and is PREPAREd by a test")
        end
      end
    end
  end
end

local function check_header(path, text, lines)
  local guard = "REEVE_" .. path:gsub("[/%.%-]", "_"):upper()
  if not text:find("#ifndef " .. guard .. "\n", 1, true) or not text:find("#define " .. guard .. "\n", 1, true) then
    complain(path, 1, "the guard is the path: " .. guard)
  end
  if #lines > limits.header_lines then
    complain(path, #lines, "a header of more than " .. limits.header_lines .. " lines: a module is a page")
  end
end

local function check_sql(path, lines)
  local first = lines[1] or ""
  if not first:match("^%-%-") then complain(path, 1, "the first line says what the file is about: -- name: ...") end
end

local function check_script(path, lines)
  if not (lines[2] or ""):match("^#") then complain(path, 2, "the second line says what the script does") end
end

-- every row of settings.def is read by somebody: as RV_SET_X, or by a function rv_config_x
local function check_settings(sources)
  local file = io.open("runtime/config/settings.def", "rb")
  if not file then return end
  local line = 0
  for text in file:lines() do
    line = line + 1
    local id = text:match("^SETTING%(([%u_]+),")
    if id and not sources:find("RV_SET_" .. id .. "%f[^%w_]") and not sources:find("rv_config_" .. id:lower() .. "(", 1, true) then
      complain("runtime/config/settings.def", line, "nobody reads " .. id .. ": a setting does what it says, or is not there")
    end
  end
  file:close()
end

local readers = {} -- the C text that may read settings: everything of the runtime but runtime/config

local function files()
  local list = {}
  if #arg > 0 then return arg end
  -- the tree may belong to somebody else, as in a CI job; an archive has no git at all
  local listings = { "git -c safe.directory='*' ls-files --cached --others --exclude-standard 2>/dev/null",
    "find . -path ./build -prune -o -path ./.git -prune -o -name node_modules -prune -o -type f -printf '%P\\n'" }
  for _, listing in ipairs(listings) do
    for path in io.popen(listing):lines() do list[#list + 1] = path end
    if #list > 0 then return list end
  end
  error("found no files to check")
end

for _, path in ipairs(files()) do
  local file = io.open(path, "rb")
  local text = file and file:read("a")
  if file then file:close() end
  local kind = path:match("%.(%w+)$")
  local known = kind == "c" or kind == "h" or kind == "sql" or kind == "lua" or kind == "sh" or kind == "cmake"
    or kind == "md" or kind == "def" or kind == "js" or kind == "mjs" or kind == "css" or path:match("CMakeLists%.txt$")
  local shell = text and text:match("^#!/[^\n]*sh\n") ~= nil
  if text and text ~= "" and (known or shell) and not path:match("^tests/data/") and not path:match("^tests/unit/lua_hostile/") and not path:match("^scripts/demo/company/")
    and not text:find("\0", 1, true) then
    local lines = lines_of(text)
    check_text(path, lines)
    if kind == "c" or kind == "h" then check_c(path, text, lines) end
    if kind == "c" and path:match("^runtime/") and not path:match("^runtime/config/") then
      readers[#readers + 1] = code_only(text)
    end
    if kind == "h" then check_header(path, text, lines) end
    if kind == "sql" then check_sql(path, lines) end
    if shell then check_script(path, lines) end
  end
end

if #arg == 0 then check_settings(table.concat(readers, "\n")) end
if complaints > 0 then
  io.stdout:write(complaints, " complaints\n")
  os.exit(1)
end
