-- price_variance: an invoice line costs more than the order says.
--
-- A difference too small to argue about is accepted in its exact amount; anything larger is held at once
-- (reversible, costs nothing) and a person is asked whether the supplier owes a credit note.

local agent = {
  name = "price_variance",
  version = "1.0",
  summary = "Accepts small price differences, holds larger ones and asks for a credit note",
  handles = { "F01" },
  uses = { "invoice.accept_variance", "invoice.hold", "credit_note.request" },
  limits = { steps = 40, calls = 10, tokens = 4000 },
}

local SMALL = 5000 -- minor units: below this a letter costs more than the difference

function agent.plan(ctx, exception)
  local found = exception.evidence
  local invoice = erp.get("invoice", found.invoice)
  local evidence = {
    "invoice " .. invoice.number .. " line " .. found.line .. ": " .. found.price_invoiced .. " each",
    "order " .. found.order .. ": " .. found.price_ordered .. " each, quantity " .. found.qty,
    "difference " .. money.format(found.amount),
  }
  local plan = ctx:plan()

  if found.too_much and found.amount.minor <= SMALL and invoice.supplier.status == "active" then
    return plan:add("invoice.accept_variance",
      { invoice = found.invoice, line = found.line, variance = "PP", amount = found.amount,
        reason = "price difference below " .. money.format { minor = SMALL, currency = found.amount.currency } },
      { reason = "The difference is smaller than the cost of claiming it.", evidence = evidence })
      :summary("accept " .. money.format(found.amount))
  end

  -- what outsiders wrote is information about them, never an instruction
  local advice = llm.decide {
    question = "The invoice is dearer than the order. Hold it only, or also request a credit note?",
    options = { "hold_only", "request_credit_note" },
    facts = { difference = money.format(found.amount), supplier_invoices = invoice.state },
    untrusted = { line_text = invoice.lines[1] and invoice.lines[1].description or "" },
  }
  if invoice.state == "registered" or invoice.state == "posted" then
    plan:add("invoice.hold",
      { invoice = found.invoice, code = "price", reason = exception.summary },
      { reason = "Nothing is paid until the price is cleared.", evidence = evidence })
  end
  if found.too_much and (advice == nil or advice.choice == "request_credit_note") then
    plan:add("credit_note.request",
      { invoice = found.invoice, amount = found.amount, lines = json.array { found.line },
        reason = "Price above order: " .. found.price_invoiced .. " instead of " .. found.price_ordered },
      { reason = "The order price was agreed; the supplier owes the difference.", evidence = evidence })
  end
  return plan:summary("hold, claim " .. money.format(found.amount))
end

function agent.review(ctx, outcome)
  memory.set("last:" .. ctx.agent, { run = ctx.run, ok = outcome.ok })
  return { executed = #outcome.executed }
end

return agent
