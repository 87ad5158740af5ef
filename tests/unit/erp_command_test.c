/* erp_command_test.c -- the catalogue is sound, arguments are checked, decide functions are pure:
 * JSON in, events out. */
#include "erp/command/command.h"
#include "erp/command/event_hash.h"
#include "erp/command/rebuild.h"
#include "erp/command/schema.h"
#include "runtime/base/check.h"
#include "tests/support/test.h"

static json_t *json(const char *text) /* with ' for " */
{
    char *copy = rv_strdup(text);
    for (char *at = copy; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    json_t *value = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_msg(rv_json_parse(copy, strlen(copy), "test", &value, &err) == RV_OK, "%s: %s",
                  err.message, copy);
    rv_free(copy);
    return value;
}

/* ---- schemas ---- */

static void walk(const char *name, const json_t *schema, int depth)
{
    static const char *const known[] = {
        "type",      "required", "properties", "additionalProperties",
        "items",     "minItems", "maxItems",   "minLength",
        "maxLength", "minimum",  "maximum",    "enum",
        "default",   "format"};
    const char *key;
    json_t *rule;
    ck_assert_int_lt(depth, ERP_SCHEMA_DEPTH_MAX);
    json_object_foreach((json_t *)(uintptr_t)schema, key, rule)
    {
        bool found = false;
        for (size_t i = 0; i < RV_COUNT(known); i++) {
            found = found || strcmp(known[i], key) == 0;
        }
        ck_assert_msg(found, "%s uses the keyword \"%s\"", name, key);
    }
    const json_t *properties = json_object_get(schema, "properties");
    ck_assert_msg(strcmp(rv_json_str(schema, "type", ""), "object") != 0 ||
                      json_is_false(json_object_get(schema, "additionalProperties")),
                  "%s is open", name);
    ck_assert_msg(strcmp(rv_json_str(schema, "type", ""), "array") != 0 ||
                      json_object_get(schema, "maxItems") != NULL,
                  "%s has no limit", name);
    json_object_foreach((json_t *)(uintptr_t)properties, key, rule)
    {
        walk(name, rule, depth + 1);
    }
    size_t i;
    json_t *required;
    json_array_foreach(json_object_get(schema, "required"), i, required)
    {
        ck_assert_ptr_nonnull(json_object_get(properties, json_string_value(required)));
    }
    if (json_object_get(schema, "items") != NULL) {
        walk(name, json_object_get(schema, "items"), depth + 1);
    }
}

TEST(every_command_is_whole_and_its_schema_closed)
{
    for (size_t i = 0; erp_commands[i] != NULL; i++) {
        const struct erp_command *command = erp_commands[i];
        json_t *schema = json("{}");
        json_decref(schema);
        struct rv_error err = {.code = RV_OK};
        ck_assert_msg(rv_json_parse(command->schema, strlen(command->schema), command->name,
                                    &schema, &err) == RV_OK,
                      "%s", err.message);
        walk(command->name, schema, 0);
        json_decref(schema);
        ck_assert(command->load != NULL && command->keys != NULL && command->decide != NULL &&
                  command->compensate != NULL && strlen(command->summary) > 10);
        ck_assert(erp_command_find(command->name) == command);
    }
    ck_assert_ptr_null(erp_command_find("event.delete"));
}

static void expect(const char *command, const char *args_text, enum rv_code wanted,
                   const char *message)
{
    json_t *args = json(args_text);
    struct rv_error err = {.code = RV_OK};
    ck_assert_msg(erp_command_check(erp_command_find(command), args, &err) == wanted, "%s %s: %s",
                  command, args_text, err.message);
    if (message != NULL) {
        ck_assert_msg(strstr(err.message, message) != NULL, "\"%s\" lacks \"%s\"", err.message,
                      message);
    }
    json_decref(args);
}

TEST(wrong_arguments_are_refused_by_place_and_rule)
{
    expect("invoice.hold", "{'invoice':1,'code':'price','reason':'x'}", RV_OK, NULL);
    expect("invoice.hold", "{'invoice':1,'code':'cheap','reason':'x'}", RV_INVALID,
           "\"/code\" \"cheap\" is not one of");
    expect("invoice.hold", "{'invoice':0,'code':'price','reason':'x'}", RV_INVALID,
           "\"/invoice\" 0 is below 1");
    expect("invoice.hold", "{'invoice':'1','code':'price','reason':'x'}", RV_INVALID,
           "not of type integer");
    expect("invoice.hold", "{'invoice':1.5,'code':'price','reason':'x'}", RV_INVALID,
           "not of type integer");
    expect("invoice.hold", "{'invoice':1,'code':'price'}", RV_INVALID, "\"/reason\" is required");
    expect("invoice.hold", "{'invoice':1,'code':'price','reason':null}", RV_INVALID,
           "\"/reason\" is required");
    expect("invoice.hold", "{'invoice':1,'code':'price','reason':'x','iban':'y'}", RV_INVALID,
           "\"/iban\" is not known");
    expect("invoice.hold", "[]", RV_INVALID, "not of type object");
    expect("journal.post",
           "{'memo':'m','lines':[{'account':'1','amount_minor':1,'currency':'EUR'}]}", RV_INVALID,
           "fewer than 2");
    expect("journal.post",
           "{'memo':'m','date':'2025-02-30','lines':[{'account':'1','amount_minor':1,'currency':'"
           "EUR'},"
           "{'account':'1','amount_minor':1,'currency':'EUR'}]}",
           RV_INVALID, "\"/date\" \"2025-02-30\" is no date");
    expect("journal.post",
           "{'memo':'m','lines':[{'account':'1','amount_minor':1,'currency':'XAU'},"
           "{'account':'1','amount_minor':1,'currency':'EUR'}]}",
           RV_INVALID, "\"/lines/0/currency\"");
    expect("party.register", "{'name':'A','iban':'DE00'}", RV_INVALID, "is no iban");
}

/* A schema that somebody else has written. */
static void is_schema(const char *text, const char *words)
{
    struct rv_error err = {.code = RV_OK};
    json_t *schema = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(schema);
    enum rv_code code = erp_schema_complete(schema, &err);
    if (words == NULL) {
        ck_assert_msg(code == RV_OK, "%s", err.message);
    } else {
        ck_assert_int_eq(code, RV_INVALID);
        ck_assert_msg(strstr(err.message, words) != NULL, "\"%s\" does not say \"%s\"", err.message,
                      words);
    }
    json_decref(schema);
}

TEST(a_foreign_schema_is_completed_or_refused_by_place_and_rule)
{
    is_schema("{\"type\":\"object\"}", NULL);
    is_schema("{\"type\":\"object\",\"properties\":[],\"required\":{}}", NULL); /* Lua's {} */
    is_schema("{\"type\":\"array\",\"items\":{\"type\":\"data\"},\"title\":\"x\"}", NULL);
    is_schema("[]", "must be a schema");
    is_schema("{}", "\"/type\" \"\" is not a type");
    is_schema("{\"type\":\"number\"}", "\"number\" is not a type");
    is_schema("{\"type\":\"string\",\"minimum\":1}", "\"/minimum\" is not known for type string");
    is_schema("{\"type\":\"string\",\"pattern\":\"a\"}", "\"/pattern\" is not known");
    is_schema("{\"type\":\"string\",\"format\":\"time\"}", "\"/format\" is not a format");
    is_schema("{\"type\":\"string\",\"enum\":[1]}", "\"/enum\" must be a list of texts");
    is_schema("{\"type\":\"string\",\"maxLength\":-1}", "\"/maxLength\" must be an integer");
    is_schema("{\"type\":\"integer\",\"maximum\":\"9\"}", "\"/maximum\" must be an integer");
    is_schema("{\"type\":\"integer\",\"maximum\":9,\"default\":10}", "\"/default\" does not pass");
    is_schema("{\"type\":\"array\"}", "\"/items/\" must be a schema");
    is_schema("{\"type\":\"array\",\"items\":{\"type\":\"data\"},\"maxItems\":\"x\"}",
              "\"/maxItems\"");
    is_schema("{\"type\":\"object\",\"additionalProperties\":true}", "must be false");
    is_schema("{\"type\":\"object\",\"required\":[\"a\"]}", "names \"a\", which is not in");
    is_schema("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"x\"}}}",
              "\"/properties/a/type\" \"x\" is not a type");
    char deep[1024] = "{\"type\":\"data\"}";
    for (int i = 0; i < 10; i++) {
        char inner[1024];
        snprintf(inner, sizeof inner, "%s", deep);
        snprintf(deep, sizeof deep, "{\"type\":\"array\",\"items\":%.900s}", inner);
    }
    is_schema(deep, "is nested too deeply");
}

TEST(defaults_are_filled_in)
{
    json_t *args = json("{'name':'A'}");
    ck_assert_int_eq(erp_command_check(erp_command_find("party.register"), args, NULL), RV_OK);
    ck_assert_str_eq(rv_json_str(args, "status", ""), "active");
    ck_assert_int_eq(rv_json_int(args, "payment_days", 0), 30);
    json_decref(args);
}

/* ---- decide functions ---- */

static enum rv_code decide(const char *command, const char *args_text, const char *state_text,
                           struct erp_outcome *outcome, struct rv_arena *arena,
                           struct rv_error *err)
{
    struct erp_context context = {
        .tenant = 1, .today = 20454, .first_id = 1600, .actor = "person:tester", .arena = arena};
    json_t *args = json(args_text);
    json_t *state = json(state_text);
    erp_outcome_init(outcome);
    enum rv_code code = erp_command_find(command)->decide(&context, args, state, outcome, err);
    json_decref(args);
    json_decref(state);
    return code;
}

#define ROLES                                                                                      \
    "'roles':{'ap_control':{'number':'1600','name':'Payables'},'expense':{'number':'4900','name':" \
    "'Costs'},"                                                                                    \
    "'vat_input':{'number':'1400','name':'Input "                                                  \
    "tax'},'rounding':{'number':'4980','name':'Rounding'}},'locks':{}"

TEST(posting_an_invoice_makes_a_balanced_entry_and_an_open_item)
{
    static const char state[] =
        "{'invoice':{'id':7,'version':3,'state':'registered','number':'I-1','number_norm':'I1','"
        "party':5,'currency':'EUR',"
        "'net':10001,'tax':1900,'rounding':-1,'prepaid':0,'payable':11900,'due':'2026-01-31'},"
        "'lines':[{'no':'1','net':6000,'ordered':false},{'no':'2','net':5001,'ordered':false}]"
        "," ROLES ",'facts':{}}";
    struct rv_arena *arena = rv_arena_create("test", 1 << 20);
    struct erp_outcome outcome;
    struct rv_error err = {.code = RV_OK};
    ck_assert_msg(decide("invoice.post", "{'invoice':7}", state, &outcome, arena, &err) == RV_OK,
                  "%s", err.message);
    ck_assert_int_eq(outcome.event_count, 2);
    ck_assert_str_eq(outcome.events[0].type, "journal.posted.v1");
    ck_assert_str_eq(outcome.events[1].stream, "invoice:7");
    ck_assert_int_eq(outcome.events[1].version, 4);
    int64_t sum = 0;
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(outcome.events[0].body, "lines"), i, line)
    {
        sum += rv_json_int(line, "amount", 0);
    }
    ck_assert_int_eq(i, 4); /* costs less the document's allowance, tax, rounding, payables */
    ck_assert_int_eq(sum, 0);
    ck_assert_int_eq(rv_json_int(json_object_get(outcome.events[1].body, "item"), "amount", 0),
                     11900);
    erp_outcome_fini(&outcome);
    rv_arena_destroy(arena);
}

TEST(an_invoice_that_contradicts_itself_is_not_posted)
{
    static const char state[] =
        "{'invoice':{'id':7,'version':3,'state':'registered','number':'I-1','party':5,'currency':'"
        "EUR','net':10000,"
        "'tax':1900,'rounding':0,'prepaid':0,'payable':12000,'due':'2026-01-31'},'lines':[]," ROLES
        ",'facts':{}}";
    struct rv_arena *arena = rv_arena_create("test", 1 << 20);
    struct erp_outcome outcome;
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(decide("invoice.post", "{'invoice':7}", state, &outcome, arena, &err),
                     RV_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.message, "119.00 EUR"));
    ck_assert_ptr_nonnull(strstr(err.message, "120.00 EUR"));
    ck_assert_int_eq(outcome.event_count, 0);
    erp_outcome_fini(&outcome);
    rv_arena_destroy(arena);
}

TEST(a_command_says_whether_it_moves_or_commits_money)
{
    static const char *const moving[] = {"invoice.post",    "payment.propose", "payment.release",
                                         "bank_line.match", "journal.post",    "order.change"};
    static const char *const still[] = {"invoice.hold",   "invoice.release", "invoice.link_order",
                                        "payment.cancel", "exception.note",  "party.register"};
    for (size_t i = 0; i < RV_COUNT(moving); i++) {
        ck_assert_int_eq(erp_command_find(moving[i])->money, ERP_MONEY_AMOUNT);
        ck_assert_int_eq(erp_command_find(still[i])->money, ERP_MONEY_NONE);
    }
    for (const struct erp_command *const *at = erp_commands; *at != NULL; at++) {
        ck_assert_msg((*at)->money == ERP_MONEY_NONE || (*at)->tier != ERP_TIER_NOTE,
                      "%s is a note and moves money", (*at)->name);
    }
}

TEST(a_command_says_how_many_points_of_risk_it_has)
{
    static const struct {
        const char *name;
        int risk;
    } some[] = {{"exception.note", 0},   {"invoice.hold", 1},    {"payment.propose", 1},
                {"journal.post", 5},     {"party.register", 10}, {"order.change", 10},
                {"payment.release", 20}, {"http.request", 20},   {"mail.send", 20},
                {"file.write", 20}};
    for (size_t i = 0; i < RV_COUNT(some); i++) {
        ck_assert_int_eq(erp_command_find(some[i].name)->risk, some[i].risk);
    }
    for (const struct erp_command *const *at = erp_commands; *at != NULL; at++) {
        const struct erp_command *one = *at;
        ck_assert_msg(one->risk >= 0 && one->risk <= ERP_RISK_MAX, "%s", one->name);
        ck_assert_msg(one->risk > ERP_RISK_NONE || one->tier == ERP_TIER_NOTE, "%s", one->name);
        ck_assert_msg(one->risk <= ERP_RISK_DRAFT || one->tier >= ERP_TIER_LEDGER, "%s", one->name);
        ck_assert_msg(one->risk >= ERP_RISK_BOOKS || one->tier < ERP_TIER_LEDGER, "%s", one->name);
        ck_assert_msg(one->risk >= ERP_RISK_COMMITS || one->tier < ERP_TIER_MONEY, "%s", one->name);
        ck_assert_msg(one->risk == ERP_RISK_LEAVES || !one->outside, "%s", one->name);
    }
}

TEST(a_payee_must_be_verified_and_its_account_rested)
{
    static const char items[] =
        "'items':[{'open_item':9,'party':5,'currency':'EUR','open':100,'reserved':0,'side':'AP',"
        "'ref':'I','held':false}],'account':{'number':'1200','role':'bank'}";
    static const struct {
        const char *party;
        enum rv_code code;
    } cases[] = {
        {"{'id':5,'name':'A','status':'active','iban':'X'}", RV_OK},
        {"{'id':5,'name':'A','status':'unverified','iban':'X'}", RV_CONFLICT},
        {"{'id':5,'name':'A','status':'active'}", RV_CONFLICT},
        {"{'id':5,'name':'A','status':'active','iban':'X','iban_before':'Y','iban_changed_on':'"
         "2025-12-30'}",
         RV_CONFLICT},
        {"{'id':5,'name':'A','status':'active','iban':'X','iban_before':'Y','iban_changed_on':'"
         "2025-12-20'}",
         RV_OK},
    };
    struct rv_arena *arena = rv_arena_create("test", 1 << 20);
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char state[600];
        snprintf(state, sizeof state, "{%s,'party':%s,'facts':{}}", items, cases[i].party);
        struct erp_outcome outcome;
        struct rv_error err = {.code = RV_OK};
        ck_assert_msg(decide("payment.propose", "{'items':[{'open_item':9}],'account':'1200'}",
                             state, &outcome, arena, &err) == cases[i].code,
                      "case %zu: %s", i, err.message);
        erp_outcome_fini(&outcome);
    }
    rv_arena_destroy(arena);
}

/* ---- chain and replay ---- */

TEST(the_chain_covers_every_field)
{
    json_t *body = json("{'b':1,'a':'x'}");
    struct erp_event_record record = {.tenant = 1,
                                      .seq = 1,
                                      .stream = "s:1",
                                      .version = 1,
                                      .type = "t.v1",
                                      .occurred_on = 20454,
                                      .recorded_us = 5,
                                      .actor = "a",
                                      .command_id = "c",
                                      .body = body};
    struct rv_hash zero = {{0}};
    struct rv_hash body_hash;
    struct rv_hash hash;
    ck_assert_int_eq(erp_event_hash(&record, &zero, &body_hash, &hash, NULL), RV_OK);
    for (int field = 0; field < 9; field++) {
        struct erp_event_record other = record;
        switch (field) {
        case 0: other.tenant = 2; break;
        case 1: other.stream = "s:"; break;
        case 2: other.version = 2; break;
        case 3: other.type = "t.v2"; break;
        case 4: other.occurred_on++; break;
        case 5: other.recorded_us++; break;
        case 6: other.actor = "b"; break;
        case 7: other.command_id = ""; break;
        default: other.seq = 2; break;
        }
        struct erp_chain chain;
        erp_chain_init(&chain);
        ck_assert_msg(erp_chain_check(&chain, &other, &body_hash, &hash, NULL) == RV_CORRUPT,
                      "field %d", field);
    }
    struct erp_chain chain;
    erp_chain_init(&chain);
    ck_assert_int_eq(erp_chain_check(&chain, &record, &body_hash, &hash, NULL), RV_OK);
    json_object_set_new(body, "x", json_real(1.5));
    ck_assert_int_eq(erp_event_hash(&record, &zero, &body_hash, &hash, NULL), RV_INVALID);
    json_decref(body);
}

TEST(a_run_of_a_replay_never_holds_a_stream_twice)
{
    const struct erp_event_type *held = erp_event_type_find("invoice.held.v1");
    const struct erp_event_type *released = erp_event_type_find("invoice.released.v1");
    const struct erp_event_type *detected = erp_event_type_find("exceptions.detected.v1");
    struct erp_rebuild_run run = {.type = NULL};
    ck_assert(erp_rebuild_join(&run, held, "invoice:1"));
    ck_assert(erp_rebuild_join(&run, held, "invoice:2"));
    ck_assert(!erp_rebuild_join(&run, held, "invoice:1"));
    ck_assert(!erp_rebuild_join(&run, released, "invoice:3"));
    run = (struct erp_rebuild_run){.type = NULL};
    ck_assert(erp_rebuild_join(&run, detected, "detection:1"));
    ck_assert(!erp_rebuild_join(&run, detected, "detection:2"));
}

TEST_MAIN()
