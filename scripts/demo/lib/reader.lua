-- reader.lua -- reads the generated files back, with patterns, into plain tables.
--
-- Only for the self-check: it knows how generate.lua lays out its files (one element per line, no
-- comments) and is no XML parser.  It shares no code with what wrote them, except calendar and money.

local date = require("date")
local money = require("money")

local reader = {}

local unescapes = { ["&amp;"] = "&", ["&lt;"] = "<", ["&gt;"] = ">", ["&quot;"] = '"' }

local function content(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("a")
  file:close()
  return bytes
end

-- The text of the first element of that name; a path a/b/c goes down.
local function text(xml, path)
  for name in path:gmatch("[^/]+") do
    local escaped = name:gsub("%p", "%%%0")
    xml = xml and (xml:match("<" .. escaped .. ">(.-)</" .. escaped .. ">")
      or xml:match("<" .. escaped .. " [^>]*>(.-)</" .. escaped .. ">"))
  end
  return xml and xml:gsub("&%a+;", unescapes)
end

local function blocks(xml, name)
  local escaped = name:gsub("%p", "%%%0")
  return xml:gmatch("<" .. escaped .. ">(.-)</" .. escaped .. ">")
end

local function cents(xml, path)
  local value = text(xml, path)
  return value and money.scaled(value, 2)
end

local function listing(folder)
  local pipe = assert(io.popen("ls '" .. folder:gsub("'", "'\\''") .. "' 2>/dev/null"))
  local names = {}
  for name in pipe:lines() do names[#names + 1] = name end
  pipe:close()
  table.sort(names)
  return names
end

-- Every file of a folder: {name, xml}.
local function files(folder)
  local out = {}
  for _, name in ipairs(listing(folder)) do
    out[#out + 1] = { name = name, xml = content(folder .. "/" .. name) }
  end
  return out
end

local function line_common(xml)
  return {
    no = text(xml, "cbc:ID"), order_line = text(xml, "cac:OrderLineReference/cbc:LineID"),
    net = cents(xml, "cbc:LineExtensionAmount"), name = text(xml, "cac:Item/cbc:Name"),
    price = money.scaled(text(xml, "cac:Price/cbc:PriceAmount") or "0", 4),
    base = tonumber(text(xml, "cac:Price/cbc:BaseQuantity") or "1"),
    category = text(xml, "cac:ClassifiedTaxCategory/cbc:ID"),
    rate = tonumber(text(xml, "cac:ClassifiedTaxCategory/cbc:Percent") or "0"),
  }
end

local function quantity(xml, name)
  return money.scaled(text(xml, name) or "0", 3)
end

local function supplier_vat(xml, tag)
  return text(xml, tag .. "/cac:PartyTaxScheme/cbc:CompanyID")
end

function reader.orders(folder)
  local out = {}
  for _, file in ipairs(files(folder .. "/orders")) do
    local order = { number = text(file.xml, "cbc:ID"), issued = date.day(text(file.xml, "cbc:IssueDate")),
                    vat_id = supplier_vat(file.xml, "cac:SellerSupplierParty"), lines = {},
                    lines_total = cents(file.xml, "cac:AnticipatedMonetaryTotal/cbc:LineExtensionAmount") }
    for xml in blocks(file.xml, "cac:LineItem") do
      local line = line_common(xml)
      line.quantity = quantity(xml, "cbc:Quantity")
      order.lines[line.no] = line
      order.lines[#order.lines + 1] = line
    end
    out[#out + 1] = order
    out[order.number] = order
  end
  return out
end

function reader.receipts(folder)
  local out = {}
  for _, file in ipairs(files(folder .. "/receipts")) do
    local xml = file.xml
    local receipt = { kind = xml:match("<(%a+) xmlns"), number = text(xml, "cbc:ID"), lines = {},
                      issued = date.day(text(xml, "cbc:IssueDate")),
                      order = text(xml, "cac:OrderReference/cbc:ID"),
                      vat_id = supplier_vat(xml, "cac:SellerSupplierParty") }
    for line in blocks(xml, "cac:ReceiptLine") do
      receipt.lines[#receipt.lines + 1] = {
        order_line = text(line, "cac:OrderLineReference/cbc:LineID"),
        quantity = quantity(line, "cbc:ReceivedQuantity"),
        rejected = quantity(line, "cbc:RejectedQuantity") }
    end
    out[#out + 1] = receipt
  end
  return out
end

local function billing(file, line_tag, quantity_tag)
  local xml = file.xml
  local head = xml:gsub("<cac:%a+Line>.*", "") -- lines repeat many names
  local due = text(head, "cbc:DueDate")
  local document = {
    file = file.name, number = text(head, "cbc:ID"), issued = date.day(text(head, "cbc:IssueDate")),
    due = due and date.day(due), note = text(head, "cbc:Note"), xml = xml,
    order = text(head, "cac:OrderReference/cbc:ID"),
    preceding = text(head, "cac:InvoiceDocumentReference/cbc:ID"),
    vat_id = supplier_vat(head, "cac:AccountingSupplierParty"),
    iban = text(head, "cac:PayeeFinancialAccount/cbc:ID"),
    allowance = cents(head, "cac:AllowanceCharge/cbc:Amount") or 0,
    tax = cents(head, "cac:TaxTotal/cbc:TaxAmount"),
    lines_total = cents(head, "cac:LegalMonetaryTotal/cbc:LineExtensionAmount"),
    net = cents(head, "cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount"),
    gross = cents(head, "cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount"),
    payable = cents(head, "cac:LegalMonetaryTotal/cbc:PayableAmount"),
    lines = {}, taxes = {},
  }
  for group in blocks(head, "cac:TaxSubtotal") do
    document.taxes[#document.taxes + 1] = {
      base = cents(group, "cbc:TaxableAmount"), tax = cents(group, "cbc:TaxAmount"),
      category = text(group, "cac:TaxCategory/cbc:ID"),
      rate = tonumber(text(group, "cac:TaxCategory/cbc:Percent")) }
  end
  for part in blocks(xml, line_tag) do
    local line = line_common(part)
    line.quantity = quantity(part, quantity_tag)
    document.lines[#document.lines + 1] = line
  end
  return document
end

function reader.invoices(folder)
  local out = {}
  for i, file in ipairs(files(folder .. "/invoices")) do
    out[i] = billing(file, "cac:InvoiceLine", "cbc:InvoicedQuantity")
  end
  return out
end

function reader.credits(folder)
  local out = {}
  for i, file in ipairs(files(folder .. "/creditnotes")) do
    out[i] = billing(file, "cac:CreditNoteLine", "cbc:CreditedQuantity")
  end
  return out
end

local function signed(xml)
  return cents(xml, "Amt") * (text(xml, "CdtDbtInd") == "DBIT" and -1 or 1)
end

function reader.statements(folder)
  local out = {}
  for i, file in ipairs(files(folder .. "/statements")) do
    local statement = { number = tonumber(text(file.xml, "ElctrncSeqNb")), id = text(file.xml, "Stmt/Id"),
                        iban = text(file.xml, "Acct/Id/IBAN"), entries = {} }
    for balance in blocks(file.xml, "Bal") do
      statement[text(balance, "Tp/CdOrPrtry/Cd")] = signed(balance)
    end
    for entry in blocks(file.xml, "Ntry") do
      statement.entries[#statement.entries + 1] = {
        amount = signed(entry), day = date.day(text(entry, "BookgDt/Dt")),
        reference = text(entry, "AcctSvcrRef"), words = text(entry, "RmtInf/Ustrd"),
        iban = text(entry, "CdtrAcct/Id/IBAN"), code = text(entry, "SubFmlyCd") }
    end
    out[i] = statement
  end
  return out
end

-- ---- JSON, as far as needed: flat objects, one after the other ----

local function fields(object)
  local out = {}
  for key, value in object:gmatch('"([%w_]+)": "(.-)"[,}\n]') do out[key] = value end
  for key, value in object:gmatch('"([%w_]+)": (%-?%d+)') do out[key] = tonumber(value) end
  return out
end

function reader.master(folder)
  local json = content(folder .. "/master.json")
  local master = { suppliers = {}, company = fields(json:match('"company": (%b{})')) }
  for object in json:match('"suppliers": (%b[])'):gmatch("%b{}") do
    local supplier = fields(object)
    master.suppliers[supplier.vat_id] = supplier
    master.suppliers[#master.suppliers + 1] = supplier
  end
  return master
end

function reader.expected(folder)
  local out = {}
  for object in content(folder .. "/expected.json"):gmatch("\n  (%b{})") do
    out[#out + 1] = fields(object)
  end
  return out
end

function reader.readme(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local bytes = file:read("a")
  file:close()
  return bytes
end

return reader
