-- bank_line: a line of a bank statement that nothing was matched to yet.
--
-- The books score the open items it could settle.  A reference and an exact amount is a match that needs
-- nobody; anything weaker is proposed to a clerk with the runner-up beside it; nothing plausible is noted.

local agent = {
  name = "bank_line",
  version = "1.0",
  summary = "Matches bank lines to open items, asks where it is not sure",
  handles = { "F22", "F23" },
  uses = { "bank_line.match", "exception.note" },
  limits = { steps = 30, calls = 10 },
}

local PLAUSIBLE = 80

function agent.plan(ctx, exception)
  local found = exception.evidence
  local line = erp.get("bank_line", found.bank_line)
  local best, second = line.candidates[1], line.candidates[2]
  local exact = best and best.open == -line.amount
  if not best or best.score < PLAUSIBLE or line.amount >= 0 or not exact then
    local text = best and ("Closest is " .. best.ref .. " over " ..
        money.format { minor = best.open, currency = best.currency } .. " (" .. best.reason .. ").")
      or "Nothing open fits this line."
    return ctx:plan():add("exception.note", { key = exception.key, text = text },
      { reason = "A guess would hide what happened.", evidence = { exception.summary } }):summary("not matched")
  end
  local args = {
    bank_line = found.bank_line, rule = "reference+amount", score = best.score,
    targets = json.array { { open_item = best.open_item, amount_minor = best.open } },
  }
  if second then
    args.runner_up = { target = second.ref, score = second.score, reason = second.reason }
  end
  return ctx:plan():add("bank_line.match", args,
    { reason = best.reason .. ": it pays " .. best.ref .. ".",
      evidence = { exception.summary, "open item " .. best.ref .. ", score " .. best.score } })
    :summary("match " .. best.ref)
end

return agent
