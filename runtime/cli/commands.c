/* commands.c -- every command of the program, in the order of the help. */
#include "runtime/cli/cli.h"

#include <stddef.h>

/* Options that a command takes beside the global ones: OPTIONS({name, value, doc}, ...) */
#define OPTIONS(...) ((const struct cli_option[]){__VA_ARGS__, {NULL, NULL, NULL}})

/* A page of a journal. */
#define STEPS_PAGE                                                                                 \
    {"after", "STEP", "the journal after this step"},                                              \
    {                                                                                              \
        "limit", "N", "at most so many steps; default 2000"                                        \
    }

/* What `reeve run list`, cancel and retry look for. */
#define RUN_FILTER                                                                                 \
    {"waiting-on", "WHAT",                                                                         \
     "person, timer, retry, signal, model, child, effect, intent, budget, lock, slot, rate; or "   \
     "ROLE: "                                                                                      \
     "waits for "                                                                                  \
     "it"},                                                                                        \
        {"role", "ROLE", "that wait for a person with this role"},                                 \
        {"stuck", NULL, "that could move, and nothing has moved them for a minute"},               \
        {"standing", NULL, "that failed, with something they did and could not take back"},        \
        {"retrying", NULL, "open ones that try something again"},                                  \
        {"view", "NAME", "of this view, see reeve run views; other options change it"},            \
        {"agent", "NAME", "of this agent"}, {"key", "KEY", "of this business key, or its start"},  \
        {"error", "CODE",                                                                          \
         "whose last error was invalid, limit, denied, timeout, ...; a word that is none is "      \
         "answered with all of them"},                                                             \
        {"older", "AGE", "that began longer ago than 90s, 15m, 6h, 30d"},                          \
    {                                                                                              \
        "limit", "N", "at most so many; default 200"                                               \
    }

const struct cli_command cli_commands[] = {
    {"company", "create", "NAME", "make a company (tenant) with its console person",
     cmd_company_create,
     OPTIONS({"currency", "CODE", "its currency; default EUR"},
             {"timezone", "ZONE", "its time zone; default Europe/Berlin"}),
     NULL},
    {"company", "list", "", "companies of this database", cmd_company_list, NULL, NULL},
    {"company", "check", "[NAME]", "are the books what the events say, row by row",
     cmd_company_check, NULL,
     "Checks the hash chain of the events, rebuilds every projection from them in temporary\n"
     "tables, and compares it with the one in use. Names the first difference and ends with 1."},
    {"company", "rebuild", "[NAME]", "makes the books what the events say", cmd_company_rebuild,
     NULL,
     "What company check finds different is replaced in one transaction. Asks for the role admin,\n"
     "and the act is on the audit record. A broken chain is never repaired."},
    {"person", "add", "NAME", "add or change a person", cmd_person_add,
     OPTIONS({"roles", "A,B", "what the person may be asked for"},
             {"password-stdin", NULL, "reads a password from standard input"}),
     "People and tokens are changed by those with the role admin, and each change is recorded."},
    {"person", "list", "", "people and their roles", cmd_person_list, NULL, NULL},
    {"person", "disable", "NAME", "no more sign-in, sessions or tokens of a person",
     cmd_person_disable, NULL, NULL},
    {"person", "enable", "NAME", "lets a disabled person in again", cmd_person_enable, NULL,
     "Tokens that are neither expired nor revoked work again."},
    {"token", "make", "PERSON", "an API token that acts as a person", cmd_token_make,
     OPTIONS({"label", "TEXT", "what it is for"}, {"days", "N", "how long it is good; default 30"}),
     "The token is printed once and stored only as a hash."},
    {"token", "list", "", "API tokens, without their secrets", cmd_token_list, NULL, NULL},
    {"token", "revoke", "ID", "make a token worthless at once", cmd_token_revoke, NULL, NULL},
    {"hook", "add", "URL", "announce events to a receiver", cmd_hook_add,
     OPTIONS({"events", "A,B", "which events; default: all"},
             {"person", "NAME", "who answers by its callbacks"},
             {"allow-private", NULL, "the receiver may have a private address"}),
     "Events: approval.requested, .decided, .executed, .expired, .escalated, .void; run.failed "
     "(also\n"
     "where it was taken back, or its plan did not replay); run.needs_budget (it waits for\n"
     "`reeve run raise`).  approval.* is all of approvals."},
    {"hook", "list", "", "receivers, and what waits for them or was given up", cmd_hook_list, NULL,
     NULL},
    {"hook", "rotate", "ENDPOINT", "a new secret; the old one stays good for a while",
     cmd_hook_rotate,
     OPTIONS({"overlap", "HOURS", "how long both sign and are accepted; default 24, 0: stolen"}),
     "Deliveries carry a signature by each secret, as Standard Webhooks has it."},
    {"hook", "enable", "ENDPOINT", "go on telling a receiver", cmd_hook_enable, NULL, NULL},
    {"hook", "disable", "ENDPOINT", "tell a receiver nothing for now", cmd_hook_disable, NULL,
     NULL},
    {"hook", "redrive", "[ENDPOINT]", "send again what was given up", cmd_hook_redrive, NULL, NULL},
    {"connector", "add", "NAME", "a place where agents may act outside of the books",
     cmd_connector_add,
     OPTIONS({"kind", "http|mail|file", "default http"},
             {"url", "URL", "https://host/path; smtps://host for mail"},
             {"directory", "DIR", "of files"},
             {"secret-file", "FILE", "token or password; stored sealed, never shown"},
             {"header", "NAME", "http: header of the secret; default Authorization: Bearer"},
             {"methods", "A,B", "http: of POST, PUT, PATCH, DELETE; default POST"},
             {"from", "ADDRESS", "mail: who writes"},
             {"to", "A,B", "mail: who may be written to; *@example.com is a whole domain"},
             {"login", "NAME", "mail: at the server, with --secret-file"},
             {"reconcile", "RULE", "when nobody knows whether it happened; see below"},
             {"status", "PATH", "http: path with {key} that tells whether it happened"},
             {"attempts", "N", "of what is known not to have happened; default 5"},
             {"backoff", "MS", "before the second attempt, then twice as long; default 2000"},
             {"timeout", "MS", "of one attempt; default 15000"},
             {"answer", "BYTES", "so much of an answer is kept; default 65536"},
             {"ca", "FILE", "PEM that vouches for the server"},
             {"allow-private", NULL, "the server may have a private address, or speak http"}),
     "Agents name it in http.request, mail.send and file.write; they never see address or secret.\n"
     "Rules, for an attempt that has no outcome (a crash, a broken connection):\n"
     "  person   somebody says it: reeve intent resolve (default for http, always for mail)\n"
     "  status   a GET of URL + PATH: 2xx it happened, 404 or 410 it did not\n"
     "  repeat   the receiver drops repeats by the header Idempotency-Key: the same again\n"
     "  look     of files (default): is there one of that name with that content?\n"
     "Example: reeve connector add bank --url https://bank.example/api --secret-file token \\\n"
     "           --reconcile status --status /payments/{key}"},
    {"connector", "list", "", "connectors, their rules, and what is open", cmd_connector_list, NULL,
     NULL},
    {"connector", "enable", "NAME", "open one again", cmd_connector_enable, NULL, NULL},
    {"connector", "disable", "NAME", "let nothing new go through one", cmd_connector_disable, NULL,
     NULL},
    {"connector", "remove", "NAME", "forget one that nothing waits for", cmd_connector_remove, NULL,
     NULL},
    {"intent", "list", "[STATE]", "what was to happen outside and has no outcome yet",
     cmd_intent_list, OPTIONS({"limit", "N", "at most so many; default 200"}),
     "STATE is all, intended, attempting, retry, unclear, person, done or failed; those of state\n"
     "person wait for reeve intent resolve."},
    {"intent", "show", "INTENT", "one of them: arguments, key, attempts, outcome", cmd_intent_show,
     NULL, "INTENT is the name of a run and its step: r_911902230237808202:7."},
    {"intent", "resolve", "INTENT OUTCOME", "say what became of it, where nothing else knows",
     cmd_intent_resolve, OPTIONS({"reason", "TEXT", "how you know; goes on the audit record"}),
     "OUTCOME is done or failed.  Look at the receiver first: after \"done\" the run goes on as "
     "if\n"
     "it had been answered, after \"failed\" it takes back what it did before.\n"
     "Example: reeve intent resolve r_911902230237808202:7 done --reason \"the bank shows it\""},
    {"policy", "load", "FILE", "check, test and activate a policy bundle", cmd_policy_load, NULL,
     NULL},
    {"policy", "check", "FILE", "what is wrong or doubtful in a bundle", cmd_policy_check, NULL,
     NULL},
    {"policy", "test", "FILE [CASES]...", "run a bundle's own tests and files of cases",
     cmd_policy_test, NULL, "Without CASES: cases/*.lua and *.cases.lua beside the bundle."},
    {"policy", "explain", "FILE QUESTION.json", "why a question is allowed, held or denied",
     cmd_policy_explain, NULL, NULL},
    {"agent", "check", "[FILE]...", "what is wrong with an agent, with line and field",
     cmd_agent_check,
     OPTIONS({"actions", NULL, "lists the actions an agent may name in \"uses\""},
             {"exceptions", NULL, "lists the exceptions it may name in \"handles\""}),
     "Needs no database.  Exit status 0: good; 1: a mistake, named; 2: no such file."},
    {"agent", "test", "AGENT.lua|DIR...", "run the cases of agents", cmd_agent_test, NULL,
     "The cases are the files in the folder \"cases\" beside agent.lua: what the world answers, "
     "and\n"
     "what must be proposed.  DIR is the folder of an agent or a folder of such folders.  Every\n"
     "question must be one that can be answered, every action must pass its schema.\n"
     "\n"
     "  return {\n"
     "    { name = \"a small difference is accepted\",\n"
     "      exception = { key = \"...\", code = \"F01\", evidence = { invoice = 42 } },\n"
     "      answers = { { ask = \"erp.get\", args = { kind = \"invoice\", id = 42 },\n"
     "                    value = { id = 42, number = \"R-7\" } },\n"
     "                  { ask = \"llm.decide\", error = \"unavailable\" } },\n"
     "      actions = { { action = \"invoice.hold\", args = { invoice = 42 } } } },\n"
     "  }\n"
     "\n"
     "More in agents/README.md.  Needs no database.  Exit status 0: all passed; 1: some failed, "
     "and\n"
     "what differs is printed; 2: there is no such file."},
    {"agent", "publish", "FILE...", "check and activate agents", cmd_agent_publish,
     OPTIONS({"owner", "PERSON", "who answers for them; else as before (a new one: you)"},
             {"dry-run", NULL, "only says what would become of open runs"},
             {"migrate-safe", NULL, "takes open runs over where nothing differs so far"},
             {"canary", "N", "only N of 100 new runs take it; 0: keeps it, no run takes it"}),
     "Before that every open run of the agent is replayed from its journal with the new text:\n"
     "  safe      everything so far is the same; --migrate-safe lets it go on with the new one\n"
     "  pinned    nothing differs, but it stays on its version, and why\n"
     "  diverges  the new text does something else at a step that is over: it stays\n"
     "Runs stay on the version that they began with unless they are taken over; no old reeve\n"
     "must be kept for them.  Exit status of --dry-run: 1 when a run diverges.\n"
     "  reeve agent publish --dry-run agents/price_variance/agent.lua"},
    {"agent", "activate", "NAME VERSION", "new runs take this version", cmd_agent_activate,
     OPTIONS({"dry-run", NULL, "only says what would become of open runs"},
             {"migrate-safe", NULL, "takes open runs over where nothing differs so far"}),
     "VERSION is one of reeve agent versions, or the beginning of its hash.  What is said about\n"
     "open runs is explained at reeve help agent publish."},
    {"agent", "canary", "NAME VERSION", "some of the new runs take this version", cmd_agent_canary,
     OPTIONS({"percent", "N", "so many of 100; 0 ends it"}),
     "The same exception always gets the same version.  A company is a canary by itself:\n"
     "  reeve --company trial agent activate NAME VERSION"},
    {"agent", "promote", "NAME", "the canary becomes the active version", cmd_agent_promote,
     OPTIONS({"migrate-safe", NULL, "takes open runs over where nothing differs so far"}), NULL},
    {"agent", "rollback", "NAME", "ends a canary; else the version before is active again",
     cmd_agent_rollback,
     OPTIONS({"migrate-safe", NULL, "takes open runs back where nothing differs so far"}),
     "At once: open runs are not tried first, they stay as they are without --migrate-safe."},
    {"agent", "versions", "NAME", "texts of an agent, their runs, who changed what",
     cmd_agent_versions, NULL, NULL},
    {"agent", "list", "", "active agents", cmd_agent_list, NULL, NULL},
    {"import", NULL, "FILE...", "read orders, receipts, invoices, statements (UBL, camt.053)",
     cmd_import, NULL,
     "Importing a file again adds nothing.  Exit status 5: all went in, but a statement is in\n"
     "quarantine: it does not balance, or its account is not registered; nothing of it is booked.\n"
     "Register the account and import the file again."},
    {"do", NULL, "ACTION ARGUMENTS", "ask the gate for one ERP command", cmd_do,
     OPTIONS({"id", "ID", "the same id twice has one effect"},
             {"dry-run", NULL, "says what would happen, and changes nothing"}),
     "ARGUMENTS is a JSON object or the name of a file with one."},
    {"exception", "run", "", "find discrepancies and let agents handle them", cmd_exception_run,
     OPTIONS({"no-detect", NULL, "only handles what was found before"},
             {"no-post", NULL, "leaves clean invoices unposted"}),
     NULL},
    {"exception", "list", "[STATE]", "discrepancies (open, resolved, auto_closed, snoozed)",
     cmd_exception_list, NULL, NULL},
    {"event", "export", "[FILE]", "what happened, for process mining and spreadsheets",
     cmd_event_export,
     OPTIONS({"format", "FORMAT", "jsonl (default), csv, ocel (OCEL 2.0, JSON), xes (IEEE 1849)"},
             {"case", "TYPE", "csv, xes: a case is an object of this type; default each of all"},
             {"since", "DAY", "from the beginning of that day (UTC)"},
             {"until", "DAY", "to the end of that day (UTC)"}),
     "Changes of the books and questions to people, oldest first, with the objects that each\n"
     "touches: invoice, order, receipt, bank_line, party, exception, approval, run, ...  Amounts\n"
     "(minor units), dates, states and codes are told; names, bank details and free text never.\n"
     "Example: reeve event export invoices.xes --format xes --case invoice --since 2026-01-01\n"
     "An existing file is never overwritten; without FILE it goes to standard output."},
    {"run", "list", "[STATUS]", "runs, newest first", cmd_run_list,
     OPTIONS(RUN_FILTER, {"status", "STATUS", "as the argument STATUS says it"},
             {"save", "NAME", "keeps these filters as a view instead of listing"}),
     "STATUS is a status of the table (waiting, done, failed, ...) or one of the words:\n"
     "  open      not over\n"
     "  over      at its end, whichever\n"
     "  stuck     it could move, and nothing has moved it for a minute\n"
     "  standing  failed, with something that it did and could not take back: see run dead RUN\n"
     "  retrying  open, and tries again: a step of its plan, an effect outside, or an exception "
     "that\n"
     "            an earlier run failed at\n"
     "  people    waits for an approval (the table says of whom)\n"
     "See --waiting-on for what the others wait for; \"waiting on the controller\" is\n"
     "  reeve run list --waiting-on person --role controller"},
    {"run", "views", "", "filters that were kept with reeve run list --save", cmd_run_views, NULL,
     NULL},
    {"run", "forget", "VIEW", "a view is kept no longer", cmd_run_forget, NULL, NULL},
    {"run", "show", "RUN", "one run with its journal", cmd_run_show, OPTIONS(STEPS_PAGE),
     "Of a long journal a page: field run.last_step says how far it goes."},
    {"run", "start", "[AGENT]", "begin one: for an exception, or with an input", cmd_run_start,
     OPTIONS({"exception", "KEY", "an open discrepancy, see reeve exception list"},
             {"input", "FILE|JSON", "what the plan gets instead of an exception; default {}"},
             {"key", "TEXT", "what it works on: no second run while this one is open"},
             {"priority", "N", "of its claim on the key, 0 to 100; default: as the agent says"},
             {"id", "ID", "of this request; the same again begins nothing, for a day"},
             {"wait", "SECONDS", "drives runs here until this one is over, at most so long"}),
     "With --exception the agent is the one that handles it, unless AGENT names another.  Through\n"
     "the gate, as action run.start.  What happens when a run has the key already says the agent\n"
     "(claims in agents/README.md): refused, merged into that run, or waiting for it.\n"
     "Exit status with --wait: 0 done or still open, 1 failed.\n"
     "Example: reeve run start month_end --input '{\"period\": \"2026-10\"}' --key period:2026-10"},
    {"run", "signal", "RUN NAME", "tell a run something that it awaits", cmd_run_signal,
     OPTIONS({"body", "FILE|JSON", "what it is told; default {}"},
             {"id", "ID", "of this request; the same again tells nothing, for a day"}),
     "Kept until the plan takes it (ctx:signal in agents/README.md); an open run wakes for it."},
    {"run", "cancel", "[RUN]...", "ask runs to stop; says which, --yes does it", cmd_run_cancel,
     OPTIONS(RUN_FILTER, {"status", "STATUS", "those of this status, see reeve run list"},
             {"reason", "TEXT", "why; default: asked to stop"},
             {"yes", NULL, "without it only says what would be asked to stop"}),
     "Runs by name, or all that the filters give.  Each goes through the gate by itself; a run\n"
     "stops where it can: what it has done is taken back where something takes it back."},
    {"run", "raise", "RUN", "give a run more to spend", cmd_run_raise,
     OPTIONS({"steps", "N", "so many more"}, {"calls", "N", "so many more reads and questions"},
             {"tokens", "N", "so many more of a model"}, {"children", "N", "so many more runs"},
             {"risk", "N", "so many more points of risk"}, {"wall-ms", "MS", "so much more time"},
             {"money", "LIST", "minor units by currency: EUR=500000,USD=1000"},
             {"money-minor", "N", "where the agent's limit is money_minor"},
             {"reason", "TEXT", "why; goes to the record"}),
     "For runs that wait for it (reeve run list --waiting-on budget), as agents with\n"
     "overrun = \"ask\" do; any other run has it when it meets its limit.  Goes through the\n"
     "gate as run.raise.  Example: reeve run raise r_42 --tokens 20000 --reason \"a long "
     "contract\""},
    {"run", "retry", "[RUN]...", "a new run for the exceptions of failed ones", cmd_run_retry,
     OPTIONS(RUN_FILTER, {"yes", NULL, "without it only says what would be retried"}),
     "The failed run stays as it is.  Its exception must still be open; the agent that is active\n"
     "now gets it.  `reeve run work`, or a serving reeve, drives the new run."},
    {"run", "fork", "[RUN]...", "a new run from where another one once was", cmd_run_fork,
     OPTIONS({"at-step", "N", "the last step that is taken over; 0: none"},
             {"agent-version", "V", "with this version of the agent, or the start of its hash"},
             {"input", "JSON", "members of the exception that the plan sees instead"},
             {"status", "STATUS", "those of this status, see reeve run list"}, RUN_FILTER,
             {"yes", NULL, "without it only says what would be forked"}),
     "Runs by name, or all that the filters give; they must be over.  The answers up to step N "
     "are\n"
     "copied: nothing of them is asked or done again, and nothing of them is taken back should "
     "the\n"
     "new run fail.  With another version or input the copied part is replayed first: it must do\n"
     "the same.  The new run says where it comes from: reeve run show, field input.forked.\n"
     "Example: reeve run fork r_42 --at-step 7 --agent-version 2.0 --yes"},
    {"run", "query", "RUN [NAME]", "what a run has published, also after its end", cmd_run_query,
     NULL,
     "All its values, or one.  The run is not woken; what it publishes is in its journal\n"
     "(ctx:publish in agents/README.md)."},
    {"run", "update", "RUN [NAME]", "ask a run something that it answers", cmd_run_update,
     OPTIONS({"body", "JSON", "what is asked; default {}"},
             {"id", "ID", "of this update; the same again is sent once; default: one is made"},
             {"wait", "SECONDS", "for the answer, at most 60; runs are driven meanwhile"}),
     "The body is checked against the schema of the version that the run goes by, before anything\n"
     "is written.  Without NAME: how update --id stands, or all of the run.  Exit status 1 when "
     "the\n"
     "run refused it.  A run that ends has refused what it has not answered."},
    {"run", "dead", "[RUN]", "dead letters: runs that did not end well, and why", cmd_run_dead,
     OPTIONS(
         {"class", "WORD", "budget, plan, permission, books, passing, version, standing or unread"},
         {"agent", "NAME", "of this agent"},
         {"error", "CODE", "with this error, see reeve help run list"},
         {"revived", NULL, "also those for which another run goes on, or that are settled"},
         {"limit", "N", "at most so many; default 200"}),
     "With RUN all of that one: its input, and the message that it took last or has not read.\n"
     "Class `standing`: something that the run did could not be taken back, and somebody must "
     "look\n"
     "at it; field effects_standing says what, where, and why not.  Who has: reeve run settle.\n"
     "Class `unread`: the run is over, and nobody has read the message."},
    {"run", "settle", "RUN", "say that you dealt with what a failed run could not take back",
     cmd_run_settle, OPTIONS({"reason", "TEXT", "how; goes to the record"}),
     "Then it calls nobody any more: no line of run dead and run list standing, no number of the\n"
     "metric.  What the run did stays as it is, and run show says who has settled it.  For an\n"
     "operator or admin; said once.  An attempt outside that nobody knows the end of is settled\n"
     "with reeve intent resolve."},
    {"run", "revive", "[RUN]...", "let dead ones go on, from their last good step", cmd_run_revive,
     OPTIONS({"input", "FILE|JSON", "members of the exception that the plan sees instead"},
             {"agent-version", "V", "with this version of the agent, or the start of its hash"},
             {"message", "STEP", "begin before the message that was taken there, with --value"},
             {"value", "JSON", "what that message says instead; needs a --reason"},
             {"reason", "TEXT", "why; goes to the record"},
             {"class", "WORD", "those of this class, see reeve run dead"},
             {"agent", "NAME", "of this agent"},
             {"error", "CODE", "with this error, see reeve help run list"},
             {"limit", "N", "at most so many"},
             {"yes", NULL, "without it only says what would be done"}),
     "A new run takes over the answers up to the last step that went well, and the signals that\n"
     "were not taken by then; nothing of that is done again.  With --input it begins at the "
     "start,\n"
     "unless what the first run did still stands: then the new input must lead to the same steps.\n"
     "With --message the first run keeps what it was told; the new one is told the other thing, "
     "by\n"
     "you, and the record says which message that is.\n"
     "What would fail again in the same way is not begun.  Example:\n"
     "  reeve run revive --class passing --reason \"the bank is back\" --yes"},
    {"run", "replay", "[RUN]", "do it again from its journal, without any effect", cmd_run_replay,
     OPTIONS({"file", "FILE", "an exported run, without a database"},
             {"agent", "FILE", "with this plan instead of its own"}),
     "Exit status 0: the same (of an open run: so far); 1: it differs, and where is printed.\n"
     "The transcript's hash is equal wherever the same was done, byte for byte."},
    {"run", "diff", "RUN RUN", "what two runs did differently", cmd_run_diff, NULL,
     "RUN may be the name of an exported file (*.json).  Exit status 1 when they differ."},
    {"run", "export", "RUN FILE", "a run in one file: plan, input, journal, outcome",
     cmd_run_export,
     OPTIONS({"redact", NULL, "without names, addresses of mail, telephone and bank numbers"}),
     "An existing file is never overwritten.  It replays anywhere: reeve run replay --file FILE."},
    {"run", "trace", "RUN [FILE]", "a run and those it started as a trace, for OpenTelemetry",
     cmd_run_trace, NULL,
     "OTLP in its JSON form, one request, as a collector takes it:\n"
     "  reeve run trace r_42 | curl -d @- -H 'Content-Type: application/json' "
     "http://HOST:4318/v1/traces\n"
     "Names of agents, actions and rules, codes, numbers and times; no argument, answer, text or "
     "person.\n"
     "An existing file is never overwritten.  reeve serve sends runs that end by itself where\n"
     "telemetry.otlp_endpoint names a collector."},
    {"run", "import", "FILE", "check an exported run and keep it for replay", cmd_run_import, NULL,
     "It does not enter the books: it is a file below the state directory, to be replayed and\n"
     "compared.  Needs no database."},
    {"blob", "put", "FILE", "keep a large content, once, by its SHA-256", cmd_blob_put,
     OPTIONS({"media", "TYPE", "what it is; default application/octet-stream"}),
     "At most 64 MiB.  A run reads it by its handle, e.g. from a signal:\n"
     "  {\"blob\": \"...64 hexadecimal digits...\"}\n"
     "and in its plan blob.read(handle, {from = 0, length = 65536}).  A blob stays while runs "
     "refer\n"
     "to it, and a day longer.  Elsewhere: POST /v1/blobs."},
    {"blob", "get", "BLOB [FILE]", "its content, checked against its name", cmd_blob_get, NULL,
     "Without FILE it goes to standard output.  An existing file is never overwritten."},
    {"blob", "list", "", "what is kept, newest first, and by how many runs", cmd_blob_list, NULL,
     NULL},
    {"retention", "show", "", "journals of runs by period: how much, kept, past or dropped",
     cmd_retention_show, NULL,
     "A period is a month of the beginning of runs (retention.period).  The setting\n"
     "retention.journal_months says how long after its end its journals are kept; 0, the default:\n"
     "for ever.  Finance law mostly wants ten years: 120."},
    {"retention", "preview", "", "which journals are past: runs, steps, bytes, and what holds them",
     cmd_retention_preview, NULL, "A period with an open run is kept until that run is over."},
    {"retention", "apply", "", "drop the journals of all periods that are past",
     cmd_retention_apply, OPTIONS({"yes", NULL, "without it only says what would be done"}),
     "Of all companies of this database: each has it on its record before and after.  Books, "
     "audit\n"
     "record, approvals and effects outside stay, and of each run its row, input and outcome;\n"
     "replay, diff, export and fork of these runs end.  Needs the role admin, and\n"
     "database.owner_uri where the database is your own."},
    {"run", "work", "", "drive runs that can move until all wait or are over", cmd_run_work, NULL,
     NULL},
    {"explain", NULL, "RUN", "the story of a run: facts, rules, people, effects", cmd_explain,
     OPTIONS(STEPS_PAGE), NULL},
    {"approval", "list", "[STATUS]", "what waits for people", cmd_approval_list, NULL, NULL},
    {"approval", "show", "ID", "facts, reasons and exactly what would happen", cmd_approval_show,
     NULL, NULL},
    {"approval", "approve", "ID", "say yes (with --as PERSON)", cmd_approval_approve,
     OPTIONS({"comment", "TEXT", "why"}, {"digest", "HEX", "what was seen, from approval show"}),
     "An approval binds to exactly what was shown: anything that changes it voids it."},
    {"approval", "reject", "ID", "say no (with --as PERSON)", cmd_approval_reject,
     OPTIONS({"comment", "TEXT", "why"}, {"digest", "HEX", "what was seen, from approval show"}),
     NULL},
    {"audit", "verify", "", "prove that the record was not touched", cmd_audit_verify,
     OPTIONS({"key", "KEY", "the public key, or a file with some; default: the one kept here"},
             {"from-file", "EXPORT", "checks an export, without a database"},
             {"proof", "FILE", "checks a proof, without a database"},
             {"checkpoint", "FILE", "checkpoints that were kept elsewhere; may be repeated"},
             {"kept", "EXPORT", "an export that was kept: names the records that differ"}),
     "Needs no secret: with --key everything is checked by that public key alone.\n"
     "Who has all rights in the database can still roll everything back to an earlier state,\n"
     "or rewrite what no checkpoint covers yet: keep checkpoints or exports elsewhere.\n"
     "Exit status 1 when something was tampered with."},
    {"audit", "key", "", "the public key that auditors check the record with", cmd_audit_key, NULL,
     NULL},
    {"audit", "checkpoint", "", "a signed statement of the whole record, to keep elsewhere",
     cmd_audit_checkpoint, NULL,
     "Signed for this moment where the node's key can be read, else the newest stored one."},
    {"audit", "export", "[FILE]", "all records and checkpoints in one file", cmd_audit_export,
     OPTIONS({"key", "KEY", "the public key, where it does not lie here"}),
     "`reeve audit verify --from-file FILE --key KEY` checks it anywhere.  An existing file is\n"
     "never overwritten; without FILE it goes to standard output."},
    {"audit", "prove", "[RECORD]", "a short proof about one record, or of growth", cmd_audit_prove,
     OPTIONS({"since", "CHECKPOINT", "proves that the record only grew since that file's"},
             {"key", "KEY", "the public key, where it does not lie here"}),
     "RECORD is the number (seq) of a record: its proof shows that it is one of those that were\n"
     "signed.  `reeve audit verify --proof FILE --key KEY` checks it anywhere."},
    {"ledger", "check", "", "debits equal credits, per currency", cmd_ledger_check, NULL, NULL},
    {"calendar", "add", "NAME", "a business calendar: working days and holidays", cmd_calendar_add,
     OPTIONS({"weekend", "DAYS", "free days of the week; default SAT,SUN"}),
     "Example: reeve calendar add de-be; reeve calendar import de-be holidays.txt\n"
     "A schedule with --calendar counts its working days by it: --cron \"0 2 B3 * *\"."},
    {"calendar", "set", "NAME", "put holidays in or take some out", cmd_calendar_set,
     OPTIONS({"holidays", "DATES", "to put in: 2026-12-25,2026-12-26"},
             {"label", "TEXT", "what these are"}, {"remove", "DATES", "to take out"},
             {"weekend", "DAYS", "free days of the week, as in FRI,SAT; none: no such day"}),
     "Schedules that use it are computed anew; what was due before stays due."},
    {"calendar", "import", "NAME FILE", "put the holidays of a file in", cmd_calendar_import, NULL,
     "One date a line with its name behind it, or an iCalendar file of all-day events."},
    {"calendar", "list", "", "calendars, how far they reach, who uses them", cmd_calendar_list,
     NULL, NULL},
    {"calendar", "show", "NAME", "its holidays", cmd_calendar_show, NULL, NULL},
    {"calendar", "remove", "NAME", "forget it; no schedule may use it", cmd_calendar_remove, NULL,
     NULL},
    {"schedule", "add", "NAME", "at these times handle exceptions, or run an agent",
     cmd_schedule_add,
     OPTIONS({"cron", "TEXT", "when: \"0 2 * * 1-5\" is at two on working days"},
             {"agent", "NAME", "begins a run of it; default: exceptions are found and handled"},
             {"input", "FILE|JSON", "what that run's plan gets, and the time that was due"},
             {"tz", "ZONE", "of these times; default: the company's"},
             {"gap", "POLICY", "times that clocks jump over: boundary, shift or skip"},
             {"fold", "POLICY", "times that come twice: first, last or both"},
             {"overlap", "POLICY", "when the last one still runs: see below"},
             {"catch-up", "SECONDS", "how late a missed time is still run; default 3600"},
             {"catch-up-max", "N", "of missed times, at most so many; default 1000"},
             {"jitter", "SECONDS", "spreads the start over this long"},
             {"pause-after", "N", "rests after so many failures in a row"},
             {"calendar", "NAME", "what working days are; default Monday to Friday"},
             {"except", "DATES", "days without a time: 2026-12-25,2026-12-26"}),
     "Fields: [second] minute hour day-of-month month day-of-week.  Beside lists, ranges, steps:\n"
     "L last day, L-2 two before; B3 third working day, LB last one, B each; 15>B the 15th or the\n"
     "working day after, 15<B before; FRI#2 second Friday, FRI#L last one.\n"
     "Overlap: skip (default), buffer_one, buffer_all, cancel_other, terminate_other, allow_all.\n"
     "Example: reeve schedule add payday --cron \"0 2 B3 * *\" --tz Europe/Berlin --calendar "
     "de-be\n"
     "The whole specification: runtime/schedule/README.md."},
    {"schedule", "set", "NAME", "change one in place", cmd_schedule_set,
     OPTIONS({"cron", "TEXT", "when"},
             {"agent", "NAME", "begins a run of it; none: exceptions are found and handled"},
             {"input", "FILE|JSON", "what that run's plan gets, instead of the whole one before"},
             {"tz", "ZONE", "of these times"},
             {"gap", "POLICY", "times that clocks jump over: boundary, shift or skip"},
             {"fold", "POLICY", "times that come twice: first, last or both"},
             {"overlap", "POLICY", "when the last one still runs"},
             {"catch-up", "SECONDS", "how late a missed time is still run"},
             {"catch-up-max", "N", "of missed times, at most so many"},
             {"jitter", "SECONDS", "spreads the start over this long"},
             {"pause-after", "N", "rests after so many failures in a row; 0: never"},
             {"calendar", "NAME", "what working days are; none: Monday to Friday"},
             {"except", "DATES", "days without a time, instead of those before"}),
     "What is not given stays as it is.  A paused one stays paused."},
    {"schedule", "backfill", "NAME", "run what was due in a time that is over",
     cmd_schedule_backfill,
     OPTIONS({"from", "TIME", "the first day, or 2026-12-01T08:00; in the schedule's zone"},
             {"to", "TIME", "the day after the last, or a time"},
             {"rate", "N", "starts at most so many a minute; default: no limit"},
             {"overlap", "POLICY", "buffer_all (default), allow_all or skip"},
             {"preview", NULL, "say which times these are, and make none"}),
     "By the expressions that were valid then.  Times that are recorded already, run or skipped,\n"
     "are left alone.  Example: reeve schedule backfill nightly --from 2026-12-01 --to 2026-12-24 "
     "--rate 10"},
    {"schedule", "list", "", "schedules: next and last time, how it ended, why one rests",
     cmd_schedule_list, OPTIONS({"next", "N", "so many next times of each"}), NULL},
    {"schedule", "show", "NAME", "all about one, with its next times (UTC)", cmd_schedule_show,
     OPTIONS({"next", "N", "so many next times; default 5"}), NULL},
    {"schedule", "next", "[NAME]", "the next times, in UTC, one a line", cmd_schedule_next,
     OPTIONS({"next", "N", "so many; default 5"},
             {"cron", "TEXT", "instead of NAME: of this pattern, which is stored nowhere"},
             {"tz", "ZONE", "of its times; default: the company's"},
             {"gap", "POLICY", "times that clocks jump over: boundary, shift or skip"},
             {"fold", "POLICY", "times that come twice: first, last or both"},
             {"calendar", "NAME", "what working days are; default Monday to Friday"},
             {"except", "DATES", "days without a time"}),
     "With --cron and --tz no database is asked, unless for a calendar.\n"
     "Example: reeve schedule next --cron \"0 2 LB * *\" --tz Europe/Berlin"},
    {"schedule", "pause", "NAME", "stop it until somebody resumes it, or for a while",
     cmd_schedule_pause,
     OPTIONS({"reason", "TEXT", "why"},
             {"until", "TIME", "resumes by itself then: 2026-12-25 or 2026-12-25T08:00"}),
     "A time is of the schedule's zone, with a Z behind it of UTC."},
    {"schedule", "resume", "NAME", "go on; what was missed is not caught up", cmd_schedule_resume,
     NULL, "Also one that has ended, is broken, or was paused by its failures."},
    {"schedule", "remove", "NAME", "forget it; what runs goes on", cmd_schedule_remove, NULL,
     "Says how many run.  To end one: reeve run list, then reeve run cancel."},
    {"schedule", "run", "NAME", "due at once", cmd_schedule_run, NULL, NULL},
    {"model", "list", "", "models, their versions, and which one answers", cmd_model_list, NULL,
     "candidate  loaded, answers nobody\n"
     "canary     answers the companies named beside it\n"
     "active     answers all the others\n"
     "retired    was active before\n"
     "While no version is active, the setting model.path says what answers; \"shipped\" is the\n"
     "small model that reeve brings."},
    {"model", "load", "FILE", "a file as the next version of a model", cmd_model_load,
     OPTIONS({"name", "NAME", "of the model; its versions are counted"},
             {"template", "NAME", "its chat format, where the file's own is not to be taken"},
             {"timeout", "SECONDS", "for the health check; default 120"}),
     "Checks the file and its health: an engine opens it and gives the same bytes to the same\n"
     "question twice.  Its path and SHA-256 are recorded: a file that is changed afterwards is\n"
     "refused.  It answers nobody before canary or promote.  The act is on the record of the "
     "company\n"
     "that --company names, as promote and rollback are."},
    {"model", "canary", "NAME VERSION", "let single companies try a version", cmd_model_canary,
     OPTIONS({"end", NULL, "no longer: the company goes with all the others"}),
     "The companies are named with --company, which may be repeated; each has a record of it.\n"
     "Example: reeve model canary clerk 2 --company acme --company globex"},
    {"model", "promote", "NAME VERSION", "this version answers from now on", cmd_model_promote,
     NULL,
     "Every company but those that try another version.  A serving reeve begins the new engine,\n"
     "and answers with the one before until it is ready; what was asked before ends as it began."},
    {"model", "rollback", "NAME", "the version before the active one answers again",
     cmd_model_rollback, NULL,
     "No file is looked at.  Each step back is taken once; before the first promoted version it\n"
     "was the setting model.path that answered."},
    {"model", "check", "FILE", "what a GGUF file is, or what is wrong with it", cmd_model_check,
     OPTIONS({"template", "NAME", "with this chat format"}),
     "Needs no database.  What is unknown is refused by name.  A chat template that is there and\n"
     "not known is explained and refused: name its format (model.template; reeve model load FILE\n"
     "--template NAME), or use the file for /v1/completions and /v1/embeddings alone."},
    {"model", "make", "", "a model of random weights, for measurements", cmd_model_make,
     OPTIONS({"shape", "NAME", "which; without it the error lists them"},
             {"quant", "TYPE", "type of its weights; default Q8_0"},
             {"seed", "N", "the same number gives the same file; default 1"},
             {"out", "FILE", "default SHAPE-TYPE.gguf; never overwritten"}),
     NULL},
    {"model", "chat", "[FILE]", "talk to a model, a line a turn", cmd_model_chat,
     OPTIONS({"tokens", "N", "at most so many an answer; default 512"},
             {"template", "NAME", "with this chat format"}),
     "Reads lines from standard input.  FILE is a GGUF file, or shipped: the small one that reeve\n"
     "brings; without it the setting model.path says which.  Needs no database, changes nothing."},
    {"adapter", "load", "FILE", "a LoRA adapter of this company", cmd_adapter_load,
     OPTIONS({"name", "NAME", "asked for as MODEL:NAME"},
             {"timeout", "SECONDS", "for the health check; default 120"}),
     "Tried with the model that answers the company.  In the API: \"model\": \"reeve:NAME\"; no\n"
     "other company can ask for it.  The same name again replaces it."},
    {"adapter", "list", "", "LoRA adapters of this company", cmd_adapter_list, NULL, NULL},
    {"adapter", "use", "NAME", "what this company's agents ask the model with", cmd_adapter_use,
     NULL,
     "Where an agent names none itself: llm.decide { adapter = \"NAME\" }.  \"none\": without "
     "one.\n"
     "The journal records it with its hash; a run that is replayed never asks again."},
    {"adapter", "remove", "NAME", "forget one; its file stays", cmd_adapter_remove, NULL, NULL},
    {"node", "list", "", "nodes that serve this database, and what each drives", cmd_node_list,
     OPTIONS({"all", NULL, "also those that are gone, for a day"}),
     "STATE is serving, working (a command that drives runs) or gone.  LOAD counts each company "
     "as\n"
     "1 and its active runs, times its weight; nodes even it out between them.  How to set up\n"
     "several nodes: runtime/README.md, \"Several nodes\"."},
    {"serve", NULL, "", "the inbox, the API, runs and web hooks", cmd_serve,
     OPTIONS({"listen", "ADDRESS:PORT", "instead of the setting http.listen"}),
     "SIGTERM and Ctrl-C stop it in order: it takes nothing new, gives its companies to other\n"
     "nodes and ends what it has begun.  SIGTERM again changes nothing; Ctrl-C again ends it at\n"
     "once, which loses no more than kill -9 does: nothing that was said to be done."},
    {"top", NULL, "", "what a serving reeve is doing: cores, companies, actors, dead letters",
     cmd_top,
     OPTIONS({"url", "URL", "of the serving reeve; default: the setting http.listen"},
             {"token-file", "FILE", "an admin's API token; default: $REEVE_TOKEN"},
             {"ca", "FILE", "PEM that vouches for the server; default: http.tls_cert, if set"},
             {"interval", "SECONDS", "between two looks, 1 to 60; default 2"},
             {"limit", "N", "rows of each table; default 15"},
             {"run", "RUN", "the messages that the actors of this run got, instead"},
             {"once", NULL, "also on a terminal"}),
     "On a terminal the tables are rewritten until Ctrl-C; elsewhere it looks twice, prints and\n"
     "ends.  Rates and what is stuck come from the difference of two looks:\n"
     "  core does not answer   a turn holds it up; whose, if it is yours to see\n"
     "  grows, is not read     a mailbox that is fuller than before, or whose actor read nothing\n"
     "  begins again           an actor that failed and waits for its restart\n"
     "Memory is what the actors, their mailboxes and their plans in Lua take.  CLASS says whose "
     "turn\n"
     "comes first: interactive (a person has answered), normal, batch (a look has begun it).  "
     "--run\n"
     "shows the newest messages of a run that this node still has; from then on it keeps 1,024 of\n"
     "that run for ten minutes:  reeve top --run r_42 --json.  A run that is started by HTTP with\n"
     "the field traceparent belongs to that trace (W3C trace-context).  The token\n"
     "is made with: reeve token make PERSON.  PERSON must have the role admin; actors of other\n"
     "companies are not shown."},
    {"db", "start", "", "start reeve's own PostgreSQL (made the first time); print its URI",
     cmd_db_start, NULL,
     "The server listens on a unix socket only, runs on between commands and never as root.\n"
     "Commands that need it start it by themselves."},
    {"db", "stop", "", "stop reeve's own PostgreSQL cleanly", cmd_db_stop, NULL, NULL},
    {"db", "remove", "", "delete reeve's own PostgreSQL with everything in it", cmd_db_remove,
     OPTIONS({"yes", NULL, "without it only says what would be deleted"},
             {"orphaned", NULL, "instead those whose state directory is gone (root's)"}),
     "The keys in the state directory stay.  There is no way back but a backup."},
    {"db", "status", "", "whether the database runs, and where", cmd_db_status, NULL,
     "Exit status 4 when it does not run."},
    {"db", "uri", "", "print the connection string, for psql and scripts", cmd_db_uri,
     OPTIONS({"owner", NULL, "of who migrates and backs up instead of who runs reeve"}),
     "A session that reads a company's rows says first: SET reeve.tenant = 1;"},
    {"db", "migrate", "", "bring the database to this program's schema", cmd_db_migrate,
     OPTIONS({"owner-uri", "URI", "connects so instead of by database.owner_uri"}),
     "All new migrations in one transaction; doing it again does nothing.  Needs a login that is\n"
     "a member of reeve_owner; in reeve's own PostgreSQL the commands do it by themselves."},
    {"config", "show", "[SETTING]", "which settings hold and where each came from", cmd_config_show,
     NULL,
     "A setting may stand in reeve.conf, in the environment (REEVE_HTTP_LISTEN for\n"
     "http.listen) or in --set; the later beats the earlier.  Passwords are not shown."},
    {"config", "list", "", "all settings with their defaults and meaning", cmd_config_list, NULL,
     NULL},
    {"config", "sample", "", "print a reeve.conf with every setting, commented out",
     cmd_config_sample, NULL, NULL},
    {"doctor", NULL, "", "what is missing or degraded, and what to do", cmd_doctor, NULL,
     "Each line is ok, degraded (reeve works) or missing (it does not).\n"
     "Exit status 1 when something is missing."},
    {"bench", NULL, "[NAME]", "measure (runs reeve-bench)", cmd_bench,
     OPTIONS({"seconds", "S", "how long each case runs"}, {"case", "CASE", "only this one"},
             {"kills", "N", "of reeve, for crash and recover"},
             {"stops", "N", "of PostgreSQL without warning, for both"},
             {"seed", "N", "of chance, for both; printed when left out"},
             {"runs", "N", "search, park, activate, claims: so many"},
             {"steps", "N", "history: of the one run, or of the month that is dropped"},
             {"vs-erlang", NULL, "actors: the same programs in Erlang/OTP, in turn"},
             {"vs-go", NULL, "in Go"}, {"vs-tokio", NULL, "with Tokio"},
             {"vs-caf", NULL, "with CAF"}, {"gpu", NULL, "model: only the cases of a GPU"}),
     "Without a name it lists what there is.  With --json one object a line:\n"
     "{\"bench\":...,\"case\":...,\"metric\":...,\"value\":...,\"unit\":...}"},
    {"version", NULL, "", "print the version", cmd_version,
     OPTIONS({"build", NULL, "adds commit, compiler and libraries"}), NULL},
    {"help", NULL, "[NOUN] [VERB]", "this list, or more about one command", cmd_help, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};
