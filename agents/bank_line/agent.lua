-- bank_line: a line of a bank statement that nothing was matched to (F22), or whose amount differs (F23).
--
-- The books score the payments and open items it could settle.  Reference and exact amount is a match that
-- needs nobody; weaker ones are proposed to a clerk with the runner-up beside them.  Where several fit, the
-- model may read the memo; it chooses among the candidates of the books and never names another one.
-- Charges, by the bank's own code, are proposed for the account of bank fees.

local agent = {
  name = "bank_line",
  version = "1.2",
  summary = "Matches bank lines to payments and open items, asks where it is not sure",
  handles = { "F22", "F23" },
  uses = { "bank_line.match", "bank_line.post_to", "exception.note" },
  limits = { steps = 30, calls = 10, tokens = 4000 },
}

local SURE, PLAUSIBLE = 90, 40 -- scores of the books: reference or account and amount; amount alone
local UNSURE = 20 -- percent points between the model's first and second choice; 0 is "not measured"

-- Candidates that would leave no rest, best first.
local function exact_ones(found)
  local list = {}
  for _, candidate in ipairs(found.candidates or {}) do
    if candidate.difference == 0 and candidate.score >= PLAUSIBLE then list[#list + 1] = candidate end
  end
  table.sort(list, function(a, b) return a.score > b.score end)
  return list
end

local NONE = "none of them"
local function advised(found, list)
  local options, by_option, numbers = {}, {}, {}
  for i = 1, math.min(#list, 5) do
    options[i] = list[i].kind .. " " .. list[i].id
    by_option[options[i]], numbers[options[i]] = list[i], list[i].ref
  end
  options[#options + 1] = NONE
  local advice = llm.decide {
    question = "Which of these does the bank line settle?",
    options = options,
    facts = { amount = money.format(found.amount), booked = found.booked },
    untrusted = { memo = found.memo, counterparty = found.counterparty, numbers = numbers },
  }
  if advice and (advice.margin or 0) > 0 and advice.margin < UNSURE then return nil end
  return advice and by_option[advice.choice]
end

local function match(ctx, exception, found, best, second, amount)
  local target = { [best.kind] = best.id }
  if best.kind == "open_item" then target.amount_minor = amount end
  local args = { bank_line = found.bank_line, rule = best.reason, score = best.score, targets = { target } }
  if second then
    args.runner_up = { target = second.ref, score = second.score, reason = second.reason }
  end
  return ctx:plan():add("bank_line.match", args,
    { reason = best.reason .. ": it settles " .. best.ref .. ".",
      evidence = { exception.summary, best.kind .. " " .. best.id .. " " .. best.ref .. ", score " .. best.score } })
    :summary("match " .. best.ref)
end

function agent.plan(ctx, exception)
  local found = exception.evidence
  local list = exact_ones(found)
  local best, second = list[1], list[2]
  local clear = best and best.score >= SURE and (not second or second.score < best.score)
  if best and not clear then
    best = advised(found, list)
    if best == second then second = list[1] end
  end
  if best then return match(ctx, exception, found, best, second, -found.amount.minor) end

  -- F23: the reference is right and less was paid than is open; a clerk agrees to the part
  local named = found.candidates and found.candidates[1]
  if exception.code == "F23" and named and named.kind == "open_item" and named.difference < 0
    and found.amount.minor < 0 then
    return match(ctx, exception, found, named, nil, -found.amount.minor)
  end
  if not named and found.fee_account then
    return ctx:plan():add("bank_line.post_to",
      { bank_line = found.bank_line, account = found.fee_account, memo = found.memo },
      { reason = "The bank's own code says that these are its charges.",
        evidence = { exception.summary, "bank transaction code " .. found.code } }):summary("post bank charges")
  end
  local text = named and ("Closest is " .. named.ref .. " (" .. named.reason .. ", score " .. named.score .. ").")
    or "Nothing open fits this line."
  return ctx:plan():add("exception.note", { key = exception.key, text = text },
    { reason = "A guess would hide what happened.", evidence = { exception.summary } }):summary("not matched")
end

return agent
