-- Bank lines: what is sure, what a clerk must agree to, and what nothing fits.

local KEY = ("22"):rep(32) -- a key is 64 hexadecimal digits

local function candidate(kind, id, score, difference, reason)
  return { kind = kind, id = id, ref = "RE-" .. id, score = score, reason = reason or "amount", difference = difference }
end

local function exception(code, minor, candidates, memo)
  return { key = KEY, code = code, summary = "A line is not matched", resolutions = { "bank_line.match", "bank_line.post_to" },
    evidence = { bank_line = 70, booked = "2026-01-12", memo = memo, counterparty = "Weber",
      candidates = json.array(candidates), amount = { minor = minor, currency = "EUR" } } }
end

local function match(target, score) return { action = "bank_line.match",
  args = { bank_line = 70, score = score, targets = { target } } } end
local note = { action = "exception.note", args = { key = KEY } }
local none = { ask = "llm.decide", error = "unavailable" }
local function says(choice, margin) return { ask = "llm.decide", value = { choice = choice, margin = margin },
  args = { options = { "open_item 1", "open_item 2", "none of them" } } } end

local two = { candidate("open_item", 1, 40, 0), candidate("open_item", 2, 40, 0) }

return {
  { name = "reference and amount", exception = exception("F22", -5000, { candidate("open_item", 1, 95, 0) }), answers = {},
    actions = { match({ open_item = 1, amount_minor = 5000 }, 95) } },
  { name = "a released payment comes before the item it pays", answers = {},
    exception = exception("F22", -5000, { candidate("payment", 3, 100, 0), candidate("open_item", 1, 95, 0) }),
    actions = { { action = "bank_line.match", args = { targets = { { payment = 3 } }, score = 100,
      runner_up = { target = "RE-1", score = 95 } } } } },
  { name = "money that comes in settles what they owe us", answers = {},
    exception = exception("F22", 5000, { candidate("open_item", 1, 95, 0) }),
    actions = { match({ open_item = 1, amount_minor = -5000 }, 95) } },
  { name = "two fit by amount, no model: nothing is guessed", exception = exception("F22", -5000, two),
    answers = { none }, actions = { note } },
  { name = "two fit by amount, the model reads the memo", exception = exception("F22", -5000, two, "invoice two"),
    answers = { says("open_item 2", 50) }, hostile = "invoice two",
    actions = { { action = "bank_line.match", args = { targets = { { open_item = 2, amount_minor = 5000 } }, score = 40,
      runner_up = { target = "RE-1", score = 40 } } } } },
  { name = "a wavering model counts as none", exception = exception("F22", -5000, two),
    answers = { says("open_item 2", 5) }, actions = { note } },
  { name = "the model finds none", exception = exception("F22", -5000, two),
    answers = { says("none of them", 50) }, actions = { note } },
  { name = "short payment of a named item: a clerk agrees to the part", answers = {},
    exception = exception("F23", -4000, { candidate("open_item", 1, 30, -1000, "reference, other amount") }),
    actions = { match({ open_item = 1, amount_minor = 4000 }, 30) } },
  { name = "more than is open: a person", answers = {},
    exception = exception("F23", -6000, { candidate("open_item", 1, 30, 1000, "reference, other amount") }), actions = { note } },
  { name = "charges by the bank's own code", answers = {},
    exception = (function()
      local e = exception("F22", -1490, {}, "Account fees")
      e.evidence.code, e.evidence.fee_account = "ACMT-MDOP-CHRG", "4970"
      return e
    end)(),
    actions = { { action = "bank_line.post_to", args = { bank_line = 70, account = "4970" } } } },
  { name = "nothing fits", exception = exception("F22", -5000, {}), answers = {}, actions = { note } },
}
