-- generate.lua -- writes the demonstration company: three months of orders, deliveries, invoices and
-- bank statements, with troubles planted on purpose and listed in expected.json.
--
-- The same seed gives the same bytes.  lib/story.lua is the story; everything else carries it out:
--
--   story -> books (dates, numbers, sums) -> ubl, camt (trees) -> text (bytes)
--                  \-> bank (payments)   \-> expected.json (what was planted)

local home = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = home .. "/lib/?.lua;" .. package.path

local bank = require("bank")
local books = require("books")
local camt = require("camt")
local company = require("company")
local text = require("text")
local trouble = require("trouble")
local ubl = require("ubl")

local SEED = 17

local usage = ([[
usage: lua5.4 generate.lua [--seed N] [--out DIR]

Writes the demonstration company: master data, orders, receipts, invoices, credit notes and bank
statements of August to October 2026, and expected.json with every trouble that was planted.

  --seed N    another company of the same kind (default %d; the files in the repository)
  --out DIR   where to (default: company/ beside this script); files of an earlier run are replaced
  --help      this text

The same seed gives the same bytes.  Check the result with: lua5.4 selfcheck.lua [DIR]
]]):format(SEED)

local function fail(message)
  io.stderr:write("generate.lua: ", message, "\nTry --help.\n")
  os.exit(2)
end

local function options()
  local seed, out = SEED, home .. "/company"
  local i = 1
  while i <= #arg do
    local name, value = arg[i], arg[i + 1]
    if name == "--help" or name == "-h" then
      io.write(usage)
      os.exit(0)
    elseif name == "--seed" then
      seed = value and value:match("^%d+$") and math.tointeger(tonumber(value))
      if not seed then fail("--seed needs a whole number from 0 on") end
    elseif name == "--out" then
      out = value
      if not out or out == "" then fail("--out needs a folder") end
    else
      fail("unknown option " .. name)
    end
    i = i + 2
  end
  return seed, out
end

-- ---- files ----

local folders = { "orders", "receipts", "invoices", "creditnotes", "statements" }

local function shell_word(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Fresh folders: a file of an earlier seed must not stay behind.
local function prepare(out)
  for _, folder in ipairs(folders) do
    local path = shell_word(out .. "/" .. folder)
    if not os.execute(("mkdir -p %s && rm -f %s/*.xml"):format(path, path)) then
      fail("cannot make " .. out .. "/" .. folder)
    end
  end
end

local function write(path, content)
  local file, why = io.open(path, "wb")
  if not file then fail(why) end
  file:write(content)
  file:close()
end

-- Invoice numbers hold slashes and spaces; file names do not.
local function file_word(number)
  return (number:gsub("[^%w]+", "-"))
end

-- ---- master.json ----

local function pick(source, ...)
  local pairs_ = {}
  for _, field in ipairs { ... } do pairs_[#pairs_ + 1] = { field, source[field] } end
  return { object = pairs_ }
end

local function master()
  local accounts, suppliers, tolerances = {}, {}, {}
  for i, row in ipairs(company.accounts) do
    accounts[i] = text.object({ "number", row[1] }, { "name", row[2] }, { "kind", row[3] },
      { "role", row[4] })
  end
  for i, supplier in ipairs(company.suppliers) do
    suppliers[i] = text.object({ "id", supplier.id }, { "name", supplier.name },
      { "country", supplier.country }, { "vat_id", supplier.vat_id }, { "iban", supplier.iban },
      { "bic", supplier.bic }, { "payment_days", supplier.days },
      { "status", supplier.blocked and "blocked" or "active" })
  end
  for i, row in ipairs(company.tolerances) do
    tolerances[i] = text.object({ "key", row.key }, { "pct_bp", row.pct_bp },
      { "amount_minor", row.amount }, { "days", row.days }, { "currency", "EUR" })
  end
  local self = pick(company.self, "id", "name", "country", "vat_id", "iban", "bic")
  table.insert(self.object, 4, { "currency", "EUR" })
  self.object[#self.object + 1] = { "timezone", "Europe/Berlin" }
  return text.object({ "company", self }, { "accounts", accounts }, { "suppliers", suppliers },
    { "tolerances", tolerances })
end

-- ---- expected.json ----

local function finding(code, subject, supplier, note)
  local row = { { "code", code }, { "subject", text.object(table.unpack(subject)) } }
  if supplier then row[#row + 1] = { "supplier", supplier.id } end
  row[#row + 1] = { "note", note }
  return { code = code, json = text.object(table.unpack(row)) }
end

local function invoice_finding(invoice)
  local kind = trouble[invoice.wrong.code]
  local subject = { { "invoice", invoice.number } }
  if kind.line then subject[2] = { "line", kind.line(invoice, invoice.wrong).no } end
  return finding(invoice.wrong.code, subject, invoice.supplier, kind.note(invoice, invoice.wrong))
end

local function expected(story, statements)
  local rows = {}
  for _, invoice in ipairs(story.invoices) do
    if invoice.wrong then rows[#rows + 1] = invoice_finding(invoice) end
  end
  for _, credit in ipairs(story.credits) do
    if credit.trouble then
      rows[#rows + 1] = finding(credit.trouble, { { "credit_note", credit.number } },
        credit.supplier, trouble[credit.trouble].note(credit))
    end
  end
  for _, statement in ipairs(statements) do
    for _, entry in ipairs(statement.entries) do
      if entry.trouble then
        rows[#rows + 1] = finding(entry.trouble, { { "bank_line", entry.reference } },
          entry.invoice and entry.invoice.supplier, entry.note)
      end
    end
  end
  for i, row in ipairs(rows) do row.told = i end
  table.sort(rows, function(a, b)
    if a.code ~= b.code then return a.code < b.code end
    return a.told < b.told
  end)
  for i, row in ipairs(rows) do rows[i] = row.json end
  return rows
end

-- ---- everything ----

local function write_all(out, folder, list, tree, name)
  for i, document in ipairs(list) do
    write(("%s/%s/%s.xml"):format(out, folder, name(document, i)), text.xml(tree(document)))
  end
end

local function by_number(document) return document.number end

-- In the order of dates, so that a plain listing is the order in which they arrived.
local function by_arrival(document, i)
  return ("%03d-%s-%s"):format(i, document.supplier.id, file_word(document.number))
end

local function main()
  local seed, out = options()
  local story = books.write(seed)
  local statements = bank.statements(story)
  prepare(out)
  write(out .. "/master.json", text.json(master()))
  write_all(out, "orders", story.orders, ubl.order, by_number)
  write_all(out, "receipts", story.receipts, ubl.receipt, by_number)
  write_all(out, "receipts", story.despatches, ubl.despatch, by_number)
  write_all(out, "invoices", story.invoices, ubl.invoice, by_arrival)
  write_all(out, "creditnotes", story.credits, ubl.credit_note, by_arrival)
  write_all(out, "statements", statements, camt.statement, function(statement) return statement.id end)
  local planted = expected(story, statements)
  write(out .. "/expected.json", text.json(planted))
  print(("%s: %d orders, %d receipts, %d despatch advices, %d invoices, %d credit notes, "
    .. "%d statements; %d troubles planted"):format(out, #story.orders, #story.receipts,
    #story.despatches, #story.invoices, #story.credits, #statements, #planted))
end

main()
