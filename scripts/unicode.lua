-- unicode.lua -- writes kernels/model/unicode_ranges.c: letters, numbers and white space of Unicode.
-- usage: lua5.4 scripts/unicode.lua [UnicodeData.txt] > kernels/model/unicode_ranges.c
-- The data is that of Debian's package unicode-data (15.0.0 in bookworm); run it again for another version.
-- White space is the property White_Space: the separators (Z*) and the controls 9 to 13 and 85.

local path = arg[1] or "/usr/share/unicode/UnicodeData.txt"
local version = arg[2] or "15.0.0"

local function kind_of(code, category)
  local major = category:sub(1, 1)
  if major == "L" then return "LETTER" end
  if major == "N" then return "NUMBER" end
  if major == "Z" or (code >= 9 and code <= 13) or code == 0x85 then return "SPACE" end
end

local ranges, before = {}, nil
local first_of_block
for line in assert(io.open(path)):lines() do
  local hex, name, category = line:match("^(%x+);([^;]*);(%u%l);")
  local code = assert(tonumber(hex, 16), "not a line of UnicodeData.txt: " .. line)
  if name:find(", First>", 1, true) then
    first_of_block = code
  else
    local from, kind = first_of_block or code, kind_of(code, category)
    first_of_block = nil
    if kind and before and before.kind == kind and before.last + 1 == from then
      before.last = code
    elseif kind then
      before = { first = from, last = code, kind = kind }
      ranges[#ranges + 1] = before
    end
  end
end

io.write("/* unicode_ranges.c -- letters, numbers and white space; written by scripts/unicode.lua from\n",
  " * UnicodeData.txt of Unicode ", version, " (Debian package unicode-data).  See unicode.h. */\n",
  '#include "kernels/model/unicode.h"\n\n// clang-format off\n',
  "#define L UNICODE_LETTER\n#define N UNICODE_NUMBER\n#define S UNICODE_SPACE\n",
  "const struct unicode_range unicode_ranges[] = {\n")
local line = "   "
for _, range in ipairs(ranges) do
  local cell = (" {0x%X, 0x%X, %s},"):format(range.first, range.last, range.kind:sub(1, 1))
  if #line + #cell > 100 then
    io.write(line, "\n")
    line = "   "
  end
  line = line .. cell
end
io.write(line, "\n};\n// clang-format on\n",
  "const uint32_t unicode_range_count = sizeof unicode_ranges / sizeof unicode_ranges[0];\n")
