-- money.lua -- exact decimals as integers: cents, prices in 1/10,000, quantities in 1/1,000.
-- Rounding is half up, once, at the end; no floating point anywhere.

local money = {}

money.PRICE_DIGITS = 4
money.QUANTITY_DIGITS = 3

-- "12.5" with 4 digits -> 125000
function money.scaled(text, digits)
  local whole, fraction = text:match("^(%d+)%.?(%d*)$")
  assert(whole and #fraction <= digits, "not a decimal: " .. tostring(text))
  return math.tointeger(tonumber(whole .. fraction .. ("0"):rep(digits - #fraction)))
end

-- 125000 with 4 digits -> "12.50" when at least 2 are to be shown
function money.text(value, digits, at_least)
  local sign = value < 0 and "-" or ""
  local all = ("%0" .. digits + 1 .. "d"):format(math.abs(value))
  local whole, fraction = all:sub(1, -digits - 1), all:sub(-digits)
  fraction = fraction:gsub("0+$", "")
  fraction = fraction .. ("0"):rep(at_least - #fraction)
  return sign .. whole .. (fraction ~= "" and "." .. fraction or "")
end

function money.cents(value)
  return money.text(value, 2, 2)
end

-- For people: 12,345.60 EUR
function money.readable(value)
  local sign, whole, fraction = money.cents(value):match("^(-?)(%d+)(%.%d+)$")
  local grouped = whole:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
  return sign .. grouped .. fraction .. " EUR"
end

function money.rounded(numerator, denominator)
  if numerator < 0 then return -money.rounded(-numerator, denominator) end
  return (2 * numerator + denominator) // (2 * denominator)
end

-- Cents of quantity x price / base quantity.
function money.line_amount(quantity, price, base)
  return money.rounded(quantity * price, base * 1000 * 100)
end

-- Cents of a percentage given in hundredths of a per cent.
function money.percent(cents, basis_points)
  return money.rounded(cents * basis_points, 10000)
end

return money
