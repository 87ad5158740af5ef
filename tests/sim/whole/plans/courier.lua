-- courier: does things outside, one after the other, each by another way, posts what it cost, and closes the case.  The
-- entry may be refused: then what a request has done is taken back by another about its key.
local agent = { name = "courier", version = "1", handles = { "X08" },
  uses = { "http.request", "mail.send", "file.write", "entry.post", "case.close" } }

function agent.plan(ctx, exception)
  local plan, name = ctx:plan(), exception.evidence.name
  for i, way in ipairs(exception.evidence.ways) do
    local ref = name .. "/" .. i
    if way:find("mail", 1, true) then
      plan:add("mail.send", { connector = way, to = { "desk@outside.example" }, subject = ref, text = ref },
        { reason = "told" })
    elseif way:find("disk", 1, true) then
      plan:add("file.write", { connector = way, name = (ref:gsub("[^%w]", "-")) .. "-" .. exception.evidence.amounts[1],
        text = ref }, { reason = "written down" })
    else
      plan:add("http.request", { connector = way, path = "/do", body = { ref = ref },
        compensate = { action = "http.request", args = { connector = way, path = "/undo/{key}" } } },
        { reason = "asked for" })
    end
  end
  return plan:add("entry.post", { case = exception.resource, ref = name .. "/c",
      amount = { minor = exception.evidence.amounts[1], currency = "EUR" } }, { reason = "the cost" })
    :add("case.close", { case = exception.resource }, { reason = "done" })
end

return agent
