/* history.c -- see history.h. */
#include "runtime/run/history.h"

#include "runtime/base/check.h"
#include "runtime/model/redact.h"
#include "runtime/run/replay.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 1000 }; /* far more than limits.depth lets happen */

static const char format_name[] = "reeve-run/1";

/* ---- the seal ---- */

static void seal_of(const json_t *history, char out[2 * RV_HASH_BYTES + 1])
{
    json_t *rest = json_copy((json_t *)(uintptr_t)history);
    json_object_del(rest, "sha256");
    char *text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    RV_ASSERT(text != NULL);
    struct rv_hash hash = rv_sha256(text, strlen(text));
    rv_hash_hex(&hash, out);
    rv_free(text);
    json_decref(rest);
}

void rv_history_seal(json_t *history)
{
    char hex[2 * RV_HASH_BYTES + 1];
    seal_of(history, hex);
    json_object_set_new(history, "sha256", json_string(hex));
}

/* ---- checking ---- */

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool digest_from_hex(const char *hex, uint8_t out[RV_STEP_DIGEST_BYTES])
{
    if (strlen(hex) != 2 * (size_t)RV_STEP_DIGEST_BYTES) {
        return false;
    }
    for (size_t i = 0; i < RV_STEP_DIGEST_BYTES; i++) {
        int high = nibble(hex[2 * i]);
        int low = nibble(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(16 * high + low);
    }
    return true;
}

void rv_history_digest_hex(const uint8_t digest[RV_STEP_DIGEST_BYTES], char out[RV_HISTORY_DIGEST])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < RV_STEP_DIGEST_BYTES; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * RV_STEP_DIGEST_BYTES] = '\0';
}

enum rv_code rv_history_check_entry(const json_t *entry, int64_t seq, struct rv_error *err)
{
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    if (rv_json_int(entry, "seq", 0) != seq ||
        rv_step_kind_from_name(rv_json_str(entry, "kind", "")) == 0 ||
        rv_json_str(entry, "name", NULL) == NULL || json_object_get(entry, "out") == NULL ||
        !digest_from_hex(rv_json_str(entry, "digest", ""), digest)) {
        return rv_fail(err, RV_INVALID,
                       "journal[%" PRId64 "] must be {seq: %" PRId64 ", kind, name, digest, out}",
                       seq - 1, seq);
    }
    return RV_OK;
}

static enum rv_code check_journal(const json_t *history, struct rv_error *err)
{
    const json_t *journal = json_object_get(history, "journal");
    size_t i;
    json_t *step;
    if (!json_is_array(journal) || json_array_size(journal) > RV_HISTORY_STEPS_MAX) {
        return rv_fail(err, RV_INVALID, "field \"journal\" must be a list of at most %d steps",
                       RV_HISTORY_STEPS_MAX);
    }
    json_array_foreach((json_t *)(uintptr_t)journal, i, step)
    {
        if (rv_history_check_entry(step, (int64_t)i + 1, err) != RV_OK) {
            return RV_INVALID;
        }
    }
    return RV_OK;
}

enum rv_code rv_history_unsealed(struct rv_error *err)
{
    rv_fail(err, RV_CORRUPT, "field \"sha256\" does not fit: the file was changed or damaged");
    rv_hint(err, "Export the run again.");
    return RV_CORRUPT;
}

int64_t rv_history_run(const json_t *history)
{
    const char *run = rv_json_str(history, "run", "");
    size_t digits = strncmp(run, "r_", 2) == 0 ? strspn(run + 2, "0123456789") : 0;
    if (digits == 0 || run[2 + digits] != '\0') {
        return 0;
    }
    errno = 0;
    int64_t id = strtoll(run + 2, NULL, 10);
    return errno == 0 ? id : 0;
}

static bool depth_is_good(const json_t *depth)
{
    int64_t value = json_integer_value(depth);
    return depth == NULL || (json_is_integer(depth) && value >= 0 && value <= DEPTH_MAX);
}

enum rv_code rv_history_check_head(const json_t *history, struct rv_error *err)
{
    static const char *const texts[] = {"agent", "owner", "source"};
    struct rv_hash plan;
    if (strcmp(rv_json_str(history, "format", ""), format_name) != 0) {
        const char *found = rv_json_str(history, "format", "");
        bool newer = strncmp(found, format_name, sizeof format_name - 2) == 0;
        rv_fail(err, RV_INVALID, "field \"format\" is not \"%s\"%s%.40s", format_name,
                newer ? ", but " : "", newer ? found : "");
        rv_hint(err, newer ? "The file was made by another version of reeve: use that one."
                           : "Such a file is made by: reeve run export RUN FILE.");
        return RV_INVALID;
    }
    for (size_t i = 0; i < RV_COUNT(texts); i++) {
        if (rv_json_str(history, texts[i], NULL) == NULL) {
            return rv_fail(err, RV_INVALID, "field \"%s\" must be a text", texts[i]);
        }
    }
    if (rv_history_run(history) == 0) {
        return rv_fail(err, RV_INVALID, "field \"run\" must be the name of a run, like r_42");
    }
    if (!json_is_object(json_object_get(history, "input")) ||
        rv_json_int(history, "created_us", 0) <= 0) {
        return rv_fail(err, RV_INVALID,
                       "fields \"input\" (an object) and \"created_us\" (a time) must be there");
    }
    if (!depth_is_good(json_object_get(history, "depth"))) {
        return rv_fail(err, RV_INVALID, "field \"depth\" must be an integer from 0 to %d",
                       DEPTH_MAX);
    }
    if (rv_run_state_from_name(rv_json_str(history, "status", "")) == RV_RUN_STATE_COUNT) {
        return rv_fail(err, RV_INVALID, "field \"status\" is not the state of a run");
    }
    const char *source = rv_json_str(history, "source", "");
    struct rv_hash found = rv_sha256(source, strlen(source));
    if (!rv_hash_from_hex(rv_json_str(history, "plan", ""), &plan) ||
        !rv_hash_equal(&found, &plan)) {
        return rv_fail(err, RV_CORRUPT, "field \"plan\" is not the hash of field \"source\"");
    }
    return RV_OK;
}

enum rv_code rv_history_check(const json_t *history, struct rv_error *err)
{
    char hex[2 * RV_HASH_BYTES + 1];
    enum rv_code code = rv_history_check_head(history, err);
    if (code != RV_OK) {
        return code;
    }
    if (check_journal(history, err) != RV_OK) {
        return RV_INVALID;
    }
    seal_of(history, hex);
    return strcmp(hex, rv_json_str(history, "sha256", "")) == 0 ? RV_OK : rv_history_unsealed(err);
}

/* ---- as a run actor loads it ---- */

json_t *rv_history_step(int32_t seq, int kind, const char *name,
                        const uint8_t digest[RV_STEP_DIGEST_BYTES], json_t *out)
{
    char hex[RV_HISTORY_DIGEST];
    rv_history_digest_hex(digest, hex);
    return json_pack("{s:i,s:s,s:s,s:s,s:o}", "seq", (int)seq, "kind", rv_step_kind_name(kind),
                     "name", name, "digest", hex, "out", out);
}

struct rv_run_image *rv_history_image(const json_t *history)
{
    struct rv_run_image *image = rv_alloc(sizeof *image);
    const json_t *journal = json_object_get(history, "journal");
    image->state = rv_run_state_from_name(rv_json_str(history, "status", ""));
    image->agent = rv_strdup(rv_json_str(history, "agent", ""));
    image->owner = rv_strdup(rv_json_str(history, "owner", ""));
    image->source = rv_strdup(rv_json_str(history, "source", ""));
    image->source_length = strlen(image->source);
    image->plan_hash = rv_sha256(image->source, image->source_length);
    image->input = json_deep_copy(json_object_get(history, "input"));
    image->created_us = rv_json_int(history, "created_us", 0);
    image->depth = (int)rv_json_int(history, "depth", 0);
    image->parent = rv_json_int(history, "parent", 0);
    image->budget = json_deep_copy(json_object_get(history, "budget"));
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)(uintptr_t)journal, i, entry)
    {
        rv_history_take(image, entry);
    }
    return image;
}

void rv_history_take(struct rv_run_image *image, const json_t *entry)
{
    int count = image->step_count;
    if ((count & (count - 1)) == 0) { /* room for twice as many */
        image->steps =
            rv_realloc(image->steps, (size_t)(count > 0 ? 2 * count : 1) * sizeof *image->steps);
    }
    struct rv_step *step = &image->steps[image->step_count++];
    *step = (struct rv_step){.seq = (int32_t)rv_json_int(entry, "seq", 0),
                             .kind = rv_step_kind_from_name(rv_json_str(entry, "kind", "")),
                             .name = rv_strdup(rv_json_str(entry, "name", ""))};
    RV_ASSERT(digest_from_hex(rv_json_str(entry, "digest", ""), step->digest));
    step->out = json_incref(json_object_get(entry, "out")); /* nobody changes what was recorded */
    if (rv_step_is_version(step)) {
        rv_free(step->name);
        json_decref(step->out);
        image->step_count--;
        image->notes++;
    }
}

/* ---- redaction ---- */

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Texts under these keys name people and companies; free text is searched for them, too. */
static bool names_somebody(const char *key)
{
    static const char *const keys[] = {
        "name",   "supplier_name", "buyer_name", "party_name", "counterparty",
        "person", "account_name",  "contact",    "supplier",   "buyer",
        "vendor", "debtor",        "creditor",   "owner",      "people"};
    return is_one_of(key, keys, RV_COUNT(keys));
}

/* Texts under these keys say who did it: a person, or something of reeve's ("agent:x"). */
static bool names_who_did(const char *key)
{
    static const char *const keys[] = {
        "by",           "sent_by",     "said_by",     "begun_by",   "requested_by", "approved_by",
        "decided_by",   "resolved_by", "reversed_by", "created_by", "changed_by",   "made_by",
        "closed_by",    "held_by",     "noted_by",    "raised_by",  "assigned_to",  "assignee",
        "approver",     "approvers",   "actor",       "principal",  "author",       "sender",
        "user",         "username",    "requester",   "clerk",      "employee",     "assigned",
        "beneficiary",  "payee",       "first_name",  "last_name",  "full_name",    "display_name",
        "contact_name", "signatory",   "sponsor"};
    return is_one_of(key, keys, RV_COUNT(keys));
}

/* What reeve calls itself and its first account: nobody's name. */
static bool is_reeves_own(const char *who)
{
    static const char *const words[] = {"console", "operator",     "reeve",  "system",
                                        "machine", "orchestrator", "person", "agent"};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    size_t prefix = strncmp(who, "agent:", 6) == 0 ? 6 : strncmp(who, "system:", 7) == 0 ? 7 : 0;
    return (prefix > 0 && who[prefix + strspn(who + prefix, letters)] == '\0') ||
           is_one_of(who, words, RV_COUNT(words));
}

static void add_who(json_t *names, const char *who)
{
    const char *name = strncmp(who, "person:", 7) == 0 ? who + 7 : who;
    if (!is_reeves_own(name)) {
        json_array_append_new(names, json_string(name));
    }
}

static void gather_names(const json_t *value, const char *key, json_t *names)
{
    const char *inner;
    size_t i;
    json_t *item;
    if (json_is_string(value) && key != NULL && (names_who_did(key) || names_somebody(key))) {
        add_who(names, json_string_value(value));
    } else if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, inner, item)
        {
            gather_names(item, inner, names);
        }
    } else if (json_is_array(value)) {
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
        {
            gather_names(item, key, names);
        }
    }
}

/* A step's own name is reeve's word, not a person's; `waits`: nor is what a wait waits for, which
 * is the plan's. */
static void drop_step_names(const json_t *journal, bool waits, json_t *names)
{
    json_t *words = json_object();
    size_t i;
    json_t *step;
    json_array_foreach((json_t *)(uintptr_t)journal, i, step)
    {
        json_object_set_new(words, rv_json_str(step, "name", ""), json_true());
        if (waits && strcmp(rv_json_str(step, "kind", ""), "timer") == 0) {
            const json_t *out = json_object_get(step, "out");
            json_object_set_new(words, rv_json_str(out, "name", ""), json_true());
        }
    }
    for (i = json_array_size(names); i-- > 0;) {
        if (json_object_get(words, json_string_value(json_array_get(names, i))) != NULL) {
            json_array_remove(names, i);
        }
    }
    json_decref(words);
}

/* ---- what is not hidden ---- */

static void keep_run(json_t *ids, const char *run)
{
    size_t digits = strncmp(run, "r_", 2) == 0 ? strspn(run + 2, "0123456789") : 0;
    if (digits > 0 && digits < 20 && run[2 + digits] == '\0') {
        json_array_append_new(ids, json_string(run));
    }
}

/* The run, its parent, the one that it was forked of, and its children: from the places where
 * reeve, and nobody else, writes them. */
static json_t *own_ids(const json_t *history, const json_t *known)
{
    json_t *ids = json_array();
    int64_t parent = rv_json_int(history, "parent", 0);
    const json_t *forked = json_object_get(json_object_get(history, "input"), "forked");
    keep_run(ids, rv_json_str(history, "run", ""));
    keep_run(ids, rv_json_str(forked, "name", ""));
    if (parent > 0) {
        char text[32];
        snprintf(text, sizeof text, "r_%" PRId64, parent);
        keep_run(ids, text);
    }
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(history, "journal"), i, step)
    {
        if (rv_step_kind_from_name(rv_json_str(step, "kind", "")) == RV_STEP_START) {
            const json_t *out = json_object_get(step, "out");
            keep_run(ids, rv_json_str(json_object_get(out, "value"), "run", ""));
        }
    }
    json_array_extend(ids, json_object_get(known, "ids"));
    return ids;
}

/* ---- hiding ---- */

/* A field's name stays, a name used as one does not; `people`: as they are written. */
struct hiding {
    struct rv_redaction *redaction;
    json_t *people; /* object: each name true */
};

static bool is_field(const struct hiding *hiding, const char *key)
{
    bool plain = true;
    for (const char *at = key; *at != '\0'; at++) {
        plain = plain && (isalnum((unsigned char)*at) || *at == '_');
    }
    return plain && json_object_get(hiding->people, key) == NULL;
}

static enum rv_code hide_text(struct hiding *hiding, const char *text, size_t length,
                              struct rv_buf *out, struct rv_error *err)
{
    rv_buf_init(out, RV_JSON_TEXT_MAX);
    return rv_redact(hiding->redaction, text, length, out, err);
}

/* New reference in `out`. */
static enum rv_code hide(struct hiding *hiding, const json_t *value, json_t **out,
                         struct rv_error *err)
{
    enum rv_code code = RV_OK;
    const char *key;
    size_t i;
    json_t *item;
    json_t *hidden = NULL;
    struct rv_buf text;
    if (json_is_string(value)) {
        code = hide_text(hiding, json_string_value(value), json_string_length(value), &text, err);
        *out = code == RV_OK ? json_stringn(text.length > 0 ? text.data : "", text.length) : NULL;
        rv_buf_fini(&text);
        return code;
    }
    if (json_is_object(value)) {
        *out = json_object();
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            code = code == RV_OK ? hide(hiding, item, &hidden, err) : code;
            if (code == RV_OK && is_field(hiding, key)) {
                json_object_set_new(*out, key, hidden);
            } else if (code == RV_OK) {
                code = hide_text(hiding, key, strlen(key), &text, err);
                json_object_set_new(*out, text.length > 0 ? text.data : "", hidden);
                rv_buf_fini(&text);
            }
        }
    } else if (json_is_array(value)) {
        *out = json_array();
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
        {
            code = code == RV_OK ? hide(hiding, item, &hidden, err) : code;
            if (code == RV_OK) {
                json_array_append_new(*out, hidden);
            }
        }
    } else {
        *out = json_incref((json_t *)(uintptr_t)value);
    }
    if (code != RV_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return code;
}

static enum rv_code hide_field(struct hiding *hiding, json_t *object, const char *key,
                               struct rv_error *err)
{
    json_t *hidden = NULL;
    if (json_object_get(object, key) == NULL) {
        return RV_OK;
    }
    enum rv_code code = hide(hiding, json_object_get(object, key), &hidden, err);
    if (code == RV_OK) {
        json_object_set_new(object, key, hidden);
    }
    return code;
}

/* A plan answers an update by its id, and takes only what can be one: "u_<CARD_1>" becomes
 * "u_CARD_1". */
static void keep_id_form(const json_t *step)
{
    json_t *value = json_object_get(json_object_get(step, "out"), "value");
    const char *id = rv_json_str(value, "id", NULL);
    if (id == NULL || strcmp(rv_json_str(step, "name", ""), "update") != 0 ||
        rv_step_kind_from_name(rv_json_str(step, "kind", "")) != RV_STEP_SIGNAL) {
        return;
    }
    struct rv_buf form;
    rv_buf_init(&form, RV_JSON_TEXT_MAX);
    for (const char *at = id; *at != '\0'; at++) {
        if (*at != '<' && *at != '>') {
            rv_buf_char(&form, *at);
        }
    }
    json_object_set_new(value, "id", json_stringn(form.length > 0 ? form.data : "", form.length));
    rv_buf_fini(&form);
}

/* A number that some text has, too; the texts are hidden already. */
static void hide_numbers(const struct hiding *hiding, json_t *value)
{
    const char *key;
    size_t i;
    void *next;
    json_t *item;
    json_object_foreach_safe(value, next, key, item)
    {
        const char *token = rv_redaction_number(
            hiding->redaction, json_is_integer(item) ? json_integer_value(item) : -1);
        if (token != NULL) {
            json_object_set_new(value, key, json_string(token));
        } else {
            hide_numbers(hiding, item);
        }
    }
    json_array_foreach(value, i, item)
    {
        const char *token = rv_redaction_number(
            hiding->redaction, json_is_integer(item) ? json_integer_value(item) : -1);
        if (token != NULL) {
            json_array_set_new(value, i, json_string(token));
        } else {
            hide_numbers(hiding, item);
        }
    }
}

static enum rv_code hide_all(struct hiding *hiding, json_t *copy, struct rv_error *err)
{
    static const char *const fields[] = {"owner", "input", "result", "error_text"};
    enum rv_code code = RV_OK;
    for (size_t i = 0; i < RV_COUNT(fields) && code == RV_OK; i++) {
        code = hide_field(hiding, copy, fields[i], err);
    }
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(copy, "journal"), i, step)
    {
        code = code == RV_OK ? hide_field(hiding, step, "out", err) : code;
        keep_id_form(step);
    }
    for (i = 0; i < RV_COUNT(fields); i++) {
        hide_numbers(hiding, json_object_get(copy, fields[i]));
    }
    json_array_foreach(json_object_get(copy, "journal"), i, step)
    {
        hide_numbers(hiding, json_object_get(step, "out"));
    }
    return code;
}

/* The arguments that follow from hidden answers are hidden, too: go the way again and note them. */
static enum rv_code follow(json_t *copy, struct rv_error *err)
{
    struct rv_replay_report report;
    enum rv_code code = rv_replay_rebase(copy, &report, err);
    bool same = code == RV_OK && report.verdict == RV_REPLAY_OPEN;
    if (code == RV_OK && !same) {
        rv_replay_report_fini(&report);
        code = rv_replay(copy, NULL, &report, err);
        same = code == RV_OK && report.verdict == RV_REPLAY_SAME;
    }
    if (code == RV_OK && !same) {
        code = rv_fail(err, RV_CONFLICT, "hidden names change what the plan does: %.180s",
                       report.text);
        rv_hint(err, "Export it without --redact, for those who may see it.");
    }
    rv_replay_report_fini(&report);
    return code;
}

/* Finds what is to be hidden in a run, or in its source; closed with close_hiding. */
static struct hiding open_hiding(const json_t *history, const json_t *known, bool source)
{
    json_t *names = json_array();
    size_t i;
    json_t *name;
    gather_names(json_object_get(history, "input"), NULL, names);
    gather_names(json_object_get(history, "journal"), NULL, names);
    gather_names(json_object_get(history, "result"), NULL, names);
    drop_step_names(json_object_get(history, "journal"), source, names);
    gather_names(json_object_get(history, "owner"), "owner", names);
    gather_names(json_object_get(known, "people"), "people", names);
    json_t *ids = own_ids(history, known);
    struct hiding hiding = {rv_redaction_create(names), json_object()};
    json_array_foreach(names, i, name)
    {
        json_object_set_new(hiding.people, json_string_value(name), json_true());
    }
    rv_redaction_keep(hiding.redaction, ids);
    json_decref(ids);
    json_decref(names);
    return hiding;
}

static void close_hiding(struct hiding *hiding)
{
    rv_redaction_destroy(hiding->redaction);
    json_decref(hiding->people);
}

enum rv_code rv_history_redact(const json_t *history, const json_t *known, json_t **out,
                               struct rv_error *err)
{
    json_t *copy = json_deep_copy(history);
    struct hiding hiding = open_hiding(copy, known, false);
    enum rv_code code = hide_all(&hiding, copy, err);
    close_hiding(&hiding);
    if (code == RV_OK) {
        json_object_set_new(copy, "redacted", json_true());
        code = follow(copy, err);
    }
    if (code == RV_OK) {
        rv_history_seal(copy);
        *out = copy;
    } else {
        json_decref(copy);
    }
    return code;
}

enum rv_code rv_history_source_shows(const json_t *history, const json_t *known, int *lines,
                                     int *first, struct rv_error *err)
{
    struct hiding hiding = open_hiding(history, known, true);
    enum rv_code code = RV_OK;
    int line = 1;
    *lines = *first = 0;
    for (const char *at = rv_json_str(history, "source", ""); code == RV_OK && *at != '\0';
         line++) {
        struct rv_buf hidden;
        size_t length = strcspn(at, "\n");
        code = hide_text(&hiding, at, length, &hidden, err);
        if (code == RV_OK &&
            (hidden.length != length || (length > 0 && memcmp(hidden.data, at, length) != 0))) {
            *first = *lines == 0 ? line : *first;
            (*lines)++;
        }
        rv_buf_fini(&hidden);
        at += length + (at[length] == '\n');
    }
    close_hiding(&hiding);
    return code;
}
