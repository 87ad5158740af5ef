/* policy_limits.c -- which limits apply to a request, for whom they count, and how much it would
 * add.
 *
 * The window rolls: the gate counts in buckets of a 24th of it, rounded up, and a bucket counts
 * until it lies wholly outside.  What is taken back does not free a limit, and a negative amount
 * counts as its size: splitting, cancelling and crediting cannot make room.
 */
#include "runtime/gate/policy_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEY_NUMBER = 24 }; /* a 64-bit integer as text */

static enum policy_truth part_given(const struct rv_policy_facts *facts,
                                    const struct policy_per *per)
{
    if (per->kind != POLICY_PER_SLOT) {
        return POLICY_YES;
    }
    uint8_t type = policy_resolve(facts, per->slot)->type;
    return type == POLICY_TEXT || type == POLICY_INT || type == POLICY_BOOL ? POLICY_YES
                                                                            : POLICY_ERROR;
}

enum policy_truth policy_limit_adds(const struct rv_policy_facts *facts,
                                    const struct policy_rule *rule, int64_t *adds)
{
    enum policy_truth holds = policy_condition(facts, rule);
    if (holds != POLICY_YES) {
        return holds;
    }
    for (int i = 0; i < rule->per_count; i++) {
        if (part_given(facts, &rule->per[i]) != POLICY_YES) {
            return POLICY_ERROR;
        }
    }
    if (rule->sum == POLICY_NONE) {
        *adds = 1;
        return POLICY_YES;
    }
    const struct policy_value *sum = policy_resolve(facts, rule->sum);
    if (sum->type != rule->cap.type || sum->currency != rule->cap.currency ||
        sum->number == INT64_MIN) {
        return POLICY_ERROR;
    }
    *adds = sum->number < 0 ? -sum->number : sum->number;
    return POLICY_YES;
}

bool policy_limit_over(const struct policy_rule *rule, int64_t used, int64_t adds)
{
    int64_t total = 0;
    return __builtin_add_overflow(used, adds, &total) || total > rule->cap.number;
}

/* "|", "=" and "%" in a value would let one key pass for another. */
static char *key_text(char *out, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (; *text != '\0'; text++) {
        unsigned char letter = (unsigned char)*text;
        if (letter == '|' || letter == '=' || letter == '%') {
            *out++ = '%';
            *out++ = digits[letter >> 4];
            *out++ = digits[letter & 15];
        } else {
            *out++ = *text;
        }
    }
    return out;
}

/* The value of one part, as text; `number` is room for one that is none. */
static const char *part_text(const struct rv_policy_facts *facts, const struct policy_per *per,
                             char number[KEY_NUMBER])
{
    if (per->kind == POLICY_PER_ACTION) {
        return facts->action;
    }
    if (per->kind == POLICY_PER_AGENT) {
        return facts->id;
    }
    const struct policy_value *value = policy_resolve(facts, per->slot);
    if (value->type == POLICY_TEXT) {
        return value->text;
    }
    snprintf(number, KEY_NUMBER, "%" PRId64, value->number);
    return number;
}

static const char *limit_key(const struct rv_policy_facts *facts, const struct policy_rule *rule,
                             struct rv_arena *arena)
{
    char numbers[POLICY_PER_MAX][KEY_NUMBER];
    const char *texts[POLICY_PER_MAX];
    const char *kind = rv_json_str(facts->roots[POLICY_ROOT_ME], "kind", "");
    size_t size = 1;
    for (int i = 0; i < rule->per_count; i++) {
        texts[i] = part_text(facts, &rule->per[i], numbers[i]);
        size += strlen(rule->per[i].name) + 3 * (strlen(texts[i]) + strlen(kind)) + 3;
    }
    char *key = rv_arena_alloc(arena, size);
    char *out = key;
    for (int i = 0; i < rule->per_count; i++) {
        if (i > 0) {
            *out++ = '|';
        }
        out = stpcpy(out, rule->per[i].name);
        *out++ = '=';
        if (rule->per[i].kind == POLICY_PER_AGENT && !facts->is_agent) {
            out = key_text(out, kind); /* a person called like an agent is another one */
            *out++ = ':';
        }
        out = key_text(out, texts[i]);
    }
    return key;
}

int rv_policy_limits(const struct rv_policy *policy, const struct rv_policy_facts *facts,
                     struct rv_arena *arena, struct rv_policy_limit out[RV_POLICY_LIMITS_MAX])
{
    int count = 0;
    for (int w = 0; w < policy->words; w++) {
        uint64_t bits = facts->candidates[w] & policy->of_kind[POLICY_LIMIT][w];
        for (; bits != 0; bits &= bits - 1) {
            const struct policy_rule *rule = &policy->rules[w * 64 + __builtin_ctzll(bits)];
            int64_t adds = 0;
            if (policy_limit_adds(facts, rule, &adds) != POLICY_YES) {
                continue; /* in error: decide denies without asking what is used */
            }
            if (count == RV_POLICY_LIMITS_MAX) {
                return count; /* decide denies by the rule that has no place */
            }
            out[count++] = (struct rv_policy_limit){
                .rule = rule->id,
                .key = limit_key(facts, rule, arena),
                .window_s = rule->window_s,
                .bucket_s = rule->bucket_s,
                .adds = adds,
                .cap = rule->cap.number,
            };
        }
    }
    return count;
}
