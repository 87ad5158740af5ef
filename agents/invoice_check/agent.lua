-- invoice_check: a document that contradicts itself, or whose tax is wrong.
--
-- Such an invoice may not be booked as it is.  It goes back to the supplier with the broken rules named;
-- a person agrees to that.  An order that contradicts itself is only noted: the buyer must mend it.

local agent = {
  name = "invoice_check",
  version = "1.0",
  summary = "Sends back invoices whose sums or tax are wrong, notes orders that contradict themselves",
  handles = { "F09", "F10" },
  uses = { "invoice.hold", "invoice.reject", "exception.note" },
  limits = { steps = 30, calls = 10 },
}

function agent.plan(ctx, exception)
  local found = exception.evidence
  local plan = ctx:plan()
  if not found.invoice then
    return plan:add("exception.note",
      { key = exception.key, text = exception.summary .. ". Please correct the order with its buyer." },
      { reason = "Only the buyer knows which of the two numbers was meant.", evidence = { "order " .. found.number } })
      :summary("note for the buyer")
  end
  local invoice = erp.get("invoice", found.invoice)
  local rules, evidence = json.array {}, { "invoice " .. invoice.number .. " over " .. money.format(found.amount) }
  for _, finding in ipairs(found.findings or {}) do
    rules[#rules + 1] = finding.rule
    evidence[#evidence + 1] = finding.rule .. ": expected " .. (finding.expected or "?") .. ", found " .. (finding.found or "?")
  end
  if exception.code == "F10" then evidence[#evidence + 1] = exception.summary end
  if invoice.state == "registered" then
    plan:add("invoice.reject",
      { invoice = found.invoice, rules = rules, reason = exception.summary },
      { reason = "A document that contradicts itself proves nothing; the supplier must send a correct one.",
        evidence = evidence })
  elseif invoice.state == "posted" then
    plan:add("invoice.hold", { invoice = found.invoice, code = "tax", reason = exception.summary },
      { reason = "It is booked already: stop the payment, then correct it.", evidence = evidence })
  end
  return plan:summary("send back")
end

return agent
