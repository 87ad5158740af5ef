-- ident.lua -- numbers that identify: IBANs and VAT numbers with right check digits, and how alike
-- two invoice numbers are.
--
-- All are invented.  German bank codes begin with 1 to 8 and German VAT numbers with 1 to 3 or 8;
-- ours begin with 9.  The other banks are called DEMO.  So none can be somebody's by accident.

local ident = {}

-- Remainder of the IBAN rule: four characters to the back, letters as 10 to 35, modulo 97.
local function mod97(text)
  local rest = 0
  for c in (text:sub(5) .. text:sub(1, 4)):gmatch(".") do
    local value = tonumber(c, 36)
    rest = (rest * (value > 9 and 100 or 10) + value) % 97
  end
  return rest
end

local lengths = { AT = 20, CZ = 24, DE = 22, LT = 20, NL = 18 }

function ident.iban_valid(iban)
  return lengths[iban:sub(1, 2)] == #iban and iban:match("^%u%u%d%d[%u%d]+$") ~= nil
    and mod97(iban) == 1
end

-- The bank's part of an account number, by country: `fixed` then random digits.
local banks = {
  AT = { fixed = "99400", digits = 11, bic = "DEMOATW1XXX" },
  CZ = { fixed = "9940", digits = 16, bic = "DEMOCZP1XXX" },
  DE = { fixed = "99440050", digits = 10, bic = "DEMODEF1XXX" },
  LT = { fixed = "99400", digits = 11, bic = "DEMOLT21XXX" },
  NL = { fixed = "DEMO0", digits = 9, bic = "DEMONL2AXXX" },
}

function ident.iban(random, country)
  local bank = banks[country]
  local rest = bank.fixed .. random:digits(bank.digits)
  local check = 98 - mod97(country .. "00" .. rest)
  local iban = ("%s%02d%s"):format(country, check, rest)
  assert(ident.iban_valid(iban), iban)
  return iban, bank.bic
end

-- German check digit: ISO 7064, mod 11,10.
local function german_check(digits)
  local product = 10
  for c in digits:gmatch("%d") do
    local sum = (tonumber(c) + product) % 10
    product = (sum == 0 and 10 or sum) * 2 % 11
  end
  return (11 - product) % 10
end

function ident.vat_id(random, country)
  if country == "DE" then
    local digits = "9" .. random:digits(7)
    return "DE" .. digits .. german_check(digits)
  elseif country == "NL" then
    return "NL99" .. random:digits(7) .. "B01"
  elseif country == "AT" then
    return "ATU99" .. random:digits(6)
  end
  assert(country == "CZ", "no VAT numbers for " .. country)
  return "CZ99" .. random:digits(6)
end

-- As the duplicate check sees a number: upper case, letters and digits only, no leading zeros.
function ident.normalised(number)
  local text = number:upper():gsub("[^%u%d]", ""):gsub("^0+", "")
  return text
end

-- Insertions, deletions and substitutions between two texts.
function ident.edit_distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local substitute = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
      diagonal = row[j]
      row[j] = math.min(substitute, row[j] + 1, row[j - 1] + 1)
    end
  end
  return row[#b]
end

return ident
