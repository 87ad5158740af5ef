-- ubl.lua -- our documents as UBL 2.1: order, despatch advice, receipt advice, invoice, credit note.
--
-- Invoices and credit notes follow EN 16931 in the shape of Peppol BIS Billing 3.  Elements stand in
-- the order of the UBL schemas, which is part of being valid.

local company = require("company")
local date = require("date")
local money = require("money")

local ubl = {}

local NAMESPACE = "urn:oasis:names:specification:ubl:schema:xsd:"

-- The scheme of an electronic address that is a VAT number.
local vat_schemes = { AT = "9914", CZ = "9929", DE = "9930", NL = "9944" }

-- Why there is no tax.
local exemptions = {
  K = { "VATEX-EU-IC", "Intra-Community supply, exempt under Article 138 of Directive 2006/112/EC" },
  AE = { "VATEX-EU-AE", "Reverse charge: the recipient owes the tax" },
}

local function amount(tag, cents)
  return { tag, money.cents(cents), currencyID = "EUR" }
end

local function root(name, ...)
  return { name, xmlns = NAMESPACE .. name .. "-2",
           ["xmlns:cac"] = NAMESPACE .. "CommonAggregateComponents-2",
           ["xmlns:cbc"] = NAMESPACE .. "CommonBasicComponents-2", ... }
end

local function with(node, children)
  for _, child in ipairs(children) do node[#node + 1] = child end
  return node
end

local function each(list, make)
  local out = {}
  for i, item in ipairs(list) do out[i] = make(item) end
  return out
end

-- ---- parties ----

local function party(who, department)
  return { "cac:Party",
    { "cbc:EndpointID", who.vat_id, schemeID = vat_schemes[who.country] },
    { "cac:PartyIdentification", { "cbc:ID", who.id } },
    { "cac:PartyName", { "cbc:Name", who.name } },
    { "cac:PostalAddress",
      { "cbc:StreetName", who.street },
      { "cbc:CityName", who.city },
      { "cbc:PostalZone", who.zone },
      { "cac:Country", { "cbc:IdentificationCode", who.country } } },
    { "cac:PartyTaxScheme",
      { "cbc:CompanyID", who.vat_id },
      { "cac:TaxScheme", { "cbc:ID", "VAT" } } },
    { "cac:PartyLegalEntity", { "cbc:RegistrationName", who.name },
      who.register and { "cbc:CompanyID", who.register } or false },
    { "cac:Contact",
      { "cbc:Name", department },
      { "cbc:ElectronicMail", department:lower():gsub(" ", "-") .. "@" .. who.mail } } }
end

-- ---- pieces of lines ----

local function quantity(tag, line, value, decimals)
  return { tag, money.text(value, money.QUANTITY_DIGITS, decimals and decimals[1] or 0),
           unitCode = line.unit }
end

local function tax_category(tag, category, rate, with_reason)
  local reason = with_reason and exemptions[category]
  return { tag,
    { "cbc:ID", category },
    { "cbc:Percent", tostring(rate) },
    reason and { "cbc:TaxExemptionReasonCode", reason[1] } or false,
    reason and { "cbc:TaxExemptionReason", reason[2] } or false,
    { "cac:TaxScheme", { "cbc:ID", "VAT" } } }
end

local function item(line)
  return { "cac:Item",
    { "cbc:Name", line.name },
    { "cac:SellersItemIdentification", { "cbc:ID", line.item } },
    line.category and tax_category("cac:ClassifiedTaxCategory", line.category, line.rate) or false }
end

local function price(line, decimals)
  return { "cac:Price",
    { "cbc:PriceAmount", money.text(line.price, money.PRICE_DIGITS, decimals and decimals[2] or 2),
      currencyID = "EUR" },
    line.base > 1 and { "cbc:BaseQuantity", tostring(line.base), unitCode = line.unit } or false }
end

local function order_line_reference(line)
  return { "cac:OrderLineReference", { "cbc:LineID", line.no } }
end

-- ---- order ----

function ubl.order(order)
  local sum = 0
  for _, line in ipairs(order.lines) do sum = sum + line.net end
  local allowance = money.percent(sum, 100 * (order.allowance_percent or 0))
  local document = root("Order",
    { "cbc:CustomizationID", "urn:fdc:peppol.eu:poacc:trns:order:3" },
    { "cbc:ProfileID", "urn:fdc:peppol.eu:poacc:bis:ordering:3" },
    { "cbc:ID", order.number },
    { "cbc:IssueDate", date.text(order.issued) },
    { "cbc:OrderTypeCode", "220" },
    { "cbc:DocumentCurrencyCode", "EUR" },
    { "cac:BuyerCustomerParty", party(company.self, "Purchasing") },
    { "cac:SellerSupplierParty", party(order.supplier, "Order Desk") },
    { "cac:PaymentTerms", { "cbc:Note", ("Net %d days"):format(order.supplier.days) } },
    allowance > 0 and { "cac:AllowanceCharge",
      { "cbc:ChargeIndicator", "false" },
      { "cbc:AllowanceChargeReasonCode", "95" },
      { "cbc:AllowanceChargeReason", "Discount" },
      { "cbc:MultiplierFactorNumeric", tostring(order.allowance_percent) },
      amount("cbc:Amount", allowance),
      amount("cbc:BaseAmount", sum) } or false,
    { "cac:AnticipatedMonetaryTotal",
      amount("cbc:LineExtensionAmount", sum),
      amount("cbc:TaxExclusiveAmount", sum - allowance),
      allowance > 0 and amount("cbc:AllowanceTotalAmount", allowance) or false,
      amount("cbc:PayableAmount", sum - allowance) })
  return with(document, each(order.lines, function(line)
    return { "cac:OrderLine", { "cac:LineItem",
      { "cbc:ID", line.no },
      quantity("cbc:Quantity", line, line.quantity, order.decimals),
      amount("cbc:LineExtensionAmount", line.net),
      { "cbc:PartialDeliveryIndicator", "true" },
      price(line, order.decimals),
      item(line) } }
  end))
end

-- ---- what was sent, what came ----

local function delivery(name, document, parties)
  local head = root(name,
    { "cbc:ID", document.number },
    { "cbc:IssueDate", date.text(document.issued) },
    { "cac:OrderReference", { "cbc:ID", document.order.number } })
  with(head, parties)
  head[#head + 1] = { "cac:SellerSupplierParty", party(document.supplier, "Order Desk") }
  return head
end

local function positive(tag, line, value)
  return value > 0 and quantity(tag, line.order_line, value) or false
end

local function short_item(line)
  return item { name = line.name, item = line.item }
end

function ubl.despatch(despatch)
  local document = delivery("DespatchAdvice", despatch, {
    { "cac:DespatchSupplierParty", party(despatch.supplier, "Despatch") },
    { "cac:DeliveryCustomerParty", party(company.self, "Goods Inwards") } })
  for i, line in ipairs(despatch.lines) do
    document[#document + 1] = { "cac:DespatchLine",
      { "cbc:ID", tostring(i) },
      quantity("cbc:DeliveredQuantity", line.order_line, line.quantity),
      positive("cbc:BackorderQuantity", line, line.short),
      order_line_reference(line.order_line),
      short_item(line.order_line) }
  end
  return document
end

function ubl.receipt(receipt)
  local document = delivery("ReceiptAdvice", receipt, {
    { "cac:DeliveryCustomerParty", party(company.self, "Goods Inwards") },
    { "cac:DespatchSupplierParty", party(receipt.supplier, "Despatch") } })
  for i, line in ipairs(receipt.lines) do
    document[#document + 1] = { "cac:ReceiptLine",
      { "cbc:ID", tostring(i) },
      quantity("cbc:ReceivedQuantity", line.order_line, line.quantity),
      positive("cbc:ShortQuantity", line, line.short),
      positive("cbc:RejectedQuantity", line, line.rejected),
      line.rejected > 0 and { "cbc:RejectReason", "Damaged in transit" } or false,
      order_line_reference(line.order_line),
      short_item(line.order_line) }
  end
  return document
end

-- ---- invoice and credit note ----

local function taxes(document)
  local total = { "cac:TaxTotal", amount("cbc:TaxAmount", document.tax) }
  return with(total, each(document.taxes, function(group)
    return { "cac:TaxSubtotal",
      amount("cbc:TaxableAmount", group.base),
      amount("cbc:TaxAmount", group.tax),
      tax_category("cac:TaxCategory", group.category, group.rate, true) }
  end))
end

local function allowance_charge(document)
  if document.allowance == 0 then return false end
  local group = document.taxes[1]
  return { "cac:AllowanceCharge",
    { "cbc:ChargeIndicator", "false" },
    { "cbc:AllowanceChargeReasonCode", "95" },
    { "cbc:AllowanceChargeReason", "Discount" },
    { "cbc:MultiplierFactorNumeric", tostring(document.allowance_percent) },
    amount("cbc:Amount", document.allowance),
    amount("cbc:BaseAmount", document.lines_total),
    tax_category("cac:TaxCategory", group.category, group.rate) }
end

local function totals(document)
  return { "cac:LegalMonetaryTotal",
    amount("cbc:LineExtensionAmount", document.lines_total),
    amount("cbc:TaxExclusiveAmount", document.net),
    amount("cbc:TaxInclusiveAmount", document.gross),
    document.allowance > 0 and amount("cbc:AllowanceTotalAmount", document.allowance) or false,
    amount("cbc:PayableAmount", document.gross) }
end

local function payment_means(document)
  return { "cac:PaymentMeans",
    { "cbc:PaymentMeansCode", "58" },
    { "cbc:PaymentID", document.number },
    { "cac:PayeeFinancialAccount",
      { "cbc:ID", document.iban },
      { "cbc:Name", document.supplier.name },
      { "cac:FinancialInstitutionBranch", { "cbc:ID", document.bic } } } }
end

local function delivered(document)
  return document.delivered and { "cac:Delivery",
    { "cbc:ActualDeliveryDate", date.text(document.delivered) },
    { "cac:DeliveryLocation", { "cac:Address",
      { "cbc:CityName", company.self.city },
      { "cbc:PostalZone", company.self.zone },
      { "cac:Country", { "cbc:IdentificationCode", company.self.country } } } } } or false
end

local function billing_lines(document, tag, quantity_tag)
  return each(document.lines, function(line)
    return { tag,
      { "cbc:ID", line.no },
      quantity(quantity_tag, line, line.quantity, document.decimals),
      amount("cbc:LineExtensionAmount", line.net),
      document.order and line.order_line and order_line_reference(line.order_line) or false,
      item(line),
      price(line, document.decimals) }
  end)
end

local function billing(name, document, type_tag, type_code, line_tag, quantity_tag)
  local invoice = document.invoice -- the one a credit note corrects
  local result = root(name,
    { "cbc:CustomizationID", "urn:cen.eu:en16931:2017" },
    { "cbc:ProfileID", "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0" },
    { "cbc:ID", document.number },
    { "cbc:IssueDate", document.issued_text },
    document.due and { "cbc:DueDate", date.text(document.due) } or false,
    { type_tag, type_code },
    document.note and { "cbc:Note", document.note } or false,
    { "cbc:DocumentCurrencyCode", "EUR" },
    { "cbc:BuyerReference", "Purchasing" },
    document.order and { "cac:OrderReference", { "cbc:ID", document.order.number } } or false,
    invoice and { "cac:BillingReference", { "cac:InvoiceDocumentReference",
      { "cbc:ID", invoice.number }, { "cbc:IssueDate", invoice.issued_text } } } or false,
    { "cac:AccountingSupplierParty", party(document.supplier, "Accounts Receivable") },
    { "cac:AccountingCustomerParty", party(company.self, "Accounts Payable") },
    delivered(document),
    payment_means(document),
    document.due and { "cac:PaymentTerms",
      { "cbc:Note", ("Net %d days"):format(document.supplier.days) } } or false,
    allowance_charge(document),
    taxes(document),
    totals(document))
  return with(result, billing_lines(document, line_tag, quantity_tag))
end

function ubl.invoice(invoice)
  return billing("Invoice", invoice, "cbc:InvoiceTypeCode", "380", "cac:InvoiceLine",
    "cbc:InvoicedQuantity")
end

function ubl.credit_note(credit)
  return billing("CreditNote", credit, "cbc:CreditNoteTypeCode", "381", "cac:CreditNoteLine",
    "cbc:CreditedQuantity")
end

return ubl
