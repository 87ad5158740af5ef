-- embed.lua -- puts files into the program with .incbin, so that megabytes cost nothing.
-- usage: lua5.4 embed.lua ROOM OUTPUT_PREFIX BASE_DIR FILES...
-- Gives a table `rv_<room>_assets[]` of {path relative to BASE_DIR, bytes, end}, sorted, NULL-ended.

local room, out, base = arg[1], arg[2], arg[3]
local files = {}
for i = 4, #arg do files[#files + 1] = arg[i] end
table.sort(files)

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text, "\n")
  file:close()
end

write(out .. ".h", ([[
/* Generated: the files embedded in %s; do not edit. */
#ifndef REEVE_GENERATED_%s_ASSETS_H
#define REEVE_GENERATED_%s_ASSETS_H
#include "runtime/base/asset.h"

extern const struct rv_asset rv_%s_assets[]; /* sorted by path; ends with a NULL path */
#endif]]):format(room, room:upper(), room:upper(), room))

local source = { ('#include "%s_assets.h"\n#include <stddef.h>'):format(room) }
for i, path in ipairs(files) do
  local symbol = ("rv_%s_asset_%d"):format(room, i)
  source[#source + 1] = ([[
__asm__(".section .rodata\n.balign 16\n%s:\n.incbin \"%s\"\n%s_end:\n.byte 0\n.previous\n");
extern const char %s[], %s_end[];]]):format(symbol, path, symbol, symbol, symbol)
end
source[#source + 1] = ("const struct rv_asset rv_%s_assets[] = {"):format(room)
for i, path in ipairs(files) do
  local symbol = ("rv_%s_asset_%d"):format(room, i)
  source[#source + 1] = ('    {.path = "%s", .bytes = %s, .end = %s_end},'):format(path:sub(#base + 2), symbol, symbol)
end
source[#source + 1] = "    {.path = NULL, .bytes = NULL, .end = NULL}};"
write(out .. ".c", table.concat(source, "\n"))
