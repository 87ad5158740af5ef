-- date.lua -- calendar days as integers (days since 1970-01-01), so that adding is adding.

local date = {}

-- Proleptic Gregorian calendar, years counted from March so that the leap day comes last.
function date.day(text)
  local y, m, d = text:match("^(%d%d%d%d)-(%d%d)-(%d%d)$")
  assert(y, "not a date: " .. tostring(text))
  y, m, d = tonumber(y), tonumber(m), tonumber(d)
  if m <= 2 then y, m = y - 1, m + 12 end
  local year_days = 365 * y + y // 4 - y // 100 + y // 400
  return year_days + (153 * (m - 3) + 2) // 5 + d - 719469
end

function date.text(day)
  local z = day + 719468
  local era = z // 146097
  local doe = z % 146097
  local yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
  local doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
  local mp = (5 * doy + 2) // 153
  local m = mp < 10 and mp + 3 or mp - 9
  local y = yoe + era * 400 + (m <= 2 and 1 or 0)
  return ("%04d-%02d-%02d"):format(y, m, doy - (153 * mp + 2) // 5 + 1)
end

-- 1 Monday … 7 Sunday
function date.weekday(day)
  return (day + 3) % 7 + 1
end

-- The same day, or the nearest working day after (before) it.
function date.working_on_or_after(day)
  while date.weekday(day) > 5 do day = day + 1 end
  return day
end

function date.working_on_or_before(day)
  while date.weekday(day) > 5 do day = day - 1 end
  return day
end

return date
