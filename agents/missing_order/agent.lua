-- missing_order: an invoice names no order, or one that is not the supplier's.
--
-- If exactly one open order of the supplier has the invoice's net amount, it is linked; otherwise the
-- invoice waits for a buyer.

local agent = {
  name = "missing_order",
  version = "1.0",
  summary = "Finds the order an invoice belongs to, or holds the invoice",
  handles = { "F04" },
  uses = { "invoice.link_order", "invoice.hold" },
  limits = { steps = 30, calls = 10 },
}

local function only_match(invoice, candidates)
  local match
  for _, candidate in ipairs(candidates or {}) do
    if candidate.net == invoice.net and candidate.currency == invoice.currency then
      if match then return nil end -- two orders fit: a person must choose
      match = candidate
    end
  end
  return match
end

function agent.plan(ctx, exception)
  local found = exception.evidence
  local invoice = erp.get("invoice", found.invoice)
  local match = only_match(invoice, found.candidates)
  local plan = ctx:plan()
  if match then
    return plan:add("invoice.link_order",
      { invoice = found.invoice, order = match.order, reason = "the only order of this supplier over the same net amount" },
      { reason = "Supplier and amount fit exactly one open order.",
        evidence = { "invoice " .. invoice.number, "order " .. match.number .. " of " .. match.issued } })
      :summary("link order " .. match.number)
  end
  return plan:add("invoice.hold",
    { invoice = found.invoice, code = "no_order", reason = exception.summary },
    { reason = "Without an order nobody can say whether this was wanted.",
      evidence = { "invoice " .. invoice.number, #(found.candidates or {}) .. " orders of this supplier looked at" } })
    :summary("hold: no order")
end

return agent
