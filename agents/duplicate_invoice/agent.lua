-- duplicate_invoice: an invoice that is here already, or looks like one.
--
-- Rejecting is proposed to a person with both documents side by side; until they answer it cannot be paid.

local agent = {
  name = "duplicate_invoice",
  version = "1.0",
  summary = "Holds duplicate invoices and proposes to reject the later one",
  handles = { "F07", "F08" },
  uses = { "invoice.hold", "invoice.reject" },
  limits = { steps = 30, calls = 10 },
}

function agent.plan(ctx, exception)
  local found = exception.evidence
  local invoice = erp.get("invoice", found.invoice)
  local other = erp.get("invoice", found.other)
  local evidence = {
    "invoice " .. invoice.number .. " of " .. invoice.issued .. " over " .. money.format(found.amount),
    "invoice " .. other.number .. " of " .. other.issued .. " is " .. other.state,
  }
  for _, reason in ipairs(found.reasons or {}) do evidence[#evidence + 1] = "same " .. reason end
  local sure = exception.code == "F07"
  return ctx:plan():add("invoice.reject",
    { invoice = found.invoice, duplicate_of = found.other, reason = exception.summary },
    { reason = sure and "Same supplier, number and amount: it would be paid twice."
        or "Same supplier and amount within days: please compare both documents.",
      evidence = evidence })
    :summary((sure and "reject duplicate of " or "probable duplicate of ") .. other.number)
end

return agent
