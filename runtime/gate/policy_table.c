/* policy_table.c -- many rules about one action at once: their conditions side by side, in columns.
 *
 * A bucket of the index that holds many rules gets a table.  Most rules say all{ … } of plain
 * comparisons; the comparisons of one attribute by one kind of operator, over all rules of the
 * bucket, are a column, and a column tells in one step which of its rules do not hold:
 *
 *   arg.supplier:eq"S17"      value -> the rules that name it; the others say no
 *   arg.amount:le(money"…")   literals sorted: those before the value's place say no
 *   anything else             asked once for all rules that say the same
 *
 * A rule whose whole condition stands in columns is settled by them; of another one only "no" is
 * taken, and the rest is asked as without a table.  So it is the same Kleene logic as
 * policy_evaluate, a "no" before an error, an error before a "yes", only in another order, and
 * order means nothing.
 *
 * Sets of rules are bits, numbered as the rules of the bundle, or short lists.
 */
#include "runtime/gate/policy_table.h"

#include <stdlib.h>
#include <string.h>

enum {
    TABLE_RULES_MIN = 48,     /* fewer are asked one by one in the same time */
    TABLE_SHARE = 512,        /* below 1/512 of all rules the bits are longer than the work */
    TABLE_COLUMN_MIN = 8,     /* rules in a column; smaller ones are asked one by one */
    TABLE_STEP = 64,          /* literals between two ready-made sets of an ordered column */
    TABLE_CELLS_MAX = 400000, /* of a bundle: bounds load time and memory; the rest goes without */
    TABLE_BITS_MAX = 64 << 20 /* bytes of sets of a bundle, likewise */
};

enum column_kind {
    COLUMN_POINTS,   /* eq, one_of: hold where the value is named */
    COLUMN_OTHERS,   /* ne: hold where it is not */
    COLUMN_AT_MOST,  /* le, lt: literals ascending */
    COLUMN_AT_LEAST, /* ge, gt: literals descending */
    COLUMN_SINGLE    /* one condition, the same in all its rules */
};

struct rule_set {
    const uint64_t *bits; /* NULL: the list */
    const uint32_t *list;
    uint32_t count;
};

struct column {
    uint8_t kind;
    uint8_t type; /* of the literals */
    bool strict;  /* lt, gt */
    uint16_t slot;
    uint32_t currency;
    uint32_t node; /* single */
    struct rule_set members;
    uint32_t mask;         /* points: places - 1, open addressing; ordered: literals - 1 */
    int64_t *values;       /* by place */
    struct rule_set *sets; /* points: rules that name the value; count 0: the place is empty */
    uint32_t *order;       /* ordered: rule of each literal */
    uint64_t *steps;       /* ordered: bits of the first TABLE_STEP, 2 * TABLE_STEP, … rules */
};

struct policy_table {
    const uint32_t *rules; /* of the bucket, ascending; borrowed from the index */
    uint32_t count;
    uint64_t *members;
    uint64_t *whole; /* settled by the columns alone */
    struct column *columns;
    int column_count;
    struct policy_table *next;
};

/* ---- cells: one comparison of one rule ---- */

struct cell {
    struct column column; /* only what tells columns apart */
    const struct policy_node *condition;
    const int64_t *literals;
    int64_t value;
    uint32_t rule;
};

struct builder {
    struct rv_policy *policy;
    struct policy_table *tables;
    struct cell *cells; /* of the table being made */
    uint32_t count, capacity;
    uint32_t cells_left;
    size_t bytes_left;
};

static enum column_kind kind_of(const struct policy_node *node)
{
    if (node->other != POLICY_NONE) {
        return COLUMN_SINGLE;
    }
    switch (node->op) {
    case POLICY_EQ:
    case POLICY_ONE_OF: return COLUMN_POINTS;
    case POLICY_NE: return COLUMN_OTHERS;
    case POLICY_LT:
    case POLICY_LE: return COLUMN_AT_MOST;
    case POLICY_GT:
    case POLICY_GE: return COLUMN_AT_LEAST;
    default: return COLUMN_SINGLE;
    }
}

static struct column column_of(const struct rv_policy *policy, const struct policy_node *node)
{
    return (struct column){.kind = (uint8_t)kind_of(node),
                           .type = node->type,
                           .strict = node->op == POLICY_LT || node->op == POLICY_GT,
                           .slot = node->slot,
                           .currency = node->currency,
                           .node = (uint32_t)(node - policy->nodes)};
}

#define COMPARE(a, b)                                                                              \
    if ((a) != (b)) {                                                                              \
        return (a) < (b) ? -1 : 1;                                                                 \
    }

static int compare_columns(const struct column *a, const struct column *b)
{
    COMPARE(a->kind, b->kind)
    COMPARE(a->strict, b->strict)
    COMPARE(a->slot, b->slot)
    COMPARE(a->type, b->type)
    COMPARE(a->currency, b->currency)
    return 0;
}

/* Do two single conditions say the same?  Texts are compared by their symbols. */
static int compare_singles(const struct cell *left, const struct cell *right)
{
    const struct policy_node *a = left->condition;
    const struct policy_node *b = right->condition;
    COMPARE(a->op, b->op)
    COMPARE(a->other, b->other)
    COMPARE(a->symbol, b->symbol)
    COMPARE(a->number, b->number)
    bool lists = a->op == POLICY_ONE_OF && a->other == POLICY_NONE;
    COMPARE(lists ? a->count : 0, lists ? b->count : 0)
    for (uint32_t i = 0; lists && i < a->count; i++) {
        COMPARE(left->literals[a->first + i], right->literals[b->first + i])
    }
    return 0;
}

static int compare_identity(const struct cell *a, const struct cell *b)
{
    int order = compare_columns(&a->column, &b->column);
    return order != 0 || a->column.kind != COLUMN_SINGLE ? order : compare_singles(a, b);
}

static int compare_cells(const void *left, const void *right)
{
    const struct cell *a = left;
    const struct cell *b = right;
    int order = compare_identity(a, b);
    if (order != 0) {
        return order;
    }
    if (a->value != b->value) {
        return (a->value < b->value) == (a->column.kind != COLUMN_AT_LEAST) ? -1 : 1;
    }
    COMPARE(a->rule, b->rule)
    return 0;
}

static void add_cell(struct builder *builder, const struct cell *cell)
{
    if (builder->count == builder->capacity) {
        builder->capacity = builder->capacity == 0 ? 1024 : builder->capacity * 2;
        builder->cells = rv_realloc(builder->cells, builder->capacity * sizeof *builder->cells);
    }
    builder->cells[builder->count++] = *cell;
}

/* `first`: the rule's first cell; a second comparison of the rule in one column stands alone. */
static void add_atom(struct builder *builder, const struct policy_node *node, uint32_t rule,
                     uint32_t first)
{
    const struct rv_policy *policy = builder->policy;
    struct cell cell = {.column = column_of(policy, node),
                        .condition = node,
                        .literals = policy->literals,
                        .value = node->type == POLICY_TEXT ? node->symbol : node->number,
                        .rule = rule};
    for (uint32_t i = first; i < builder->count; i++) {
        if (compare_columns(&builder->cells[i].column, &cell.column) == 0 &&
            builder->cells[i].condition != node) {
            cell.column.kind = COLUMN_SINGLE;
        }
    }
    if (cell.column.kind == COLUMN_SINGLE) {
        cell.value = 0;
        cell.column.strict = false;
    }
    if (cell.column.kind != COLUMN_POINTS || node->op == POLICY_EQ) {
        add_cell(builder, &cell);
        return;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        cell.value = policy->literals[node->first + i];
        add_cell(builder, &cell);
    }
}

/* Cells of everything that must hold; false when a part is no plain comparison. */
static bool add_condition(struct builder *builder, uint32_t at, uint32_t rule, uint32_t first)
{
    const struct policy_node *node = &builder->policy->nodes[at];
    if (node->op > POLICY_NONE_OF) {
        add_atom(builder, node, rule, first);
        return true;
    }
    bool whole = node->op == POLICY_ALL;
    for (uint32_t i = 0; node->op == POLICY_ALL && i < node->count; i++) {
        whole = add_condition(builder, node->first + i, rule, first) && whole;
    }
    return whole;
}

/* ---- from cells to columns ---- */

static void *take(struct builder *builder, size_t size)
{
    builder->bytes_left -= size < builder->bytes_left ? size : builder->bytes_left;
    return rv_arena_alloc(builder->policy->arena, size);
}

static void set_bit(uint64_t *bits, uint32_t at)
{
    bits[at / 64] |= UINT64_C(1) << (at % 64);
}

/* The rules of `count` cells that lie side by side. */
static struct rule_set make_set(struct builder *builder, const struct cell *cells, uint32_t count)
{
    size_t words = (size_t)builder->policy->words;
    struct rule_set set = {.count = count};
    if (count > words) {
        uint64_t *bits = take(builder, words * sizeof *bits);
        for (uint32_t i = 0; i < count; i++) {
            set_bit(bits, cells[i].rule);
        }
        set.bits = bits;
        return set;
    }
    uint32_t *list = take(builder, count * sizeof *list);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = cells[i].rule;
    }
    set.list = list;
    return set;
}

static uint32_t place_of(const struct column *column, int64_t value)
{
    uint32_t at = (uint32_t)((uint64_t)value * UINT64_C(0x9E3779B97F4A7C15) >> 40) & column->mask;
    while (column->sets[at].count != 0 && column->values[at] != value) {
        at = (at + 1) & column->mask;
    }
    return at;
}

static void make_points(struct builder *builder, struct column *column, const struct cell *cells,
                        uint32_t count)
{
    uint32_t places = 4;
    while (places < count * 2) {
        places *= 2;
    }
    column->mask = places - 1;
    column->values = take(builder, places * sizeof *column->values);
    column->sets = take(builder, places * sizeof *column->sets);
    uint32_t next = 0;
    for (uint32_t i = 0; i < count; i = next) {
        for (next = i + 1; next < count && cells[next].value == cells[i].value; next++) {
        }
        uint32_t at = place_of(column, cells[i].value);
        column->values[at] = cells[i].value;
        column->sets[at] = make_set(builder, cells + i, next - i);
    }
}

static void make_ordered(struct builder *builder, struct column *column, const struct cell *cells,
                         uint32_t count)
{
    size_t words = (size_t)builder->policy->words;
    column->mask = count - 1;
    column->values = take(builder, count * sizeof *column->values);
    column->order = take(builder, count * sizeof *column->order);
    column->steps = take(builder, (count / TABLE_STEP + 1) * words * sizeof *column->steps);
    for (uint32_t i = 0; i < count; i++) {
        column->values[i] = cells[i].value;
        column->order[i] = cells[i].rule;
        if (i % TABLE_STEP == 0 && i > 0) {
            uint64_t *step = column->steps + (i / TABLE_STEP - 1) * words;
            memcpy(step + words, step, words * sizeof *step);
        }
        if (i / TABLE_STEP < count / TABLE_STEP) {
            set_bit(column->steps + i / TABLE_STEP * words, cells[i].rule);
        }
    }
}

static void make_column(struct builder *builder, struct policy_table *table,
                        const struct cell *cells, uint32_t count)
{
    struct column *column = &table->columns[table->column_count++];
    *column = cells->column;
    column->members = make_set(builder, cells, count);
    if (column->kind == COLUMN_POINTS || column->kind == COLUMN_OTHERS) {
        make_points(builder, column, cells, count);
    } else if (column->kind != COLUMN_SINGLE) {
        make_ordered(builder, column, cells, count);
    }
}

static void make_columns(struct builder *builder, struct policy_table *table)
{
    uint32_t columns = 0;
    for (uint32_t i = 0; i < builder->count; i++) {
        columns += i == 0 || compare_identity(&builder->cells[i - 1], &builder->cells[i]) != 0;
    }
    table->columns = take(builder, (columns + 1) * sizeof *table->columns);
    uint32_t next = 0;
    for (uint32_t i = 0; i < builder->count; i = next) {
        const struct cell *cells = builder->cells + i;
        for (next = i + 1;
             next < builder->count && compare_identity(cells, &builder->cells[next]) == 0; next++) {
        }
        if (next - i >= TABLE_COLUMN_MIN) {
            make_column(builder, table, cells, next - i);
            continue;
        }
        for (uint32_t k = i; k < next; k++) { /* asked one by one */
            uint32_t rule = builder->cells[k].rule;
            table->whole[rule / 64] &= ~(UINT64_C(1) << (rule % 64));
        }
    }
}

static void make_table(struct builder *builder, struct policy_bucket *bucket)
{
    struct rv_policy *policy = builder->policy;
    const uint32_t *rules = policy->bucket_rules + bucket->first;
    for (struct policy_table *known = builder->tables; known != NULL; known = known->next) {
        if (known->count == bucket->count &&
            memcmp(known->rules, rules, bucket->count * sizeof *rules) == 0) {
            bucket->table = known; /* of another action, the same rules */
            return;
        }
    }
    builder->count = 0;
    size_t bytes = (size_t)policy->words * sizeof(uint64_t);
    struct policy_table *table = take(builder, sizeof *table);
    *table = (struct policy_table){.rules = rules, .count = bucket->count};
    table->members = take(builder, bytes);
    table->whole = take(builder, bytes);
    for (uint32_t i = 0; i < bucket->count; i++) {
        int32_t when = policy->rules[rules[i]].when;
        set_bit(table->members, rules[i]);
        if (when < 0 || add_condition(builder, (uint32_t)when, rules[i], builder->count)) {
            set_bit(table->whole, rules[i]);
        }
    }
    if (builder->count > builder->cells_left) {
        return;
    }
    builder->cells_left -= builder->count;
    if (builder->count > 0) {
        qsort(builder->cells, builder->count, sizeof *builder->cells, compare_cells);
    }
    make_columns(builder, table);
    table->next = builder->tables;
    builder->tables = table;
    bucket->table = table;
}

void policy_tables_make(struct rv_policy *policy)
{
    struct builder builder = {
        .policy = policy, .cells_left = TABLE_CELLS_MAX, .bytes_left = TABLE_BITS_MAX};
    for (uint32_t i = 0; i <= policy->bucket_mask; i++) {
        struct policy_bucket *bucket = &policy->buckets[i];
        if (bucket->count >= TABLE_RULES_MIN &&
            (int64_t)bucket->count * TABLE_SHARE >= policy->rule_count && builder.cells_left > 0 &&
            builder.bytes_left > 0) {
            make_table(&builder, bucket);
        }
    }
    rv_free(builder.cells);
}

const uint64_t *policy_table_members(const struct policy_table *table)
{
    return table->members;
}

/* ---- at decision ---- */

static void add_set(uint64_t *bits, const struct rule_set *set, int words)
{
    if (set->bits == NULL) {
        for (uint32_t i = 0; i < set->count; i++) {
            set_bit(bits, set->list[i]);
        }
        return;
    }
    for (int w = 0; w < words; w++) {
        bits[w] |= set->bits[w];
    }
}

static void remove_set(uint64_t *bits, const struct rule_set *set, int words)
{
    if (set->bits == NULL) {
        for (uint32_t i = 0; i < set->count; i++) {
            bits[set->list[i] / 64] &= ~(UINT64_C(1) << (set->list[i] % 64));
        }
        return;
    }
    for (int w = 0; w < words; w++) {
        bits[w] &= ~set->bits[w];
    }
}

/* How many literals the value fails: they come first. */
static uint32_t failing(const struct column *column, int64_t value)
{
    uint32_t low = 0;
    uint32_t high = column->mask + 1;
    bool at_most = column->kind == COLUMN_AT_MOST;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int64_t literal = column->values[middle];
        bool fails = at_most ? literal < value || (column->strict && literal == value)
                             : literal > value || (column->strict && literal == value);
        low = fails ? middle + 1 : low;
        high = fails ? high : middle;
    }
    return low;
}

static void ask_ordered(const struct column *column, int64_t value, uint64_t *no, int words)
{
    uint32_t count = failing(column, value);
    uint32_t steps = count / TABLE_STEP;
    if (steps > 0) {
        const uint64_t *step = column->steps + (size_t)(steps - 1) * (size_t)words;
        for (int w = 0; w < words; w++) {
            no[w] |= step[w];
        }
    }
    for (uint32_t i = steps * TABLE_STEP; i < count; i++) {
        set_bit(no, column->order[i]);
    }
}

static void ask_points(const struct column *column, const struct policy_value *value, uint64_t *no,
                       uint64_t *scratch, int words)
{
    static const struct rule_set nobody = {.count = 0};
    bool known = value->type != POLICY_TEXT || value->symbol >= 0;
    int64_t wanted = value->type == POLICY_TEXT ? value->symbol : value->number;
    const struct rule_set *named = known ? &column->sets[place_of(column, wanted)] : &nobody;
    if (column->kind == COLUMN_OTHERS) {
        add_set(no, named, words);
        return;
    }
    memset(scratch, 0, (size_t)words * sizeof *scratch);
    add_set(scratch, &column->members, words);
    remove_set(scratch, named, words);
    for (int w = 0; w < words; w++) {
        no[w] |= scratch[w];
    }
}

static void ask(const struct rv_policy_facts *facts, const struct column *column, uint64_t *no,
                uint64_t *error, uint64_t *scratch, int words)
{
    if (column->kind == COLUMN_SINGLE) {
        enum policy_truth is = policy_evaluate(facts, column->node);
        if (is != POLICY_YES) {
            add_set(is == POLICY_NO ? no : error, &column->members, words);
        }
        return;
    }
    const struct policy_value *value = policy_resolve(facts, column->slot);
    if (value->type != column->type || value->currency != column->currency) {
        add_set(error, &column->members, words);
    } else if (column->kind == COLUMN_POINTS || column->kind == COLUMN_OTHERS) {
        ask_points(column, value, no, scratch, words);
    } else {
        ask_ordered(column, value->number, no, words);
    }
}

void policy_table_settle(const struct policy_table *table, struct rv_policy_facts *facts,
                         struct rv_arena *arena)
{
    int words = facts->policy->words;
    size_t bytes = (size_t)words * sizeof(uint64_t);
    uint64_t *no = rv_arena_alloc(arena, 3 * bytes);
    uint64_t *error = no + words;
    uint64_t *scratch = error + words;
    if (facts->yes == NULL) {
        facts->yes = rv_arena_alloc(arena, 2 * bytes);
        facts->error = facts->yes + words;
    }
    for (int i = 0; i < table->column_count; i++) {
        ask(facts, &table->columns[i], no, error, scratch, words);
    }
    for (int w = 0; w < words; w++) {
        facts->candidates[w] &= ~no[w];
        facts->yes[w] |= table->whole[w] & ~no[w] & ~error[w];
        facts->error[w] |= table->whole[w] & ~no[w] & error[w];
    }
}
