-- books.lua -- from the story to documents with dates, numbers and amounts.
--
-- Three steps: every order is drawn and dated, then numbered in the order of dates; what was
-- delivered and invoiced follows from it; last, invoices get the numbers their suppliers would give.
-- If by chance two invoices look like duplicates nobody planted, everything is drawn again.

local Random = require("random")
local company = require("company")
local date = require("date")
local ident = require("ident")
local money = require("money")
local story = require("story")
local trouble = require("trouble")

local books = {}

local FIRST_MONDAY = date.day("2026-08-03")
local LAST_DAY = date.day("2026-10-30")
local DRAWS_MAX = 200
local LEAST_DISTANCE = 3 -- between two invoice numbers of one supplier; planted ones are below

local function append(list, item)
  list[#list + 1] = item
  return item
end

-- ---- master data ----

local function draw_master(random)
  local self = company.self
  self.iban, self.bic = ident.iban(random, self.country)
  self.vat_id = ident.vat_id(random, self.country)
  local by_key = {}
  for _, supplier in ipairs(company.suppliers) do
    supplier.country = supplier.country or "DE"
    supplier.iban, supplier.bic = ident.iban(random, supplier.country)
    supplier.vat_id = ident.vat_id(random, supplier.country)
    supplier.mail = supplier.key .. ".example"
    by_key[supplier.key] = supplier
  end
  return by_key
end

-- ---- orders ----

-- A line of an item: what it is, what it costs, how it is taxed.
local function line_of(supplier, key, quantity)
  local item = assert(supplier.items[key], "no item " .. key)
  local category = supplier.tax or "S"
  return {
    item = supplier.id .. "-" .. key:upper(), name = item[1], unit = item[2],
    price = money.scaled(item[3], money.PRICE_DIGITS), base = item[4] or 1,
    quantity = quantity, category = category, rate = category == "S" and (item[5] or 19) or 0,
  }
end

local function draw_order(self, row)
  local supplier = self.suppliers[row.supplier]
  local order = { supplier = supplier, row = row, lines = {}, allowance_percent = row.allowance,
                  decimals = row.decimals }
  order.issued = FIRST_MONDAY + 7 * row.week + self.random:between(0, 2)
  for i, spec in ipairs(row.lines) do
    local quantity = spec.exact and money.scaled(spec.exact, money.QUANTITY_DIGITS)
      or 1000 * self.random:grained(spec[2], spec[3], spec[4])
    local line = append(order.lines, line_of(supplier, spec[1], quantity))
    line.no = tostring(10 * i)
    line.grain = 1000 * (spec[4] or 1)
    line.net = money.line_amount(quantity, line.price, line.base)
    line.received, line.rejected, line.invoiced = 0, 0, 0
  end
  return order
end

-- `share` per cent of the ordered quantity, in whole grains.
local function part_of(line, share)
  if share == 100 then return line.quantity end
  return line.quantity * share // (100 * line.grain) * line.grain
end

-- ---- deliveries ----

local function deliver(self, order, spec, last)
  local receipt = { order = order, supplier = order.supplier, lines = {} }
  receipt.issued = date.working_on_or_after(order.issued + spec.after)
  for i, line in ipairs(order.lines) do
    local short = i == 1 and 1000 * (spec.short or 0) or 0
    local rejected = i == 1 and 1000 * (spec.rejected or 0) or 0
    local rest = line.quantity - line.received
    local quantity = (last and rest or part_of(line, spec.share)) - short
    append(receipt.lines, { order_line = line, quantity = quantity, short = short,
                            rejected = rejected })
    line.received = line.received + quantity
    line.rejected = line.rejected + rejected
  end
  append(self.receipts, receipt)
  if spec.advised then
    append(self.despatches, { order = order, supplier = order.supplier, lines = receipt.lines,
                              issued = date.working_on_or_before(receipt.issued - 1) })
  end
  return receipt
end

-- ---- sums ----

-- One tax row per category and rate, in the order of the rates; rounded once, on the sum.
local function make_taxes(document)
  local by_rate = {}
  document.taxes = {}
  for _, line in ipairs(document.lines) do
    local key = line.category .. line.rate
    by_rate[key] = by_rate[key]
      or append(document.taxes, { category = line.category, rate = line.rate, base = 0 })
    by_rate[key].base = by_rate[key].base + line.net
  end
  assert(document.allowance == 0 or #document.taxes == 1, "an allowance needs a single tax rate")
  table.sort(document.taxes, function(a, b) return a.rate < b.rate end)
  document.tax = 0
  for _, group in ipairs(document.taxes) do
    group.base = group.base - document.allowance
    group.tax = money.percent(group.base, group.rate * 100)
    document.tax = document.tax + group.tax
  end
end

local function make_sums(document)
  document.lines_total = 0
  for i, line in ipairs(document.lines) do
    line.no = line.no or tostring(i)
    line.net = money.line_amount(line.quantity, line.price, line.base)
    document.lines_total = document.lines_total + line.net
  end
  document.allowance = money.percent(document.lines_total, 100 * (document.allowance_percent or 0))
  document.net = document.lines_total - document.allowance
  make_taxes(document)
  document.gross = document.net + document.tax
end

-- ---- invoices ----

local function invoiced_quantity(spec, line, received)
  if spec.share then return part_of(line, spec.share) end
  if spec.ordered then return line.quantity - line.invoiced end
  return received and received.quantity or line.quantity
end

local function invoice_line(order_line, quantity)
  local line = { order_line = order_line, quantity = quantity }
  for _, field in ipairs { "item", "name", "unit", "price", "base", "category", "rate" } do
    line[field] = order_line[field]
  end
  order_line.invoiced = order_line.invoiced + quantity
  return line
end

local function wanted(spec, index)
  for _, chosen in ipairs(spec.lines or {}) do
    if chosen == index then return true end
  end
  return spec.lines == nil
end

local function draw_invoice(self, order, spec, receipt)
  local supplier, wrong = order.supplier, spec.wrong
  local invoice = {
    supplier = supplier, order = not order.row.unordered and order or nil, lines = {}, spec = spec,
    iban = supplier.iban, bic = supplier.bic, allowance_percent = order.allowance_percent,
    decimals = order.decimals, delivered = receipt and receipt.issued, wrong = wrong,
  }
  invoice.issued = date.working_on_or_after((receipt or order).issued + spec.after)
  assert(invoice.issued <= LAST_DAY, "the story ends on " .. date.text(LAST_DAY))
  invoice.issued_text = date.text(invoice.issued)
  invoice.due = invoice.issued + supplier.days
  for i, line in ipairs(order.lines) do
    if wanted(spec, i) then
      append(invoice.lines, invoice_line(line, invoiced_quantity(spec, line, receipt and receipt.lines[i])))
    end
  end
  if spec.price then invoice.lines[1].price = money.scaled(spec.price, money.PRICE_DIGITS) end
  local kind = wrong and trouble[wrong.code] or {}
  if kind.before then kind.before(invoice, wrong, self) end
  make_sums(invoice)
  if kind.after then kind.after(invoice, wrong) end
  if spec.name then self.named_invoices[spec.name] = invoice end
  invoice.original = wrong and wrong.copy_of and self.named_invoices[wrong.copy_of]
  return append(self.invoices, invoice)
end

local function draw_credit(self, order, spec, invoice)
  local supplier = order.supplier
  local line = line_of(supplier, spec.item, 1000 * spec.quantity)
  line.order_line = spec.line and order.lines[spec.line]
  local credit = {
    supplier = supplier, order = order, invoice = invoice, lines = { line }, spec = spec,
    note = spec.reason, delivered = invoice.delivered, trouble = spec.trouble,
    iban = supplier.iban, bic = supplier.bic,
  }
  credit.issued = date.working_on_or_after(invoice.issued + spec.after)
  assert(credit.issued <= LAST_DAY)
  credit.issued_text = date.text(credit.issued)
  make_sums(credit)
  return append(self.credits, credit)
end

-- ---- numbers ----

-- Sorted by date; equal dates keep the order in which they were told.
local function by_date(list)
  for i, document in ipairs(list) do document.told = i end
  table.sort(list, function(a, b)
    if a.issued ~= b.issued then return a.issued < b.issued end
    return a.told < b.told
  end)
end

local function number_in_turn(self, list, format, first, widest_gap)
  by_date(list)
  local serial = first
  for _, document in ipairs(list) do
    serial = serial + self.random:between(2, widest_gap)
    document.number = format:format(serial)
  end
end

local function far_from_others(supplier, number)
  for _, other in ipairs(supplier.numbers) do
    if ident.edit_distance(ident.normalised(number), ident.normalised(other)) < LEAST_DISTANCE then
      return false
    end
  end
  return true
end

-- The supplier's next number: others were served in between.
local function next_number(self, supplier, format)
  repeat
    supplier.serial = supplier.serial + self.random:between(17, 260)
  until far_from_others(supplier, format:format(supplier.serial))
  return append(supplier.numbers, format:format(supplier.serial))
end

local function number_invoices(self)
  for _, supplier in ipairs(company.suppliers) do
    supplier.numbers = {}
    supplier.serial = self.random:between(11000, 79000)
  end
  by_date(self.invoices)
  by_date(self.credits)
  for _, invoice in ipairs(self.invoices) do
    local copy = invoice.original and trouble[invoice.wrong.code].number(invoice.original, invoice.wrong)
    invoice.number = copy or next_number(self, invoice.supplier, invoice.supplier.number)
  end
  for _, credit in ipairs(self.credits) do
    credit.number = next_number(self, credit.supplier, credit.supplier.credit)
  end
end

-- ---- what nobody planted ----

-- Two invoices of one supplier over the same sum, or with numbers alike, that are no planted pair.
local function accident(self)
  for i, a in ipairs(self.invoices) do
    for j = 1, i - 1 do
      local b = self.invoices[j]
      local planted = a.original == b or b.original == a
      if a.supplier == b.supplier and not planted then
        local far = ident.edit_distance(ident.normalised(a.number), ident.normalised(b.number)) > 1
        if a.gross == b.gross or not far then return true end
      end
    end
  end
  return false
end

-- ---- the whole ----

local function draw(random, suppliers)
  local self = { random = random, suppliers = suppliers, orders = {}, receipts = {}, despatches = {},
                 invoices = {}, credits = {}, named_orders = {}, named_invoices = {} }
  local drawn = {}
  for i, row in ipairs(story) do
    local order = draw_order(self, row)
    drawn[i] = order
    if not row.unordered then append(self.orders, order) end
    if row.name then self.named_orders[row.name] = order end
  end
  number_in_turn(self, self.orders, "45000%05d", 18200, 9)
  for i, row in ipairs(story) do
    local order, receipts, invoices = drawn[i], {}, {}
    for k, spec in ipairs(row.deliveries) do
      receipts[k] = deliver(self, order, spec, k == #row.deliveries)
    end
    for k, spec in ipairs(row.invoices) do
      invoices[k] = draw_invoice(self, order, spec, receipts[spec.of or 1])
    end
    for _, spec in ipairs(row.credits or {}) do draw_credit(self, order, spec, invoices[spec.of]) end
  end
  number_in_turn(self, self.receipts, "WE26-%05d", 3100, 7)
  number_in_turn(self, self.despatches, "LS-%06d", 410200, 900)
  number_invoices(self)
  return self
end

function books.write(seed)
  local random = Random.new(seed)
  local suppliers = draw_master(random)
  for _ = 1, DRAWS_MAX do
    local self = draw(random, suppliers)
    if not accident(self) then return self end
  end
  error("no draw without accidental duplicates; try another seed")
end

return books
