-- supplier_balance: a supplier owes us, or was paid twice.
--
-- Getting money back is a conversation, not a posting: the agent collects the facts for the person who
-- will have it.

local agent = {
  name = "supplier_balance",
  version = "1.0",
  summary = "Prepares the claim when a supplier was overpaid",
  handles = { "F19", "F21" },
  uses = { "exception.note" },
  limits = { steps = 20, calls = 5 },
}

function agent.plan(ctx, exception)
  local found = exception.evidence
  local evidence = { exception.summary }
  local text
  if exception.code == "F21" then
    text = "Paid twice: " .. money.format(found.amount) .. " to " .. found.counterparty .. " on " ..
      found.other_booked .. " and " .. found.booked .. ". Ask for the second payment back."
    evidence[#evidence + 1] = "bank lines " .. found.other .. " and " .. found.bank_line
  else
    text = found.name .. " owes " .. money.format(found.amount) .. ". Net it with the next payment or ask for a refund."
    for _, note in ipairs(found.credit_notes or {}) do
      evidence[#evidence + 1] = "credit note " .. note.number .. " of " .. note.issued
    end
    for _, paid in ipairs(found.paid_before_due or {}) do
      evidence[#evidence + 1] = "invoice " .. paid.number .. " paid " .. paid.paid_on .. ", due " .. paid.due
    end
  end
  return ctx:plan():add("exception.note", { key = exception.key, text = text },
    { reason = "The treasurer decides how the money comes back.", evidence = evidence }):summary("claim prepared")
end

return agent
