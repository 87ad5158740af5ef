-- missing_order: an invoice names no order, or one that is not the supplier's (F04).
--
-- If exactly one open order of the supplier has the invoice's net amount, it is linked.  Otherwise the
-- invoice waits for a buyer; the model may advise to send it back instead, which a person must agree to.
-- It never chooses the order: a link by likeness would make the three-way match worthless.

local agent = {
  name = "missing_order",
  version = "1.1",
  summary = "Finds the order an invoice belongs to, or holds the invoice",
  handles = { "F04" },
  uses = { "invoice.link_order", "invoice.hold", "invoice.reject", "exception.note" },
  limits = { steps = 30, calls = 10, tokens = 4000 },
}

local UNSURE = 20 -- percent points between the model's first and second choice; 0 is "not measured"

local function only_match(invoice, candidates)
  local match
  for _, candidate in ipairs(candidates) do
    if candidate.net == invoice.net and candidate.currency == invoice.currency then
      if match then return nil end -- two orders fit: a person must choose
      match = candidate
    end
  end
  return match
end

local function advised(exception, found, invoice, candidates)
  local options = {}
  for _, name in ipairs(exception.resolutions) do
    if name == "invoice.hold" or name == "invoice.reject" then options[#options + 1] = name end
  end
  if #options < 2 then return options[1] end
  local lines = {}
  for i = 1, math.min(#invoice.lines, 10) do lines[i] = invoice.lines[i].description or "?" end
  local advice = llm.decide {
    question = "No open order fits this invoice. Keep it and ask a buyer (invoice.hold), or send it back to "
      .. "the supplier (invoice.reject)?",
    options = options,
    facts = { open_orders = #candidates, supplier_status = invoice.supplier.status,
      total = money.format(money.of(invoice.payable, invoice.currency)) },
    untrusted = { order_named = found.order_ref, lines = lines, note = invoice.note },
  }
  if advice and (advice.margin or 0) > 0 and advice.margin < UNSURE then return nil end
  return advice and advice.choice
end

function agent.plan(ctx, exception)
  local found = exception.evidence
  local candidates = found.candidates or {}
  local invoice = assert(erp.get("invoice", found.invoice))
  local evidence = { "invoice " .. invoice.number .. " of " .. invoice.issued .. " over "
    .. money.format(money.of(invoice.payable, invoice.currency)) }
  local match = only_match(invoice, candidates)
  local plan = ctx:plan()
  if match then
    evidence[#evidence + 1] = "order " .. match.number .. " of " .. match.issued .. ", same net amount"
    return plan:add("invoice.link_order", { invoice = found.invoice, order = match.order,
        reason = "the only order of this supplier over the same net amount" },
      { reason = "Supplier and amount fit exactly one open order.", evidence = evidence })
      :summary("link order " .. match.number)
  end
  evidence[#evidence + 1] = #candidates .. " open orders of this supplier looked at, none fits alone"
  if invoice.state == "registered" or invoice.state == "posted" then
    plan:add("invoice.hold", { invoice = found.invoice, code = "no_order", reason = exception.summary },
      { reason = "Without an order nobody can say whether this was wanted.", evidence = evidence })
  end
  if invoice.state == "registered" and advised(exception, found, invoice, candidates) == "invoice.reject" then
    return plan:add("invoice.reject", { invoice = found.invoice, reason = exception.summary },
      { reason = "Nothing we ordered looks like this; the supplier should name the order.", evidence = evidence })
      :summary("hold, propose to send back")
  end
  if invoice.state == "held" then
    plan:add("exception.note", { key = exception.key, text = "Held already; it also has no order." },
      { reason = "Whoever clears the invoice should know.", evidence = evidence })
  end
  return plan:summary("hold: no order")
end

return agent
