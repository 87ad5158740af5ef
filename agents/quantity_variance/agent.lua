-- quantity_variance: more was invoiced than received.
--
-- The invoice is held at once; the value of what is missing is claimed back, which a person must agree to.

local agent = {
  name = "quantity_variance",
  version = "1.0",
  summary = "Holds invoices over more than was received and claims the missing part",
  handles = { "F02" },
  uses = { "invoice.hold", "credit_note.request" },
  limits = { steps = 40, calls = 10, tokens = 4000 },
}

function agent.plan(ctx, exception)
  local found = exception.evidence
  local invoice = erp.get("invoice", found.invoice)
  local history = erp.history("invoice", found.invoice)
  local evidence = {
    "invoice " .. invoice.number .. " line " .. found.line .. ": " .. found.qty_invoiced .. " invoiced",
    "receipts: " .. found.qty_received .. " received, " .. found.qty_excess .. " too much",
    "value " .. money.format(found.amount) .. ", " .. #history .. " events so far",
  }
  local plan = ctx:plan()
  if invoice.state == "registered" or invoice.state == "posted" then
    plan:add("invoice.hold", { invoice = found.invoice, code = "quantity", reason = exception.summary },
      { reason = "Goods that did not arrive are not paid.", evidence = evidence })
  end
  local advice = llm.decide {
    question = "Is it better to wait for the rest of the delivery or to claim a credit note now?",
    options = { "wait", "request_credit_note" },
    facts = { missing = found.qty_excess, value = money.format(found.amount) },
  }
  if advice == nil or advice.choice == "request_credit_note" then
    plan:add("credit_note.request",
      { invoice = found.invoice, amount = found.amount, lines = json.array { found.line },
        reason = found.qty_excess .. " units invoiced but not received" },
      { reason = "The receipts prove the short delivery.", evidence = evidence })
  end
  return plan:summary("hold, claim " .. money.format(found.amount))
end

return agent
