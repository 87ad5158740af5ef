-- trouble.lua -- what can be wrong with an invoice, one entry per exception code.
--
-- `before` changes the draft before its sums are made (so the sums are right), `after` changes the
-- sums themselves.  `note` says in one sentence, with the numbers, what a clerk should find, and
-- `line` which line it is about.

local ident = require("ident")
local money = require("money")

local trouble = {}

local function price_text(line)
  return money.text(line.price, money.PRICE_DIGITS, 2) .. " EUR"
    .. (line.base > 1 and " per " .. line.base or "")
end

local function quantity_text(quantity)
  return money.text(quantity, money.QUANTITY_DIGITS, 0)
end

trouble.F01 = {
  before = function(invoice, wrong)
    local line = invoice.lines[wrong.line]
    line.base = wrong.base or line.base
    line.price = wrong.price and money.scaled(wrong.price, money.PRICE_DIGITS) or line.price
    line.name = wrong.item or line.name
    invoice.note = wrong.note or invoice.note
  end,
  line = function(invoice, wrong) return invoice.lines[wrong.line] end,
  note = function(invoice, wrong)
    local line = invoice.lines[wrong.line]
    local ordered = line.order_line
    local expected = money.line_amount(line.quantity, ordered.price, ordered.base)
    local tenths = money.rounded((line.net - expected) * 1000, expected)
    return ("%s invoiced, %s ordered: %s more on %s pieces (+%s %%)%s"):format(price_text(line),
      price_text(ordered), money.readable(line.net - expected), quantity_text(line.quantity),
      money.text(tenths, 1, 1),
      wrong.note and "; note and item text give orders to the reader, which change nothing" or "")
  end,
}

trouble.F02 = {
  line = function(invoice, wrong) return invoice.lines[wrong.line] end,
  note = function(invoice, wrong)
    local line = invoice.lines[wrong.line]
    local ordered = line.order_line
    local over = ordered.invoiced - (ordered.received - ordered.rejected)
    return ("%s invoiced in all, %s received%s: %s too many, %s net"):format(
      quantity_text(ordered.invoiced), quantity_text(ordered.received),
      ordered.rejected > 0 and " of which " .. quantity_text(ordered.rejected) .. " rejected" or "",
      quantity_text(over), money.readable(money.line_amount(over, line.price, line.base)))
  end,
}

trouble.F04 = {
  before = function(invoice, wrong, books)
    invoice.true_order = invoice.order
    invoice.order = wrong.order_of and books.named_orders[wrong.order_of] or nil
  end,
  note = function(invoice)
    if invoice.order then
      return ("names order %s, which belongs to supplier %s; the goods were ordered with %s"):format(
        invoice.order.number, invoice.order.supplier.id, invoice.true_order.number)
    elseif invoice.true_order then
      return ("names no order over %s; order %s of this supplier has these lines and is received")
        :format(money.readable(invoice.gross), invoice.true_order.number)
    end
    return ("names no order over %s and there is none: work was called for without one"):format(
      money.readable(invoice.gross))
  end,
}

trouble.F07 = {
  number = function(original, wrong)
    if wrong.how == "without leading zeros" then return (original.number:gsub("^0+", "")) end
    return (original.number:gsub("[-/]", " "))
  end,
  note = function(invoice, wrong)
    return ("the same as invoice %s of %s, %s: same supplier, same %s"):format(
      invoice.original.number, invoice.original.issued_text, wrong.how,
      money.readable(invoice.gross))
  end,
}

trouble.F08 = {
  number = function(original, wrong)
    if wrong.how ~= "with one digit changed" then return nil end -- then the next number will do
    local before, digit, rest = original.number:match("^(.-)(%d)(%d%d%D*%d*)$")
    local changed = before .. (tonumber(digit) + 5) % 10 .. rest
    assert(ident.edit_distance(changed, original.number) == 1)
    return changed
  end,
  note = function(invoice, wrong)
    return ("probably invoice %s of %s again, %s: same order %s, same %s"):format(
      invoice.original.number, invoice.original.issued_text, wrong.how, invoice.order.number,
      money.readable(invoice.gross))
  end,
}

trouble.F09 = {
  after = function(invoice, wrong)
    invoice.lines_total = invoice.lines_total + wrong.cents
    invoice.net = invoice.net + wrong.cents
    invoice.gross = invoice.gross + wrong.cents
  end,
  note = function(invoice, wrong)
    return ("the lines sum to %s, the document states %s (BR-CO-10)"):format(
      money.readable(invoice.lines_total - wrong.cents), money.readable(invoice.lines_total))
  end,
}

-- 89.88 becomes 98.88: the two digits before the point change places.
local function mistyped(cents)
  local tens, units = cents // 1000 % 10, cents // 100 % 10
  return tens ~= units and cents + (units - tens) * 900 or cents + 900
end

trouble.F10 = {
  after = function(invoice, wrong)
    local group = invoice.taxes[1]
    invoice.right_tax = group.tax
    if wrong.tax == "mistyped" then
      group.tax = mistyped(group.tax)
    else
      group.base = group.base + invoice.allowance
      group.tax = money.percent(group.base, group.rate * 100)
    end
    invoice.tax = invoice.tax - invoice.right_tax + group.tax
    invoice.gross = invoice.net + invoice.tax
  end,
  note = function(invoice, wrong)
    local group = invoice.taxes[1]
    return ("%s tax at %d %%, %s is right%s"):format(money.readable(group.tax), group.rate,
      money.readable(invoice.right_tax), wrong.tax == "mistyped" and " for this base (BR-CO-17)"
      or ": the base " .. money.readable(group.base) .. " forgets the allowance (BR-S-08)")
  end,
}

trouble.F12 = {
  before = function(invoice, wrong, books)
    invoice.iban, invoice.bic = ident.iban(books.random, wrong.country or invoice.supplier.country)
    invoice.note = wrong.note or invoice.note
  end,
  note = function(invoice, wrong)
    return ("asks for %s to %s, master data say %s%s"):format(money.readable(invoice.gross),
      invoice.iban, invoice.supplier.iban,
      wrong.note and "; the note presses for haste and forbids to call back" or "")
  end,
}

trouble.F19 = {
  note = function(credit)
    return ("%s credited on %s, but invoice %s is paid and nothing else is open: they owe us"):format(
      money.readable(credit.gross), credit.issued_text, credit.invoice.number)
  end,
}

return trouble
