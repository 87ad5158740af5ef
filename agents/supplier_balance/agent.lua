-- supplier_balance: a supplier owes us (F19), or was paid twice (F21).
--
-- Getting money back is a conversation, not a posting: the agent collects the facts for the person who will
-- have it.  Where an invoice was paid twice, a credit note may be the simplest way back, if the model thinks
-- so and a person agrees.

local agent = {
  name = "supplier_balance",
  version = "1.1",
  summary = "Prepares the claim when a supplier was overpaid",
  handles = { "F19", "F21" },
  uses = { "exception.note", "credit_note.request", "invoice.hold" },
  limits = { steps = 20, calls = 5, tokens = 4000 },
}

local UNSURE = 20 -- percent points between the model's first and second choice; 0 is "not measured"

-- A note for the treasurer and its evidence; F21 comes from advices, from payments or from the bank.
local function claim(exception, found)
  local amount = money.format(found.amount)
  local evidence = { exception.summary }
  if exception.code == "F19" then
    for _, note in ipairs(found.credit_notes or {}) do
      evidence[#evidence + 1] = "credit note " .. note.number .. " of " .. note.issued
    end
    for i, paid in ipairs(found.paid_before_due or {}) do
      if i > 10 then break end
      evidence[#evidence + 1] = "invoice " .. paid.number .. " paid " .. paid.paid_on .. ", due " .. paid.due
    end
    return found.name .. " owes " .. amount .. ". Net it with the next payment or ask for a refund.", evidence
  elseif found.bank_line then
    evidence[#evidence + 1] = "bank lines " .. found.other .. " and " .. found.bank_line
    return "Paid twice: " .. amount .. " to " .. (found.counterparty or found.account) .. " on "
      .. found.other_booked .. " and " .. found.booked .. ". Ask for the second payment back.", evidence
  elseif found.payment then
    evidence[#evidence + 1] = "payments " .. found.other .. " and " .. found.payment .. ", to " .. found.account
    if found.state == "proposed" then
      return "Second payment of " .. amount .. " is proposed. Cancel it before it is released.", evidence
    end
    return "Second payment of " .. amount .. " is " .. found.state .. ". Recall it or ask for it back.", evidence
  end
  evidence[#evidence + 1] = "invoice " .. found.number .. ", last paid on " .. found.paid_on
  return "Invoice " .. found.number .. " was paid again: ask for " .. amount .. " back.", evidence
end

local function wants_credit(exception, found)
  local options = {}
  for _, name in ipairs(exception.resolutions) do
    if name == "credit_note.request" or name == "invoice.hold" then options[#options + 1] = name end
  end
  if not found.invoice or #options < 2 then return false end
  local advice = llm.decide {
    question = "An invoice was paid twice. Ask the supplier for a credit note (credit_note.request), or let the "
      .. "treasurer ask for the money (invoice.hold)?",
    options = options,
    facts = { amount = money.format(found.amount), paid_on = found.paid_on },
  }
  if advice and (advice.margin or 0) > 0 and advice.margin < UNSURE then return false end
  return advice ~= nil and advice.choice == "credit_note.request"
end

function agent.plan(ctx, exception)
  local found = exception.evidence
  local text, evidence = claim(exception, found)
  local plan = ctx:plan():add("exception.note", { key = exception.key, text = text },
    { reason = "The treasurer decides how the money comes back.", evidence = evidence })
  if exception.code == "F21" and wants_credit(exception, found) then
    return plan:add("credit_note.request",
      { invoice = found.invoice, amount = found.amount, reason = "invoice " .. found.number .. " was paid twice" },
      { reason = "A credit note can be netted with the next payment.", evidence = evidence })
      :summary("claim " .. money.format(found.amount) .. " by credit note")
  end
  return plan:summary("claim prepared")
end

return agent
