-- invoice_check: a document that contradicts itself (F09), or whose tax is wrong (F10).
--
-- Such an invoice may not be booked as it is.  It goes back to the supplier with the broken rules named,
-- and a person agrees to that.  Wrong tax may also be our own reading of the law: there the model may
-- advise to keep the invoice and ask the controller.  An order that contradicts itself is only noted.

local agent = {
  name = "invoice_check",
  version = "1.1",
  summary = "Sends back invoices whose sums or tax are wrong, notes orders that contradict themselves",
  handles = { "F09", "F10" },
  uses = { "invoice.hold", "invoice.reject", "exception.note" },
  limits = { steps = 30, calls = 10, tokens = 4000 },
}

local UNSURE = 20 -- percent points between the model's first and second choice; 0 is "not measured"

local function broken_rules(found, evidence)
  local rules, seen = json.array {}, {}
  for i, finding in ipairs(found.findings or {}) do
    if not seen[finding.rule] then
      seen[finding.rule] = true
      rules[#rules + 1] = finding.rule
    end
    if i <= 10 then
      evidence[#evidence + 1] = finding.rule .. ": expected " .. (finding.expected or "?")
        .. ", found " .. (finding.found or "?")
    end
  end
  return rules
end

local function advised(exception, found, invoice)
  local options = {}
  for _, name in ipairs(exception.resolutions) do
    if name == "invoice.reject" or name == "invoice.hold" then options[#options + 1] = name end
  end
  if #options < 2 then return options[1] end
  local advice = llm.decide {
    question = "The tax of this invoice is not what we expect. Send it back (invoice.reject), or keep it and "
      .. "ask the controller whether our expectation is wrong (invoice.hold)?",
    options = options,
    facts = { tax = found.tax, expected = found.tax_expected, rate = found.rate, net = found.net,
      country = (erp.get("supplier", invoice.party) or {}).country, difference = money.format(found.amount) },
    untrusted = { note = invoice.note },
  }
  if advice and (advice.margin or 0) > 0 and advice.margin < UNSURE then return nil end
  return advice and advice.choice
end

function agent.plan(ctx, exception)
  local found = exception.evidence
  local plan = ctx:plan()
  if not found.invoice then
    return plan:add("exception.note",
      { key = exception.key, text = exception.summary .. ". Please correct the order with its buyer." },
      { reason = "Only the buyer knows which of the two numbers was meant.",
        evidence = { "order " .. found.number } })
      :summary("note for the buyer")
  end
  local invoice = assert(erp.get("invoice", found.invoice))
  local evidence = { "invoice " .. invoice.number .. ", difference or total " .. money.format(found.amount) }
  local rules = broken_rules(found, evidence)
  if exception.code == "F10" then evidence[#evidence + 1] = exception.summary end

  -- held already: somebody is at work on it, and sending it back under their hands would undo that
  local busy = invoice.state ~= "registered"
  local keep = not busy and exception.code == "F10" and advised(exception, found, invoice) == "invoice.hold"
  if invoice.state == "posted" or keep then
    plan:add("invoice.hold", { invoice = found.invoice, code = "tax", reason = exception.summary },
      { reason = "Nothing is paid while the document is in doubt.", evidence = evidence })
  end
  if keep or busy then
    return plan:add("exception.note", { key = exception.key, text = "Please check: " .. exception.summary .. "." },
      { reason = "Whoever clears the invoice should know what its document breaks.", evidence = evidence })
      :summary(busy and "note for whoever clears it" or "hold, ask the controller")
  end
  return plan:add("invoice.reject", { invoice = found.invoice, rules = rules, reason = exception.summary },
    { reason = "A document that contradicts itself proves nothing; the supplier must send a correct one.",
      evidence = evidence }):summary("send back")
end

return agent
