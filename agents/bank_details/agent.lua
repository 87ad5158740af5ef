-- bank_details: the account on an invoice is not the one in the master record (F12).
--
-- The oldest fraud there is.  The invoice is held at once and people are told to call back on a number
-- that was known before; bank data is never changed from a document.  The model may find that the letter
-- presses for payment, and then rejecting is proposed as well: it can make things stricter, never looser.

local agent = {
  name = "bank_details",
  version = "1.1",
  summary = "Holds invoices whose bank account is not the supplier's",
  handles = { "F12" },
  uses = { "invoice.hold", "invoice.reject", "exception.note" },
  limits = { steps = 20, calls = 5, tokens = 4000 },
}

local UNSURE = 20 -- percent points between the model's first and second choice; 0 is "not measured"

local function advised(exception, found, invoice, supplier)
  local options = {}
  for _, name in ipairs(exception.resolutions) do
    if name == "invoice.hold" or name == "invoice.reject" then options[#options + 1] = name end
  end
  if #options < 2 then return options[1] end
  local advice = llm.decide {
    question = "The bank account on this invoice is not the supplier's. Hold it until a call-back "
      .. "(invoice.hold), or does it look like fraud and should be refused (invoice.reject)?",
    options = options,
    facts = { account_changed_on = found.master_changed_on, invoices_so_far = supplier.invoices,
      is_account_before_last_change = found.master_before ~= nil and found.master_before == found.on_invoice },
    untrusted = { note = invoice.note, payment_reference = invoice.pay_reference },
  }
  if advice and (advice.margin or 0) > 0 and advice.margin < UNSURE then return nil end
  return advice and advice.choice
end

function agent.plan(ctx, exception)
  local found = exception.evidence
  local invoice = assert(erp.get("invoice", found.invoice))
  local supplier = assert(erp.get("supplier", found.party))
  local evidence = {
    "invoice " .. invoice.number .. " over " .. money.format(found.amount),
    "account on the invoice " .. found.on_invoice,
    "account in master data " .. (found.master or "none") .. ", " .. supplier.invoices .. " invoices so far",
  }
  if found.master_changed_on then
    evidence[#evidence + 1] = "master data changed on " .. found.master_changed_on
      .. ", before that " .. (found.master_before or "none")
  end
  local plan = ctx:plan()
  if invoice.state == "registered" or invoice.state == "posted" then
    plan:add("invoice.hold", { invoice = found.invoice, code = "bank_details", reason = exception.summary },
      { reason = "Money must not follow an account that only a document names.", evidence = evidence })
  end
  plan:add("exception.note",
    { key = exception.key, text = "Call the supplier back on the number on file before anything is changed." },
    { reason = "Two people and a call-back are needed to change bank data.", evidence = evidence })
  local rejectable = invoice.state ~= "posted" and invoice.state_before ~= "posted"
  if rejectable and advised(exception, found, invoice, supplier) == "invoice.reject" then
    return plan:add("invoice.reject", { invoice = found.invoice, reason = exception.summary },
      { reason = "The document looks like an attempt to redirect a payment.", evidence = evidence })
      :summary("hold, call back, propose to reject")
  end
  return plan:summary("hold, call back")
end

return agent
