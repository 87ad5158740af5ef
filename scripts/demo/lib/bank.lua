-- bank.lua -- the company's current account: which invoices were paid when, and what else happened.
--
-- An invoice with pay = true leaves the account shortly before it is due, over the exact sum, to the
-- account in the master data.  `bank` on it makes that go wrong: F21 pays it a second time some days
-- later, F23 pays some per cent less.  Fees come on the last working day of a month.

local date = require("date")
local money = require("money")

local bank = {}

local OPENING = 31486027 -- cents

local months = {
  { number = 8, from = "2026-08-03", to = "2026-08-31", fee = 1490 },
  { number = 9, from = "2026-09-01", to = "2026-09-30", fee = 1635 },
  { number = 10, from = "2026-10-01", to = "2026-10-30", fee = 1570 },
}

-- Nobody here knows these two.
local strangers = {
  { day = "2026-09-15", amount = -74256, name = "Nordlicht Flurförderzeuge Leasing GmbH",
    words = "Instalment 09/2026 contract 88-20413", kind = "direct debit",
    note = "%s taken by a leasing company that is no supplier; no open item has this sum" },
  { day = "2026-10-14", amount = 131840, name = "Tiefbau Hasenmoor GmbH",
    words = "Refund as agreed, thank you", kind = "incoming transfer",
    note = "%s received from a company we do not know; belongs into suspense until explained" },
}

local codes = { -- domain, family, sub-family of ISO 20022
  ["transfer"] = { "PMNT", "ICDT", "ESCT" },
  ["direct debit"] = { "PMNT", "RDDT", "ESDD" },
  ["incoming transfer"] = { "PMNT", "RCDT", "ESCT" },
  ["fee"] = { "ACMT", "MDOP", "CHRG" },
}

local function payment(invoice, day, amount, words)
  return { day = day, amount = -amount, kind = "transfer", name = invoice.supplier.name,
           iban = invoice.supplier.iban, invoice = invoice,
           words = ("Invoice %s of %s%s"):format(invoice.number, invoice.issued_text,
                                                 words and ", " .. words or "") }
end

local function pay(books, entries, invoice)
  local wrong = invoice.spec.bank
  local day = date.working_on_or_before(invoice.due - books.random:between(0, 3))
  if not wrong then
    entries[#entries + 1] = payment(invoice, day, invoice.gross)
  elseif wrong.code == "F21" then
    entries[#entries + 1] = payment(invoice, day, invoice.gross)
    local second = payment(invoice, date.working_on_or_after(day + wrong.days), invoice.gross)
    second.trouble, second.note = "F21", ("%s to %s for invoice %s a second time, %d days after %s")
      :format(money.readable(invoice.gross), invoice.supplier.name, invoice.number,
              second.day - day, date.text(day))
    entries[#entries + 1] = second
  else
    local less = money.percent(invoice.gross, wrong.percent * 100)
    local short = payment(invoice, day, invoice.gross - less, wrong.words)
    short.trouble, short.note = "F23", ("%s paid for invoice %s over %s: %s short, the %s was not agreed")
      :format(money.readable(invoice.gross - less), invoice.number, money.readable(invoice.gross),
              money.readable(less), wrong.percent .. " % discount")
    entries[#entries + 1] = short
  end
end

local function stranger(spec)
  local entry = { day = date.day(spec.day), trouble = "F22",
                  note = spec.note:format(money.readable(math.abs(spec.amount))) }
  for _, field in ipairs { "amount", "name", "words", "kind" } do entry[field] = spec[field] end
  return entry
end

local function by_day(entries)
  for i, entry in ipairs(entries) do entry.told = i end
  table.sort(entries, function(a, b)
    if a.day ~= b.day then return a.day < b.day end
    return a.told < b.told
  end)
end

-- The statements, with everything between two days, numbered and balanced.
local function cut(books, entries)
  local balance, statements, paid = OPENING, {}, 0
  for _, month in ipairs(months) do
    local statement = { number = month.number, from = date.day(month.from), to = date.day(month.to),
                        opening = balance, entries = {}, id = ("AHR-2026-%03d"):format(month.number) }
    for _, entry in ipairs(entries) do
      if entry.day >= statement.from and entry.day <= statement.to then
        statement.entries[#statement.entries + 1] = entry
        entry.statement, entry.code = statement, codes[entry.kind]
        entry.reference = ("%s%04d"):format(date.text(entry.day):gsub("-", ""),
                                            books.random:between(1000, 9999))
        entry.reference = entry.reference .. ("%02d"):format(#statement.entries)
        if entry.kind == "transfer" then
          paid = paid + 1
          entry.end_to_end = ("PAY-2026-%05d"):format(700 + paid)
        end
        balance = balance + entry.amount
      end
    end
    statement.closing = balance
    statements[#statements + 1] = statement
  end
  return statements
end

function bank.statements(books)
  local entries = {}
  for _, invoice in ipairs(books.invoices) do
    if invoice.spec.pay then pay(books, entries, invoice) end
  end
  for _, month in ipairs(months) do
    entries[#entries + 1] = { day = date.working_on_or_before(date.day(month.to)), kind = "fee",
                              amount = -month.fee,
                              words = ("Account fees %02d/2026"):format(month.number) }
  end
  for _, spec in ipairs(strangers) do entries[#entries + 1] = stranger(spec) end
  by_day(entries)
  local last = date.day(months[#months].to)
  for _, entry in ipairs(entries) do assert(entry.day <= last, "paid after the last statement") end
  return cut(books, entries)
end

return bank
