/* policy_limits.c -- which limits apply to a request, for whom they count, and how much it would
 * add.
 *
 * The window rolls: the gate counts in buckets of a 24th of it, rounded up, and a bucket counts
 * until it lies wholly outside.  What is taken back does not free a limit, and a negative amount
 * counts as its size: splitting, cancelling and crediting cannot make room.
 */
#include "runtime/gate/policy_private.h"

#include <inttypes.h>
#include <string.h>

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
static void key_text(struct rv_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|' || *text == '=' || *text == '%') {
            rv_buf_printf(out, "%%%02x", (unsigned)(unsigned char)*text);
        } else {
            rv_buf_char(out, *text);
        }
    }
}

static void key_part(struct rv_buf *out, const struct rv_policy_facts *facts,
                     const struct policy_per *per)
{
    rv_buf_str(out, per->name);
    rv_buf_char(out, '=');
    if (per->kind == POLICY_PER_ACTION) {
        key_text(out, facts->action);
    } else if (per->kind == POLICY_PER_AGENT) {
        if (!facts->is_agent) { /* a person called like an agent is another one */
            key_text(out, rv_json_str(facts->roots[POLICY_ROOT_ME], "kind", ""));
            rv_buf_char(out, ':');
        }
        key_text(out, facts->id);
    } else {
        const struct policy_value *value = policy_resolve(facts, per->slot);
        if (value->type == POLICY_TEXT) {
            key_text(out, value->text);
        } else {
            rv_buf_printf(out, "%" PRId64, value->number);
        }
    }
}

static const char *limit_key(const struct rv_policy_facts *facts, const struct policy_rule *rule,
                             struct rv_arena *arena)
{
    struct rv_buf key;
    rv_buf_init(&key, RV_JSON_TEXT_MAX);
    for (int i = 0; i < rule->per_count; i++) {
        rv_buf_str(&key, i == 0 ? "" : "|");
        key_part(&key, facts, &rule->per[i]);
    }
    const char *copy = rv_arena_strndup(arena, key.data, key.length);
    rv_buf_fini(&key);
    return copy;
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
