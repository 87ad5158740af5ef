-- selfcheck.lua -- reads the generated company back and proves the promise of expected.json: what it
-- lists is really wrong, and everything it does not list is really right.
--
-- Every rule below is asked of every document; a document listed under that rule's code must break
-- it, any other must keep it.  So a planted trouble that went missing fails as well.

local home = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = home .. "/lib/?.lua;" .. package.path

local date = require("date")
local ident = require("ident")
local money = require("money")
local reader = require("reader")

local FIRST_DAY, LAST_DAY = date.day("2026-08-03"), date.day("2026-10-30")
local PP_PERCENT_BP, PP_AMOUNT = 200, 500 -- a price counts when above both
local DUPLICATE_DAYS, PAID_TWICE_DAYS, DEBIT_DAYS, SMALL_PAYMENT = 30, 10, 30, 100

local complaints = 0

local function complain(format, ...)
  complaints = complaints + 1
  print((format):format(...))
end

-- ---- what was planted ----

local planted = { count = 0 }

local function key(code, subject) return code .. " " .. subject end

local function load_planted(expected)
  for _, row in ipairs(expected) do
    local subject = row.invoice or row.credit_note or row.bank_line
    planted[key(row.code, subject)] = row
    planted.count = planted.count + 1
  end
end

-- `broken` must be so exactly when it is planted.
local function ask(code, subject, broken, what)
  local row = planted[key(code, subject)]
  if row then row.met = row.met or broken end
  if broken and not row then
    complain("%s: %s (%s), but that was not planted", subject, what, code)
  end
end

local function must(subject, holds, what)
  if not holds then complain("%s: %s", subject, what) end
end

-- ---- single documents ----

-- Not the code of lib/ident.lua on purpose: all digits first, then long division, seven at a time.
local function iban_right(iban)
  local digits = (iban:sub(5) .. iban:sub(1, 4)):gsub("%u", function(c) return c:byte() - 55 end)
  local rest = 0
  for chunk in digits:gmatch("%d%d?%d?%d?%d?%d?%d?") do
    rest = math.tointeger(tonumber(rest .. chunk)) % 97
  end
  return rest == 1
end

local function check_sums(document)
  local sum, by_rate, tax = 0, {}, 0
  for _, line in ipairs(document.lines) do
    must(document.number, line.net == money.line_amount(line.quantity, line.price, line.base),
      "line " .. line.no .. " is not quantity times price")
    sum = sum + line.net
    local group = line.category .. line.rate
    by_rate[group] = (by_rate[group] or 0) + line.net
  end
  local wrong_tax = false
  for _, group in ipairs(document.taxes) do
    local base = (by_rate[group.category .. group.rate] or 0) - document.allowance
    wrong_tax = wrong_tax or group.base ~= base
      or math.abs(group.tax - money.percent(group.base, 100 * group.rate)) > 2
    tax = tax + group.tax
  end
  ask("F09", document.number, sum ~= document.lines_total, "the lines do not sum to the total")
  ask("F10", document.number, wrong_tax, "a tax row is not its base times its rate")
  must(document.number, document.net == document.lines_total - document.allowance, "net total")
  must(document.number, document.tax == tax, "tax total")
  must(document.number, document.gross == document.net + tax, "gross total")
  must(document.number, document.payable == document.gross, "amount due")
end

local function check_party(document, supplier)
  must(document.number, supplier, "supplier is not in the master data")
  must(document.number, not supplier or supplier.status == "active", "supplier is blocked")
  must(document.number, iban_right(document.iban), "IBAN with wrong check digits")
  ask("F12", document.number, supplier and document.iban ~= supplier.iban, "other bank account")
end

local function check_dates(document, what)
  must(what or document.number, document.issued >= FIRST_DAY and document.issued <= LAST_DAY
    and date.weekday(document.issued) <= 5, "dated outside the story or on a weekend")
end

-- ---- invoices against orders and receipts ----

local function check_price(invoice, line, ordered)
  local expected = money.line_amount(line.quantity, ordered.price, ordered.base)
  local difference = math.abs(line.net - expected)
  ask("F01", invoice.number, difference > PP_AMOUNT
    and difference * 10000 > expected * PP_PERCENT_BP, "price differs from the order")
end

-- What had come by the day of the invoice, less what was refused.
local function received_until(receipts, order, line, day)
  local sum, any = 0, false
  for _, receipt in ipairs(receipts) do
    if receipt.kind == "ReceiptAdvice" and receipt.order == order and receipt.issued <= day then
      for _, part in ipairs(receipt.lines) do
        if part.order_line == line then sum, any = sum + part.quantity - part.rejected, true end
      end
    end
  end
  return sum, any
end

local function check_order(all, invoice, invoiced)
  local order = invoice.order and all.orders[invoice.order]
  ask("F04", invoice.number, not order or order.vat_id ~= invoice.vat_id, "order missing or wrong")
  if not order or order.vat_id ~= invoice.vat_id then return end
  for _, line in ipairs(invoice.lines) do
    local ordered = order.lines[line.order_line or ""]
    must(invoice.number, ordered, "line " .. line.no .. " names no line of the order")
    if ordered then
      local place = order.number .. "/" .. ordered.no
      invoiced[place] = (invoiced[place] or 0) + line.quantity
      local received, any = received_until(all.receipts, order.number, ordered.no, invoice.issued)
      check_price(invoice, line, ordered)
      must(invoice.number, any, "no receipt for line " .. line.no)
      must(invoice.number, invoiced[place] <= ordered.quantity, "invoiced above ordered")
      ask("F02", invoice.number, invoiced[place] > received, "invoiced above received")
    end
  end
end

-- ---- pairs ----

local function check_pair(a, b) -- b came later
  local na, nb = ident.normalised(a.number), ident.normalised(b.number)
  local same_gross = a.gross == b.gross
  local near = b.issued - a.issued <= DUPLICATE_DAYS
  local exact = na == nb and same_gross
  must(b.number, na ~= nb or same_gross, "the same number as another invoice over another sum")
  ask("F07", b.number, exact, "the same number and sum as " .. a.number)
  if not exact then
    ask("F08", b.number, ident.edit_distance(na, nb) == 1 or (same_gross and near)
      or (same_gross and a.order ~= nil and a.order == b.order), "much like " .. a.number)
  end
end

local function check_pairs(invoices)
  for j, b in ipairs(invoices) do
    for i = 1, j - 1 do
      if invoices[i].vat_id == b.vat_id then check_pair(invoices[i], b) end
    end
  end
end

-- ---- the bank ----

-- The invoice whose number stands in the words of a line; the longest, so that a number inside
-- another does not count.
local function invoice_in(words, invoices)
  local found
  for _, invoice in ipairs(invoices) do
    if words:find(invoice.number, 1, true) and (not found or #invoice.number > #found.number) then
      found = invoice
    end
  end
  return found
end

-- Read without punctuation, as a matcher does, the words must name one invoice and no second one.
local function check_words(entry, invoices)
  local words, named = ident.normalised(entry.words), {}
  for _, invoice in ipairs(invoices) do
    local number = ident.normalised(invoice.number)
    if words:find(number, 1, true) then named[#named + 1] = number end
  end
  must(entry.reference, #named <= 1, "names several invoices: " .. table.concat(named, ", "))
end

local function check_entry(all, entry)
  if entry.code == "CHRG" then return end -- a fee explains itself
  local invoice = invoice_in(entry.words, all.invoices)
  check_words(entry, all.invoices)
  ask("F22", entry.reference, invoice == nil, "matches no invoice")
  if not invoice then
    for _, other in ipairs(all.invoices) do
      must(entry.reference, other.gross ~= math.abs(entry.amount), "by chance the sum of " .. other.number)
    end
    return
  end
  local supplier = all.master.suppliers[invoice.vat_id]
  must(entry.reference, entry.iban == supplier.iban, "paid to another account than the master data")
  must(entry.reference, entry.day >= invoice.issued, "paid before it was invoiced")
  local again = invoice.paid_on and entry.day - invoice.paid_on <= PAID_TWICE_DAYS
  must(entry.reference, again or not invoice.paid_on, "a second payment that is not near the first")
  ask("F21", entry.reference, again, "pays " .. invoice.number .. " a second time")
  ask("F23", entry.reference, math.abs(invoice.gross + entry.amount) > SMALL_PAYMENT,
    "pays another sum than " .. invoice.number)
  must(entry.reference, not invoice.troubled, "pays a troubled invoice")
  invoice.paid_on, invoice.paid = entry.day, (invoice.paid or 0) - entry.amount
end

local function check_statements(all)
  local before
  for _, statement in ipairs(all.statements) do
    local net = 0
    for _, entry in ipairs(statement.entries) do
      net = net + entry.amount
      check_entry(all, entry)
      check_dates({ number = entry.reference, issued = entry.day })
    end
    must(statement.id, statement.iban == all.master.company.iban, "not the company's account")
    must(statement.id, statement.OPBD + net == statement.CLBD, "opening plus entries is not closing")
    if before then
      must(statement.id, statement.number == before.number + 1, "not the next sequence number")
      must(statement.id, statement.OPBD == before.CLBD, "does not open where the last one closed")
    end
    before = statement
  end
end

-- ---- credit notes: does the supplier owe us in the end? ----

-- Only clean invoices count for the supplier: the others may never be posted.
local function check_credit(all, credit)
  local owed = -credit.gross
  local preceding
  for _, invoice in ipairs(all.invoices) do
    if invoice.vat_id == credit.vat_id then
      preceding = preceding or invoice.number == credit.preceding
      if not invoice.troubled then owed = owed + invoice.gross - (invoice.paid or 0) end
    end
  end
  must(credit.number, preceding, "credits an invoice that is not there")
  ask("F19", credit.number, owed < 0 and LAST_DAY - credit.issued > DEBIT_DAYS, "supplier in debit")
  must(credit.number, owed >= 0 or planted[key("F19", credit.number)], "supplier in debit, not long yet")
end

-- ---- the whole ----

local function mark_troubled(invoices)
  for _, invoice in ipairs(invoices) do
    for _, code in ipairs { "F01", "F02", "F04", "F07", "F08", "F09", "F10", "F12" } do
      invoice.troubled = invoice.troubled or planted[key(code, invoice.number)]
    end
  end
end

local function check_documents(all)
  local invoiced, clean = {}, 0
  for _, supplier in ipairs(all.master.suppliers) do
    must(supplier.name, iban_right(supplier.iban), "IBAN with wrong check digits")
  end
  for _, order in ipairs(all.orders) do
    local sum = 0
    for _, line in ipairs(order.lines) do
      must(order.number, line.net == money.line_amount(line.quantity, line.price, line.base),
        "order line " .. line.no .. " is not quantity times price")
      sum = sum + line.net
    end
    must(order.number, sum == order.lines_total, "the order lines do not sum to its total")
    check_dates(order)
  end
  for _, receipt in ipairs(all.receipts) do
    local order = all.orders[receipt.order]
    must(receipt.number, order and order.vat_id == receipt.vat_id, "receipt of an unknown order")
    check_dates(receipt)
  end
  for _, invoice in ipairs(all.invoices) do
    local supplier = all.master.suppliers[invoice.vat_id]
    check_sums(invoice)
    check_party(invoice, supplier)
    check_dates(invoice)
    must(invoice.number, invoice.due == invoice.issued + (supplier and supplier.payment_days or 0),
      "due date does not follow from the terms")
    check_order(all, invoice, invoiced)
    clean = clean + (invoice.troubled and 0 or 1)
  end
  for _, credit in ipairs(all.credits) do
    check_sums(credit)
    check_party(credit, all.master.suppliers[credit.vat_id])
    check_dates(credit)
    clean = clean + (planted[key("F19", credit.number)] and 0 or 1)
  end
  return clean
end

local function check_planted(expected, readme)
  for _, row in ipairs(expected) do
    local subject = row.invoice or row.credit_note or row.bank_line
    must(subject, row.met, "listed under " .. row.code .. ", but nothing is wrong with it")
    must(subject, not readme or readme:find("`" .. subject .. "`", 1, true),
      "planted, but README.md does not tell of it")
  end
end

local function main()
  if arg[1] == "--help" or arg[1] == "-h" then
    print("usage: lua5.4 selfcheck.lua [DIR]\n\nReads what generate.lua wrote (default: company/ beside "
      .. "this script) and checks that\nexpected.json lists exactly what is wrong. Exit status 1 and "
      .. "one line per failure.")
    return
  end
  local folder = arg[1] or home .. "/company"
  if not io.open(folder .. "/expected.json") then
    print(folder .. " holds no company: run generate.lua first")
    os.exit(1)
  end
  local expected = reader.expected(folder)
  local all = { master = reader.master(folder), orders = reader.orders(folder),
                receipts = reader.receipts(folder), invoices = reader.invoices(folder),
                credits = reader.credits(folder), statements = reader.statements(folder) }
  load_planted(expected)
  must(folder, #all.invoices > 0 and #all.statements > 0 and planted.count > 0, "nothing to check")
  mark_troubled(all.invoices)
  local clean = check_documents(all)
  check_pairs(all.invoices)
  check_statements(all)
  for _, credit in ipairs(all.credits) do check_credit(all, credit) end
  check_planted(expected, arg[1] == nil and reader.readme(home .. "/README.md") or nil)
  if complaints > 0 then
    print(complaints .. " failures")
    os.exit(1)
  end
  print(("%d orders, %d receipts and despatch advices, %d invoices, %d credit notes, %d "
    .. "statements; %d troubles as listed, %d invoices and credit notes clean"):format(#all.orders, #all.receipts,
    #all.invoices, #all.credits, #all.statements, planted.count, clean))
end

main()
