-- bank_details: the account on an invoice is not the one in the master record.
--
-- The oldest fraud there is.  The invoice is held at once, and nothing else is done: bank data changes
-- only after a call to a number that was known before.

local agent = {
  name = "bank_details",
  version = "1.0",
  summary = "Holds invoices whose bank account is not the supplier's",
  handles = { "F12" },
  uses = { "invoice.hold", "exception.note" },
  limits = { steps = 20, calls = 5 },
}

function agent.plan(ctx, exception)
  local found = exception.evidence
  local evidence = { "on the invoice " .. found.on_invoice, "master data " .. (found.master or "none") }
  return ctx:plan()
    :add("invoice.hold", { invoice = found.invoice, code = "bank_details", reason = exception.summary },
      { reason = "Money must not follow an account that only a document names.", evidence = evidence })
    :add("exception.note",
      { key = exception.key, text = "Call the supplier back on the number on file before anything is changed." },
      { reason = "Two people and a call-back are needed to change bank data.", evidence = evidence })
    :summary("hold, call back")
end

return agent
