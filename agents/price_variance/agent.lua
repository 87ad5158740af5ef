-- price_variance: an invoice line has another price than its order line (F01).
--
-- A difference too small to argue about is accepted in its exact amount.  Anything larger is held at once,
-- which is reversible and costs nothing, and a person is asked: does the supplier owe the difference, or
-- was the order wrong?  The model may say which of the two is likelier; without it the claim is proposed.

local agent = {
  name = "price_variance",
  version = "1.1",
  summary = "Accepts small price differences, holds larger ones and asks who is right",
  handles = { "F01" },
  uses = { "invoice.accept_variance", "invoice.hold", "credit_note.request", "order.change", "exception.note" },
  limits = { steps = 40, calls = 10, tokens = 4000 },
}

local SMALL = 5000 -- minor units: below this a letter costs more than the difference
local UNSURE = 20  -- percent points between the model's first and second choice; 0 is "not measured"

local function line_by_no(document, no)
  for _, line in ipairs(document and document.lines or {}) do
    if line.no == no then return line end
  end
  return {}
end

-- The resolution that the model prefers among the legal ones; nil when there is no model or it wavers.
local function advised(exception, found, invoice, offered)
  local options = {}
  for _, name in ipairs(exception.resolutions) do
    if offered[name] then options[#options + 1] = name end
  end
  if #options < 2 then return nil end
  local line = line_by_no(invoice, found.line)
  local advice = llm.decide {
    question = "The price invoiced differs from the price ordered. Which resolution fits the facts?",
    options = options,
    facts = { difference = money.format(found.amount), invoiced = found.price_invoiced,
      ordered = found.price_ordered, quantity = found.qty, dearer = found.too_much },
    untrusted = { line = line.description, note = invoice.note }, -- what the supplier wrote
  }
  if advice and (advice.margin or 0) > 0 and advice.margin < UNSURE then return nil end
  return advice and advice.choice
end

function agent.plan(ctx, exception)
  local found = exception.evidence
  local invoice = assert(erp.get("invoice", found.invoice))
  local order = erp.get("order", found.order)
  local difference = money.format(found.amount)
  local evidence = {
    "invoice " .. invoice.number .. " line " .. found.line .. ": " .. found.price_invoiced .. " each",
    "order " .. (order and order.number or found.order) .. ": " .. found.price_ordered .. " each, quantity "
      .. found.qty,
    "difference " .. difference,
  }
  local plan = ctx:plan()

  if found.too_much and found.amount.minor <= SMALL and invoice.supplier.status == "active" then
    return plan:add("invoice.accept_variance",
      { invoice = found.invoice, line = found.line, variance = "PP", amount = found.amount,
        reason = "price difference up to " .. money.format(money.of(SMALL, found.amount.currency)) },
      { reason = "The difference is smaller than the cost of claiming it.", evidence = evidence })
      :summary("accept " .. difference)
  end

  if invoice.state == "registered" or invoice.state == "posted" then
    plan:add("invoice.hold", { invoice = found.invoice, code = "price", reason = exception.summary },
      { reason = "Nothing is paid until the price is cleared.", evidence = evidence })
  end
  -- an order line priced per hundred or per thousand is the buyer's to change, not ours
  local plain = tonumber(line_by_no(order, found.order_line).base_qty or "0") == 1
  local choice = advised(exception, found, invoice, { ["invoice.hold"] = true,
    ["credit_note.request"] = found.too_much, ["order.change"] = plain })
  if choice == "order.change" then
    plan:add("order.change", { order = found.order, base_version = order.version, reason = exception.summary,
        lines = { { no = found.order_line, price = found.price_invoiced } } },
      { reason = "The order seems to hold an outdated price; please confirm.", evidence = evidence })
  elseif found.too_much and choice ~= "invoice.hold" then
    choice = "credit_note.request"
    plan:add("credit_note.request", { invoice = found.invoice, amount = found.amount, lines = { found.line },
        reason = "Price above order: " .. found.price_invoiced .. " instead of " .. found.price_ordered },
      { reason = "The order price was agreed; the supplier owes the difference.", evidence = evidence })
  else
    plan:add("exception.note", { key = exception.key, text = "Please check the price with the buyer." },
      { reason = "Nobody is owed anything before the price is known.", evidence = evidence })
  end
  return plan:summary("hold over " .. difference .. ", " .. (choice or "ask the buyer"))
end

function agent.review(ctx, outcome)
  memory.set("last", { run = ctx.run, ok = outcome.ok })
  return { executed = #(outcome.executed or {}) }
end

return agent
