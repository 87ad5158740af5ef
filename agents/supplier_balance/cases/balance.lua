-- A supplier in debit, and the three places where a second payment shows.

local KEY = ("21"):rep(32) -- a key is 64 hexadecimal digits

local function exception(code, evidence)
  return { key = KEY, code = code, summary = "Paid again", evidence = evidence,
    resolutions = code == "F21" and { "payment.cancel", "invoice.hold", "credit_note.request" }
      or { "credit_note.post", "payment.propose", "bank_line.match" } }
end

local amount = { minor = 5000, currency = "EUR" }
local advice = { invoice = 42, number = "RE-21", paid_in_all = 10000, paid_on = "2026-01-12", amount = amount }
local function says(choice, margin)
  return { ask = "llm.decide", value = { choice = choice, margin = margin },
    args = { options = { "invoice.hold", "credit_note.request" } } }
end
local function note(text) return { action = "exception.note", args = { key = KEY, text = text } } end

return {
  { name = "a debit balance becomes a claim", answers = {},
    exception = exception("F19", { party = 5, name = "Weber", amount = amount,
      credit_notes = { { credit_note = 3, number = "GS-3", issued = "2026-01-02" } }, paid_before_due = json.array {} }),
    actions = { note("Weber owes 50.00 EUR. Net it with the next payment or ask for a refund.") } },
  { name = "the bank paid twice", answers = {},
    exception = exception("F21", { bank_line = 8, other = 7, booked = "2026-01-12", other_booked = "2026-01-10",
      account = "DE98...7654", counterparty = "Weber", amount = amount }),
    actions = { note("Paid twice: 50.00 EUR to Weber on 2026-01-10 and 2026-01-12. Ask for the second payment back.") } },
  { name = "the bank paid twice, to somebody without a name", answers = {},
    exception = exception("F21", { bank_line = 8, other = 7, booked = "2026-01-12", other_booked = "2026-01-10",
      account = "DE98...7654", amount = amount }),
    actions = { note("Paid twice: 50.00 EUR to DE98...7654 on 2026-01-10 and 2026-01-12. Ask for the second payment back.") } },
  { name = "a second payment that has not left yet", answers = {},
    exception = exception("F21", { payment = 8, other = 7, account = "DE98...7654", state = "proposed", amount = amount }),
    actions = { note("Second payment of 50.00 EUR is proposed. Cancel it before it is released.") } },
  { name = "a second payment that has left", answers = {},
    exception = exception("F21", { payment = 8, other = 7, account = "DE98...7654", state = "released", amount = amount }),
    actions = { note("Second payment of 50.00 EUR is released. Recall it or ask for it back.") } },
  { name = "paid again by advice, no model", exception = exception("F21", advice),
    answers = { { ask = "llm.decide", error = "unavailable" } }, actions = { note() } },
  { name = "paid again by advice, a credit note is simplest", exception = exception("F21", advice),
    answers = { says("credit_note.request", 40) },
    actions = { note(), { action = "credit_note.request", args = { invoice = 42, amount = amount } } } },
  { name = "a wavering model counts as none", exception = exception("F21", advice),
    answers = { says("credit_note.request", 8) }, actions = { note() } },
}
