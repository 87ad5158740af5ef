/* external.c -- what happens outside of the books: a request, a mail, a file.
 *
 * Deciding one writes no event.  It says that the connector exists, that it is of that kind and
 * open, and that these arguments are within what its administrator allows; the answer is what will
 * be tried.  The runtime keeps the answer as a durable intent, in the transaction of the decision,
 * and performs it afterwards, once (runtime/effect).  Agents name connectors, never addresses or
 * passwords.
 *
 * An action may say what takes it back: `compensate` is another action of this file with its
 * arguments, in which the text {key} stands for the idempotency key of what is taken back.
 */
#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/schema.h"
#include "erp/command/words.h"
#include "erp_command_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <string.h>
#include <strings.h>

/* ---- what all three share ---- */

static int request_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    out[0] = rv_arena_printf(arena, "connector:%s", rv_json_str(args, "connector", ""));
    return 1;
}

static bool listed(const json_t *list, const char *word)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)list, i, one)
    {
        if (strcmp(json_string_value(one), word) == 0) {
            return true;
        }
    }
    return false;
}

/* The action that takes it back must be one that could be asked for. */
static enum rv_code check_back(const json_t *args, struct rv_error *err)
{
    const json_t *back = json_object_get(args, "compensate");
    if (back == NULL) {
        return RV_OK;
    }
    const struct erp_command *command = erp_command_find(rv_json_str(back, "action", ""));
    json_t *copy = json_deep_copy(json_object_get(back, "args"));
    enum rv_code code = RV_OK;
    RV_ASSERT(command != NULL && command->outside); /* the schema lists them */
    if (!json_is_object(copy)) {
        code = rv_fail(err, RV_INVALID, "\"/compensate/args\" is not of type object");
    } else if (json_object_get(copy, "compensate") != NULL) {
        code = rv_fail(err, RV_INVALID, "\"/compensate/args/compensate\": once is enough");
    } else {
        code = erp_command_check(command, copy, err);
        code = code == RV_OK ? RV_OK : rv_wrap(err, code, "compensate");
    }
    json_decref(copy);
    return code;
}

/* The connector, when it is there, of that kind and open. */
static enum rv_code need_connector(const struct erp_context *context, const json_t *args,
                                   const json_t *state, const char *kind, const json_t **out,
                                   struct rv_error *err)
{
    const char *name = rv_json_str(args, "connector", "");
    const json_t *connector = erp_part(state, "connector");
    *out = connector;
    if (strncmp(context->actor, "person:", 7) == 0) {
        rv_fail(err, RV_INVALID, "what happens outside is done by runs of agents only");
        rv_hint(err, "A run keeps the intent and its outcome; let an agent propose it.");
        return RV_INVALID;
    }
    if (connector == NULL) {
        rv_fail(err, RV_NOT_FOUND, "there is no connector \"%s\"", name);
        rv_hint(err, "See those of this company: reeve connector list.");
        return RV_NOT_FOUND;
    }
    if (strcmp(rv_json_str(connector, "kind", ""), kind) != 0) {
        return rv_fail(err, RV_INVALID, "connector \"%s\" is for %s, not for %s", name,
                       rv_json_str(connector, "kind", ""), kind);
    }
    if (!rv_json_bool(connector, "enabled", false)) {
        rv_fail(err, RV_CONFLICT, "connector \"%s\" is switched off", name);
        rv_hint(err, "An administrator opens it again: reeve connector enable %s.", name);
        return RV_CONFLICT;
    }
    return check_back(args, err);
}

static void answer(struct erp_outcome *outcome, const json_t *connector, const char *kind,
                   json_t *what)
{
    json_t *said = json_pack("{s:O,s:s,s:O*}", "connector", json_object_get(connector, "name"),
                             "kind", kind, "host", json_object_get(connector, "host"));
    json_object_update(said, what);
    json_decref(what);
    erp_answer(outcome, said);
}

/* Replaces {key} in every text; new reference. */
static json_t *with_key(const json_t *value, const char *key)
{
    static const char mark[] = "{key}";
    if (json_is_string(value) && strstr(json_string_value(value), mark) != NULL) {
        struct rv_buf text;
        rv_buf_init(&text, ERP_SCHEMA_DATA_MAX);
        const char *at = json_string_value(value);
        for (const char *found = strstr(at, mark); found != NULL; found = strstr(at, mark)) {
            rv_buf_add(&text, at, (size_t)(found - at));
            rv_buf_str(&text, key);
            at = found + strlen(mark);
        }
        rv_buf_str(&text, at);
        json_t *out = json_stringn(text.data, text.length);
        rv_buf_fini(&text);
        return out;
    }
    json_t *copy = json_copy((json_t *)(uintptr_t)value);
    const char *name;
    size_t i;
    json_t *one;
    json_object_foreach((json_t *)(uintptr_t)(json_is_object(value) ? value : NULL), name, one)
    {
        json_object_set_new(copy, name, with_key(one, key));
    }
    if (json_is_array(value)) {
        json_array_foreach((json_t *)(uintptr_t)value, i, one)
        {
            json_array_set_new(copy, i, with_key(one, key));
        }
    }
    return copy;
}

/* What the plan named, about the key that the runtime has put into the answer. */
static bool take_back(const json_t *args, const json_t *answered, const char **name,
                      json_t **out_args)
{
    const json_t *back = json_object_get(args, "compensate");
    const struct erp_command *command = erp_command_find(rv_json_str(back, "action", ""));
    if (command == NULL || !command->outside) {
        return false;
    }
    *name = command->name;
    *out_args = with_key(json_object_get(back, "args"), rv_json_str(answered, "key", ""));
    return true;
}

/* clang-format off */
#define CONNECTOR JSON({"type": "string", "minLength": 1, "maxLength": 64})
#define DATA JSON({"type": "data"})
#define BACK OBJECT(JSON("action", "args"), \
    FIELD("action", JSON({"type": "string", "enum": ["http.request", "mail.send", "file.write"]})) "," \
    FIELD("args", DATA))
/* clang-format on */

/* ---- http.request ---- */

/* Only below the connector's own address: no way up, no other host, nothing that ends a header. */
static enum rv_code check_path(const char *path, struct rv_error *err)
{
    const char *problem = NULL;
    if (path[0] != '\0' && (path[0] != '/' || path[1] == '/')) {
        problem = "must begin with one /";
    }
    for (const unsigned char *at = (const unsigned char *)path; *at != '\0'; at++) {
        if (*at <= ' ' || *at >= 0x7f || *at == '\\' || *at == '#') {
            problem = "has white space, # or characters beyond ASCII: write them as %20 and so on";
        }
    }
    char *copy = rv_strdup(path);
    copy[strcspn(copy, "?")] = '\0';
    for (char *at = strstr(copy, "/."); at != NULL && problem == NULL; at = strstr(at + 1, "/.")) {
        size_t dots = strspn(at + 1, ".");
        if (dots <= 2 && (at[1 + dots] == '/' || at[1 + dots] == '\0')) {
            problem = "must not go up or stand still with . and ..";
        }
    }
    for (char *at = strchr(copy, '%'); at != NULL && problem == NULL; at = strchr(at + 1, '%')) {
        if (strncmp(at, "%2e", 3) == 0 || strncmp(at, "%2E", 3) == 0 ||
            strncmp(at, "%2f", 3) == 0 || strncmp(at, "%2F", 3) == 0) {
            problem = "must not hide a dot or a slash as %2E or %2F";
        }
    }
    rv_free(copy);
    return problem == NULL ? RV_OK : rv_fail(err, RV_INVALID, "\"/path\" %s", problem);
}

static enum rv_code http_decide(const struct erp_context *context, const json_t *args,
                                const json_t *state, struct erp_outcome *outcome,
                                struct rv_error *err)
{
    const json_t *connector = NULL;
    const char *method = rv_json_str(args, "method", "POST");
    const char *path = rv_json_str(args, "path", "");
    enum rv_code code = need_connector(context, args, state, "http", &connector, err);
    if (code == RV_OK) {
        code = check_path(path, err);
    }
    if (code == RV_OK && !listed(json_object_get(connector, "methods"), method)) {
        code = rv_fail(err, RV_DENIED, "connector \"%s\" does not take %s",
                       rv_json_str(connector, "name", ""), method);
    }
    if (code == RV_OK) {
        answer(outcome, connector, "http", json_pack("{s:s,s:s}", "method", method, "path", path));
    }
    return code;
}

/* clang-format off */
const struct erp_command erp_http_request = {
    .name = "http.request",
    .summary = "Sends a request to a connector, once, with an idempotency key; its answer is recorded.",
    .schema = OBJECT(JSON("connector"),
        FIELD("connector", CONNECTOR) ","
        FIELD("method", JSON({"type": "string", "enum": ["POST", "PUT", "PATCH", "DELETE"], "default": "POST"})) ","
        FIELD("path", JSON({"type": "string", "maxLength": 1000, "default": ""})) ","
        FIELD("body", DATA) "," FIELD("compensate", BACK)),
    .tier = ERP_TIER_MONEY,
    .risk = ERP_RISK_LEAVES,
    .outside = true,
    .load = &rv_sql_load_connector,
    .keys = request_keys,
    .decide = http_decide,
    .compensate = take_back,
};
/* clang-format on */

/* ---- mail.send ---- */

/* "*@example.com" allows a whole domain, "a@example.com" one. */
static bool allows(const json_t *list, const char *address)
{
    size_t i;
    json_t *one;
    const char *domain = strrchr(address, '@');
    json_array_foreach((json_t *)(uintptr_t)list, i, one)
    {
        const char *rule = json_string_value(one);
        if (strcmp(rule, address) == 0 ||
            (rule[0] == '*' && domain != NULL && strcasecmp(rule + 1, domain) == 0)) {
            return true;
        }
    }
    return false;
}

static enum rv_code check_address(const json_t *connector, const char *address,
                                  struct rv_error *err)
{
    const char *at = strchr(address, '@');
    bool shape = at != NULL && at != address && at[1] != '\0' && strchr(at + 1, '@') == NULL;
    for (const unsigned char *c = (const unsigned char *)address; *c != '\0'; c++) {
        shape = shape && *c > ' ' && *c < 0x7f && strchr("<>,;:\"()[]\\", *c) == NULL;
    }
    if (!shape) {
        return rv_fail(err, RV_INVALID, "\"/to\": \"%.80s\" is no mail address", address);
    }
    if (!allows(json_object_get(connector, "recipients"), address)) {
        rv_fail(err, RV_DENIED, "connector \"%s\" does not write to \"%.80s\"",
                rv_json_str(connector, "name", ""), address);
        rv_hint(err,
                "An administrator lists recipients with --to: a@example.com or *@example.com.");
        return RV_DENIED;
    }
    return RV_OK;
}

static enum rv_code mail_decide(const struct erp_context *context, const json_t *args,
                                const json_t *state, struct erp_outcome *outcome,
                                struct rv_error *err)
{
    const json_t *connector = NULL;
    size_t i;
    json_t *to;
    enum rv_code code = need_connector(context, args, state, "mail", &connector, err);
    json_array_foreach(json_object_get(args, "to"), i, to)
    {
        code = code == RV_OK ? check_address(connector, json_string_value(to), err) : code;
    }
    const char *subject = rv_json_str(args, "subject", "");
    if (code == RV_OK && strpbrk(subject, "\r\n") != NULL) {
        code = rv_fail(err, RV_INVALID, "\"/subject\" has a line break");
    }
    if (code == RV_OK) {
        answer(outcome, connector, "mail",
               json_pack("{s:O,s:s}", "to", json_object_get(args, "to"), "subject", subject));
    }
    return code;
}

/* clang-format off */
const struct erp_command erp_mail_send = {
    .name = "mail.send",
    .summary = "Sends a mail by a connector, once; recipients are those its administrator allows.",
    .schema = OBJECT(JSON("connector", "to", "subject", "text"),
        FIELD("connector", CONNECTOR) ","
        FIELD("to", LIST1(20, JSON({"type": "string", "minLength": 3, "maxLength": 254}))) ","
        FIELD("subject", JSON({"type": "string", "minLength": 1, "maxLength": 200})) ","
        FIELD("text", JSON({"type": "string", "minLength": 1, "maxLength": 200000})) ","
        FIELD("compensate", BACK)),
    .tier = ERP_TIER_MONEY,
    .risk = ERP_RISK_LEAVES,
    .outside = true,
    .load = &rv_sql_load_connector,
    .keys = request_keys,
    .decide = mail_decide,
    .compensate = take_back,
};
/* clang-format on */

/* ---- file.write ---- */

static enum rv_code check_name(const char *name, struct rv_error *err)
{
    static const char fine[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (name[0] == '.' || name[0] == '-' || strspn(name, fine) != strlen(name)) {
        rv_fail(err, RV_INVALID, "\"/name\": \"%.80s\" is no plain file name", name);
        rv_hint(err, "Letters, digits, point, dash and underscore; it begins with one of the first "
                     "two. The directory is the connector's.");
        return RV_INVALID;
    }
    return RV_OK;
}

static enum rv_code file_decide(const struct erp_context *context, const json_t *args,
                                const json_t *state, struct erp_outcome *outcome,
                                struct rv_error *err)
{
    const json_t *connector = NULL;
    const char *name = rv_json_str(args, "name", "");
    const char *text = rv_json_str(args, "text", "");
    enum rv_code code = need_connector(context, args, state, "file", &connector, err);
    code = code == RV_OK ? check_name(name, err) : code;
    if (code == RV_OK) {
        struct rv_hash hash = rv_sha256(text, strlen(text));
        char hex[RV_HASH_HEX];
        rv_hash_hex(&hash, hex);
        answer(outcome, connector, "file",
               json_pack("{s:s,s:I,s:s}", "name", name, "bytes", (json_int_t)strlen(text), "sha256",
                         hex));
    }
    return code;
}

/* clang-format off */
const struct erp_command erp_file_write = {
    .name = "file.write",
    .summary = "Writes a new file below a connector's directory, once; never over another one.",
    .schema = OBJECT(JSON("connector", "name", "text"),
        FIELD("connector", CONNECTOR) ","
        FIELD("name", JSON({"type": "string", "minLength": 1, "maxLength": 120})) ","
        FIELD("text", JSON({"type": "string", "maxLength": 1000000})) ","
        FIELD("compensate", BACK)),
    .tier = ERP_TIER_MONEY,
    .risk = ERP_RISK_LEAVES,
    .outside = true,
    .load = &rv_sql_load_connector,
    .keys = request_keys,
    .decide = file_decide,
    .compensate = take_back,
};
/* clang-format on */
