-- duplicate_invoice: an invoice that is here already (F07), or looks like one (F08).
--
-- An exact duplicate is proposed for rejection.  For a probable one the model compares the two documents;
-- if it finds them distinct, or cannot say, the invoice waits for a person who sees both side by side.
-- One that is posted already cannot be rejected: its payment is stopped.

local agent = {
  name = "duplicate_invoice",
  version = "1.1",
  summary = "Proposes to reject duplicate invoices, holds those that only look like one",
  handles = { "F07", "F08" },
  uses = { "invoice.hold", "invoice.reject", "exception.note" },
  limits = { steps = 30, calls = 10, tokens = 4000 },
}

local UNSURE = 20 -- percent points between the model's first and second choice; 0 is "not measured"

local function describe(invoice)
  local lines = {}
  for i = 1, math.min(#(invoice.lines or {}), 10) do
    local line = invoice.lines[i]
    lines[i] = (line.qty or "?") .. " x " .. (line.description or line.item or "?")
  end
  return lines
end

local function advised(exception, invoice, other, reasons)
  local options = {}
  for _, name in ipairs(exception.resolutions) do
    if name == "invoice.reject" or name == "invoice.confirm_distinct" then options[#options + 1] = name end
  end
  if #options < 2 then return nil end
  local advice = llm.decide {
    question = "Are these two invoices one and the same delivery (invoice.reject) or two (invoice.confirm_distinct)?",
    options = options,
    facts = { same = reasons, first_date = other.issued, second_date = invoice.issued,
      same_order = invoice.order_id ~= nil and invoice.order_id == other.order_id },
    untrusted = { first = describe(other), second = describe(invoice) }, -- what the supplier wrote
  }
  if advice and (advice.margin or 0) > 0 and advice.margin < UNSURE then return nil end
  return advice and advice.choice
end

function agent.plan(ctx, exception)
  local found = exception.evidence
  local invoice = assert(erp.get("invoice", found.invoice))
  local other = assert(erp.get("invoice", found.other))
  local evidence = {
    "invoice " .. invoice.number .. " of " .. invoice.issued .. " over " .. money.format(found.amount),
    "invoice " .. other.number .. " of " .. other.issued .. " is " .. other.state,
  }
  for _, reason in ipairs(found.reasons or {}) do evidence[#evidence + 1] = "same " .. reason end
  local plan = ctx:plan()
  local stopped = invoice.state == "posted" or invoice.state_before == "posted"
  local exact = exception.code == "F07"
  local choice = exact and "invoice.reject" or advised(exception, invoice, other, found.reasons or {})

  if invoice.state == "posted" or (invoice.state == "registered" and choice ~= "invoice.reject") then
    plan:add("invoice.hold", { invoice = found.invoice, code = "duplicate", reason = exception.summary },
      { reason = "It must not be paid before somebody has compared the two.", evidence = evidence })
  end
  if stopped or choice == "invoice.confirm_distinct" then
    local text = stopped and "Posted already: reverse its entry if it is a duplicate of " .. other.number .. "."
      or "The two may be distinct; compare with " .. other.number .. " and confirm."
    return plan:add("exception.note", { key = exception.key, text = text },
      { reason = "Only a person who sees both documents can decide.", evidence = evidence })
      :summary("hold, compare with " .. other.number)
  end
  return plan:add("invoice.reject",
    { invoice = found.invoice, duplicate_of = found.other, reason = exception.summary },
    { reason = exact and "Same supplier, number and amount: it would be paid twice."
        or "Same supplier and amount within days: please compare both documents.",
      evidence = evidence })
    :summary((exact and "reject duplicate of " or "probable duplicate of ") .. other.number)
end

return agent
