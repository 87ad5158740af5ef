-- quantity_variance: more was invoiced than received (F02).
--
-- The invoice is held at once.  Then one of two things is true: the rest is still on its way, or it was
-- never sent and its value is claimed back, which a person must agree to.  A despatch advice that announces
-- more than was received speaks for waiting; without the model only the receipts speak.

local agent = {
  name = "quantity_variance",
  version = "1.1",
  summary = "Holds invoices over more than was received, waits or claims the missing part",
  handles = { "F02" },
  uses = { "invoice.hold", "credit_note.request", "exception.note" },
  limits = { steps = 40, calls = 10, tokens = 4000 },
}

local UNSURE = 20 -- percent points between the model's first and second choice; 0 is "not measured"

-- What arrived and what was only announced, as lines of evidence.
local function deliveries(found)
  local announced, lines = 0, {}
  for _, receipt in ipairs(erp.find("receipt", { order_id = found.order }, { limit = 20 }) or {}) do
    lines[#lines + 1] = receipt.kind .. " " .. receipt.number .. " of " .. receipt.issued
    if receipt.kind == "despatch" then announced = announced + 1 end
  end
  return lines, announced
end

local function advised(exception, found, invoice, announced)
  local options = {}
  for _, name in ipairs(exception.resolutions) do
    if name == "invoice.hold" or name == "credit_note.request" then options[#options + 1] = name end
  end
  if #options < 2 then return options[1] end
  local advice = llm.decide {
    question = "More was invoiced than received. Wait for the rest of the delivery (invoice.hold), or claim "
      .. "its value now (credit_note.request)?",
    options = options,
    facts = { invoiced = found.qty_invoiced, received = found.qty_received, missing = found.qty_excess,
      value = money.format(found.amount), announced_deliveries = announced, invoice_date = invoice.issued },
    untrusted = { note = invoice.note }, -- what the supplier wrote
  }
  if advice and (advice.margin or 0) > 0 and advice.margin < UNSURE then return nil end
  return advice and advice.choice
end

function agent.plan(ctx, exception)
  local found = exception.evidence
  local invoice = assert(erp.get("invoice", found.invoice))
  local arrived, announced = deliveries(found)
  local evidence = {
    "invoice " .. invoice.number .. " line " .. found.line .. ": " .. found.qty_invoiced .. " invoiced",
    "receipts: " .. found.qty_received .. " received, " .. found.qty_excess .. " too much",
    "value " .. money.format(found.amount),
  }
  for i = 1, math.min(#arrived, 10) do evidence[#evidence + 1] = arrived[i] end
  local plan = ctx:plan()
  if invoice.state == "registered" or invoice.state == "posted" then
    plan:add("invoice.hold", { invoice = found.invoice, code = "quantity", reason = exception.summary },
      { reason = "Goods that did not arrive are not paid.", evidence = evidence })
  end
  if advised(exception, found, invoice, announced) == "invoice.hold" then
    return plan:add("exception.note",
      { key = exception.key, text = "Waiting for " .. found.qty_excess .. " more; claim it if nothing comes." },
      { reason = "The rest seems to be on its way.", evidence = evidence }):summary("hold, wait for the rest")
  end
  return plan:add("credit_note.request", { invoice = found.invoice, amount = found.amount, lines = { found.line },
      reason = found.qty_excess .. " units invoiced but not received" },
    { reason = "The receipts prove the short delivery.", evidence = evidence })
    :summary("hold, claim " .. money.format(found.amount))
end

return agent
