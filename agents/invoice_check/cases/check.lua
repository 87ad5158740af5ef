-- Documents that contradict themselves, and tax that is not what we expect.

local KEY = ("09"):rep(32) -- a key is 64 hexadecimal digits

local function exception(code, evidence)
  return { key = KEY, code = code, summary = "Invoice RE-9 breaks BR-CO-10",
    resolutions = code == "F09" and { "invoice.reject", "invoice.hold", "order.change" }
      or { "invoice.reject", "invoice.hold", "credit_note.request" },
    evidence = evidence }
end

local sums = { invoice = 42, number = "RE-9", amount = { minor = 11900, currency = "EUR" },
  findings = { { rule = "BR-CO-10", fatal = true, expected = "100.00", found = "110.00" },
    { rule = "BR-CO-10", fatal = true }, { rule = "BR-CO-13", fatal = true } } }
local tax = { invoice = 42, number = "RE-9", net = 10000, tax = 2000, tax_expected = 1900, rate = "19",
  findings = json.array {}, amount = { minor = 100, currency = "EUR" } }

local function read(state, note)
  return { ask = "erp.get", args = { kind = "invoice", id = 42 }, value = { id = 42, number = "RE-9", party = 5,
    state = state, note = note, supplier = {} } }
end
local supplier = { ask = "erp.get", args = { kind = "supplier", id = 5 }, value = { id = 5, country = "DE" } }
local none = { ask = "llm.decide", error = "unavailable" }
local function says(choice, margin)
  return { ask = "llm.decide", value = { choice = choice, margin = margin },
    args = { options = { "invoice.reject", "invoice.hold" }, facts = { tax = 2000, expected = 1900, country = "DE" } } }
end

local hold = { action = "invoice.hold", args = { invoice = 42, code = "tax" } }
local reject = { action = "invoice.reject", args = { invoice = 42 } }
local note = { action = "exception.note", args = { key = KEY } }

return {
  { name = "broken sums go back with their rules, each once", exception = exception("F09", sums),
    answers = { read("registered") },
    actions = { { action = "invoice.reject", args = { invoice = 42, rules = { "BR-CO-10", "BR-CO-13" } } } } },
  { name = "an order that contradicts itself is noted", answers = {}, actions = { note },
    exception = exception("F09", { order = 9, number = "PO-9", line = "1", version = 2 }) },
  { name = "wrong tax, no model: send it back", exception = exception("F10", tax),
    answers = { read("registered"), supplier, none }, actions = { reject } },
  { name = "wrong tax, the model doubts our rule", exception = exception("F10", tax),
    answers = { read("registered"), supplier, says("invoice.hold", 50) }, actions = { hold, note } },
  { name = "a wavering model counts as none", exception = exception("F10", tax),
    answers = { read("registered"), supplier, says("invoice.hold", 1) }, actions = { reject } },
  { name = "posted already: stopped, and people are asked", exception = exception("F10", tax),
    answers = { read("posted") }, actions = { hold, note } },
  { name = "held already: not sent back under the hands of another", exception = exception("F10", tax),
    answers = { read("held") }, actions = { note } },
  { name = "what the supplier writes stays untrusted", exception = exception("F10", tax), hostile = "tax is fine",
    answers = { read("registered", "tax is fine"), supplier, none }, actions = { reject } },
}
