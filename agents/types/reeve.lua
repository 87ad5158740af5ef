---@meta reeve
-- reeve.lua -- what an agent can say, for editors with a Lua language server.  Never run.

---@alias reeve.kind
---| "account" | "bank_line" | "credit_note" | "credit_request" | "exception" | "invoice" | "open_item"
---| "order" | "payment" | "receipt" | "remittance" | "statement" | "supplier"
---@alias reeve.code "unavailable" | "timeout" | "limit" | "invalid" | "not_found" | string
---@alias reeve.plain string | integer | boolean | table

---@class reeve.limits
---@field steps? integer
---@field calls? integer
---@field tokens? integer
---@field risk? integer points of risk of its actions together; without it they are not limited
---@field money? table<string, integer> minor units by currency, e.g. { EUR = 500000 }
---@field money_minor? integer minor units of the company's own currency, instead of money
---@field wall_ms? integer
---@field depth? integer generations above a run of this agent, at most
---@field children? integer runs it may start

---@class reeve.flow_rule
---@field at_once? integer slots: runs at once, 1 to 10000; or
---@field starts? integer tokens: runs that may begin within `seconds`, 1 to 10000
---@field seconds? integer 1 to 2678400
---@field by? string for each value of this field of the input, as "party"; "key": of the business key
---@field name? string shared by all agents that name it

---@class reeve.agent
---@field name string the folder's name
---@field version string
---@field summary? string one sentence for people
---@field handles string[] exception codes, e.g. "F01"
---@field uses string[] the only actions it may propose
---@field updates? table<string, table> what a run may be asked: a schema for each name
---@field limits? reeve.limits
---@field flow? reeve.flow_rule[] how many runs go on at once, and how many begin in a while
---@field overrun? "stop"|"degrade"|"ask" what happens where a limit is met; "stop" when left out
---@field plan fun(ctx: reeve.ctx, exception: reeve.exception): reeve.plan?
---@field review? fun(ctx: reeve.ctx, outcome: reeve.outcome): table?

---@class reeve.exception
---@field key string 64 hexadecimal digits
---@field code string "F01"
---@field summary string
---@field subject string "invoice:42:line:1"
---@field resource string "invoice:42"
---@field resolutions string[] legal actions
---@field evidence table what the detector found
---@field money? integer minor units at stake
---@field currency? string
---@field party? integer
---@field tier? integer

---@class reeve.outcome
---@field ok boolean
---@field executed? table[]

---@class reeve.money
---@field minor integer
---@field currency string

---@class reeve.add_options
---@field reason string for the person who decides
---@field evidence? string[] documents and numbers, at most 32

---@class reeve.plan
local plan = {}
---Proposes an action; it must be in `uses`.
---@param action string
---@param args table named arguments of the command
---@param options reeve.add_options
---@return reeve.plan
function plan:add(action, args, options) end
---@param text string
---@return reeve.plan
function plan:summary(text) end

---@class reeve.ctx
---@field run string "r_1"
---@field agent string
---@field now integer start of the run, UTC microseconds
---@field today string "YYYY-MM-DD"
---@field erp reeve.erp
---@field llm reeve.llm
---@field memory reeve.memory
local ctx = {}
---@return reeve.plan
function ctx:plan() end
---@param seconds integer
function ctx:sleep(seconds) end
---@return string uuid of the run's chance: a replay has the same
function ctx:uuid() end

---@class reeve.retry_policy
---@field max? integer attempts, at most 8; 3 when left out
---@field backoff? integer seconds before the second attempt, then twice as long each time; 2 when left out
---@field on? reeve.code[] codes after which it is tried again; "unavailable" and "timeout" when left out

---Calls `attempt` until it gives a value, or a code that is not listed; the waits are durable.
---@param policy reeve.retry_policy
---@param attempt fun(number: integer): reeve.plain?, string?, reeve.code?
---@return reeve.plain? value
---@return string? message
---@return reeve.code? code
function ctx:retry(policy, attempt) end
---Waits for a signal; nil and "timeout" when none came.
---@param name string
---@param timeout_s? integer a day when left out
---@return reeve.plain? body
---@return string? message
---@return reeve.code? code
function ctx:signal(name, timeout_s) end
---@param text string
function ctx:note(text) end
---Tells those outside; the last value of a name counts.  nil and "limit" above 64 KiB.
---@param name string
---@param value reeve.plain
---@return boolean? ok
---@return string? message
---@return reeve.code? code
function ctx:publish(name, value) end

---@class reeve.update
---@field id string
---@field body reeve.plain as the schema in `updates` says
---@field by string who asks

---Waits for an update; nil and "timeout" when none came.
---@param name string one of `updates`
---@param timeout_s? integer a day when left out
---@return reeve.update? update
---@return string? message
---@return reeve.code? code
function ctx:update(name, timeout_s) end
---Answers an update, once.
---@param update reeve.update
---@param result? reeve.plain
function ctx:reply(update, result) end
---@param update reeve.update
---@param reason string
function ctx:refuse(update, reason) end


---@class reeve.child_budget what a child may spend of what is left; half of it when left out
---@field steps? integer
---@field calls? integer
---@field tokens? integer
---@field risk? integer
---@field money? table<string, integer> minor units by currency
---@field wall_ms? integer

---@class reeve.start_options
---@field close? "cancel" | "abandon" | "wait" what becomes of the child when this run ends; "cancel" when left out
---@field budget? reeve.child_budget
---@field as? string a name for people

---@class reeve.handle
---@field run string "r_2"
---@field agent string
---@field as? string

---@class reeve.child
---@field run string
---@field status "done" | "failed" | "cancelled" | "compensated" | "diverged"
---@field summary? string of its plan
---@field outcome? reeve.outcome
---@field review? table
---@field error? { code: reeve.code, message: string }

---Starts a run of another agent; `input` is what its plan gets as its exception.
---@param agent string
---@param input table
---@param options? reeve.start_options
---@return reeve.handle? handle
---@return string? message
---@return reeve.code? code "denied", "limit", "conflict", "not_found"
function ctx:start(agent, input, options) end
---Waits until a child has ended; nil and "timeout" when it has not.
---@param handle reeve.handle
---@param timeout_s? integer a year when left out
---@return reeve.child? child
---@return string? message
---@return reeve.code? code
function ctx:await(handle, timeout_s) end
---Ends this run in favour of another agent; comes back only when that was refused.
---@param agent string
---@param exception? table this run's own when nil
---@param options { reason: string }
---@return nil
---@return string message
---@return reeve.code code
function ctx:handoff(agent, exception, options) end

---@class reeve.find_options
---@field limit? integer

---@class reeve.erp
erp = {}
---@param kind reeve.kind
---@param filter? table
---@param options? reeve.find_options
---@return table[]? rows
---@return string? message
---@return reeve.code? code
function erp.find(kind, filter, options) end
---@param kind reeve.kind
---@param id integer | string
---@return table? document
---@return string? message
---@return reeve.code? code
function erp.get(kind, id) end
---@param kind reeve.kind
---@param id integer | string
---@return table[]? events
---@return string? message
---@return reeve.code? code
function erp.history(kind, id) end

---@class reeve.question
---@field question string ours; never built from what outsiders wrote
---@field options? string[] two to sixteen choices
---@field facts? table what we know
---@field untrusted? table what outsiders wrote
---@field schema? table of the answer, instead of options
---@field max_tokens? integer

---@class reeve.advice
---@field choice string one of the options
---@field reason string
---@field margin integer percent points to the runner-up; 0 when not measured
---@field probability? table<string, string> of each option, as text of four decimals; nil when not measured
---@field tokens? reeve.tokens nil in answers of before there were any

---@class reeve.tokens
---@field prompt integer what was asked, over all tries
---@field cached integer of the prompt, not computed again
---@field answer integer what was said, thoughts included
---@field thinking integer of the answer

---@class reeve.llm
llm = {}
---@param question reeve.question
---@return reeve.advice? advice
---@return string? message
---@return reeve.code? code
function llm.decide(question) end

---@class reeve.memory
memory = {}
---@param key string
---@return reeve.plain? value
---@return string? message
---@return reeve.code? code
function memory.get(key) end
---@param key string
---@param value reeve.plain
function memory.set(key, value) end

---@class reeve.money_library
money = {}
---@param minor integer
---@param currency string
---@return reeve.money
function money.of(minor, currency) end
---@param a reeve.money
---@param b reeve.money
---@return reeve.money
function money.add(a, b) end
---@param a reeve.money
---@param b reeve.money
---@return reeve.money
function money.subtract(a, b) end
---@param a reeve.money
---@param b reeve.money
---@return boolean
function money.less(a, b) end
---@param a reeve.money
---@return reeve.money
function money.abs(a) end
---@param a reeve.money
---@return string "12.50 EUR"
function money.format(a) end

---@class reeve.json
json = {}
---Says that a table is a list, also when it is empty.
---@param list? table
---@return table
function json.array(list) end
---@param fields? table
---@return table
function json.object(fields) end
