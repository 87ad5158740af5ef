/* compile.c -- schemas compiled once for a tenant: on the thread that submits where that takes a
 * few milliseconds, else on one thread for that, tenants in turn.
 *
 *     submit --> remembered? --> soon compiled? --> engine's inbox
 *                                     no --> queue --compiles--> inbox, with the error if refused
 *
 * Of a tenant's in the queue those come last that are known to take long.
 *
 * Each tenant has a share of its own, in number and in bytes, and what it has not used for a while
 * is forgotten.  So whether a schema is found, and how fast, depends on what the same tenant did.
 * One that is refused is remembered as well: asking again costs nothing.
 */
#include "kernels/serve/compile.h"

#include "kernels/serve/grammar.h"

#include <stdlib.h>
#include <string.h>

/* ---- remembered ---- */

static void grammar_free(struct grammar_entry *entry)
{
    kernel_grammar_destroy(entry->grammar);
    free(entry->schema);
    free(entry);
}

static struct grammar_entry *grammar_find(struct kernel_engine *engine, uint32_t tenant,
                                          struct kernel_text schema)
{
    for (struct grammar_entry *entry = engine->grammars; entry != NULL; entry = entry->next) {
        if (entry->tenant == tenant && entry->length == schema.length &&
            memcmp(entry->schema, schema.bytes, schema.length) == 0) {
            entry->users++;
            entry->used = ++engine->grammar_clock;
            entry->used_us = serve_now_us();
            return entry;
        }
    }
    return NULL;
}

static void grammar_forget(struct grammar_entry **link)
{
    struct grammar_entry *entry = *link;
    *link = entry->next;
    grammar_free(entry);
}

/* Whoever's they are: what nobody has used for a while. */
static void grammar_expire(struct kernel_engine *engine)
{
    int64_t now = serve_now_us();
    for (struct grammar_entry **link = &engine->grammars; *link != NULL;) {
        if ((*link)->users == 0 && now - (*link)->used_us > GRAMMARS_IDLE_US) {
            grammar_forget(link);
        } else {
            link = &(*link)->next;
        }
    }
}

/* Forgets those of the tenant that it used longest ago, where it has more than its share. */
static void grammar_evict(struct kernel_engine *engine, uint32_t tenant)
{
    for (bool more = true; more;) {
        uint32_t kept = 0;
        size_t bytes = 0;
        struct grammar_entry **oldest = NULL;
        for (struct grammar_entry **link = &engine->grammars; *link != NULL;
             link = &(*link)->next) {
            if ((*link)->tenant != tenant) {
                continue;
            }
            kept++;
            bytes += (*link)->bytes;
            if ((*link)->users == 0 && (oldest == NULL || (*link)->used < (*oldest)->used)) {
                oldest = link;
            }
        }
        more = oldest != NULL && (kept > GRAMMARS_KEPT || bytes > GRAMMARS_BYTES);
        if (more) {
            grammar_forget(oldest);
        }
    }
}

static struct grammar_entry *keep(struct kernel_engine *engine, uint32_t tenant,
                                  struct kernel_text schema, struct kernel_grammar *grammar,
                                  const struct kernel_error *refused)
{
    struct grammar_entry *entry = kernel_allocate(1, sizeof *entry);
    entry->schema = kernel_allocate(schema.length + 1, 1);
    memcpy(entry->schema, schema.bytes, schema.length);
    entry->length = schema.length;
    entry->grammar = grammar;
    entry->refused = grammar == NULL ? *refused : (struct kernel_error){0};
    entry->tenant = tenant;
    entry->bytes = (grammar != NULL ? grammar->bytes : sizeof *entry) + schema.length;
    entry->used_us = serve_now_us();
    entry->users = 1;
    pthread_mutex_lock(&engine->lock);
    entry->used = ++engine->grammar_clock;
    entry->next = engine->grammars; /* two may have compiled the same: the older one ages out */
    engine->grammars = entry;
    grammar_evict(engine, tenant);
    pthread_mutex_unlock(&engine->lock);
    return entry;
}

/* The entry is the caller's until grammars_release; or what its schema was refused with. */
static enum kernel_status use(struct kernel_engine *engine, struct grammar_entry *entry,
                              struct grammar_entry **out, struct kernel_error *error)
{
    if (entry->grammar != NULL) {
        *out = entry;
        return KERNEL_OK;
    }
    enum kernel_status status = entry->refused.status;
    if (error != NULL) {
        *error = entry->refused;
    }
    grammars_release(engine, entry);
    return status;
}

/* With the lock.  A tenant that has some there does not spend the time of the thread that submits,
 * which may be everybody's: each of many long ones would take its few milliseconds of it. */
static bool has_queued(const struct kernel_engine *engine, uint32_t tenant)
{
    for (const struct sequence *one = engine->uncompiled; one != NULL; one = one->next) {
        if (one->tenant == tenant) {
            return true;
        }
    }
    return false;
}

enum kernel_status grammars_acquire(struct kernel_engine *engine, uint32_t tenant,
                                    struct kernel_text schema, enum compile_effort effort,
                                    struct grammar_entry **out, struct kernel_error *error)
{
    bool whole = effort == COMPILE_WHOLE;
    *out = NULL;
    pthread_mutex_lock(&engine->lock);
    grammar_expire(engine);
    struct grammar_entry *entry = grammar_find(engine, tenant, schema);
    bool later = effort == COMPILE_SUBMITTING && entry == NULL && has_queued(engine, tenant);
    pthread_mutex_unlock(&engine->lock);
    if (entry != NULL) {
        return use(engine, entry, out, error);
    }
    if (later) {
        return KERNEL_OK;
    }
    struct kernel_grammar *grammar = NULL;
    struct kernel_error refused = {.status = KERNEL_OK};
    bool spent = false;
    kernel_grammar_compile_within(engine->trie, schema, whole ? 0 : COMPILE_SOON, &grammar, &spent,
                                  &refused);
    if (!whole && spent) {
        return KERNEL_OK;
    }
    return use(engine, keep(engine, tenant, schema, grammar, &refused), out, error);
}

void grammars_release(struct kernel_engine *engine, struct grammar_entry *entry)
{
    if (entry != NULL) {
        pthread_mutex_lock(&engine->lock);
        entry->users--;
        pthread_mutex_unlock(&engine->lock);
    }
}

void grammars_free(struct kernel_engine *engine)
{
    while (engine->grammars != NULL) {
        struct grammar_entry *entry = engine->grammars;
        engine->grammars = entry->next;
        grammar_free(entry);
    }
}

/* ---- the thread; everything of it with the lock, but for the compiling ---- */

static bool goes_before(struct kernel_engine *engine, const struct sequence *one,
                        const struct sequence *other)
{
    if (one->tenant == other->tenant) {
        return !one->lasts && other->lasts;
    }
    return tenant_of(engine, one->tenant)->compiled < tenant_of(engine, other->tenant)->compiled;
}

/* Of those that wait, of the tenant whose turn was longest ago: the first that may be short. */
static struct sequence *take_next(struct kernel_engine *engine)
{
    struct sequence **best = NULL;
    for (struct sequence **link = &engine->uncompiled; *link != NULL; link = &(*link)->next) {
        if (best == NULL || goes_before(engine, *link, *best)) {
            best = link;
        }
    }
    if (best == NULL) {
        return NULL;
    }
    struct sequence *next = *best;
    *best = next->next;
    next->next = NULL;
    tenant_of(engine, next->tenant)->compiled = ++engine->grammar_clock;
    return next;
}

static bool is_late(const struct sequence *sequence)
{
    return sequence->canceled ||
           (sequence->deadline_us != 0 && serve_now_us() >= sequence->deadline_us);
}

static void *compile_all(void *data)
{
    struct kernel_engine *engine = data;
    pthread_mutex_lock(&engine->lock);
    while (!engine->compiler_stops) {
        struct sequence *sequence = take_next(engine);
        if (sequence == NULL) {
            pthread_cond_wait(&engine->compiler_woken, &engine->lock);
            continue;
        }
        if (!is_late(sequence)) {
            engine->compiling = sequence;
            pthread_mutex_unlock(&engine->lock);
            sequence_compile(engine, sequence, sequence->lasts ? COMPILE_WHOLE : COMPILE_LITTLE,
                             &sequence->refused);
            pthread_mutex_lock(&engine->lock);
            engine->compiling = NULL;
            if (sequence->grammar == NULL && sequence->refused.status == KERNEL_OK) {
                sequence->lasts = true;
                compiler_add(engine, sequence);
                continue;
            }
        }
        inbox_add(engine, sequence);
    }
    for (struct sequence *one = NULL; (one = take_next(engine)) != NULL;) {
        one->canceled = true; /* the engine ends too, perhaps a moment later: none goes unbound */
        inbox_add(engine, one);
    }
    pthread_mutex_unlock(&engine->lock);
    return NULL;
}

void compiler_start(struct kernel_engine *engine)
{
    pthread_cond_init(&engine->compiler_woken, NULL);
    engine->compiler_runs = pthread_create(&engine->compiler, NULL, compile_all, engine) == 0;
    KERNEL_ASSERT(engine->compiler_runs);
}

void compiler_stop(struct kernel_engine *engine)
{
    if (engine->compiler_runs) {
        pthread_mutex_lock(&engine->lock);
        engine->compiler_stops = true;
        pthread_cond_signal(&engine->compiler_woken);
        pthread_mutex_unlock(&engine->lock);
        pthread_join(engine->compiler, NULL);
        pthread_cond_destroy(&engine->compiler_woken);
        engine->compiler_runs = false;
    }
}

void compiler_add(struct kernel_engine *engine, struct sequence *sequence)
{
    struct sequence **link = &engine->uncompiled;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    sequence->next = NULL;
    *link = sequence;
    pthread_cond_signal(&engine->compiler_woken);
    pthread_cond_signal(&engine->woken); /* its deadline may be the next */
}

int64_t compiler_end_late(struct kernel_engine *engine)
{
    int64_t next_us = 0;
    for (struct sequence **link = &engine->uncompiled; *link != NULL;) {
        struct sequence *one = *link;
        if (is_late(one)) {
            *link = one->next;
            inbox_add(engine, one);
            continue;
        }
        if (one->deadline_us != 0 && (next_us == 0 || one->deadline_us < next_us)) {
            next_us = one->deadline_us;
        }
        link = &one->next;
    }
    return next_us;
}

uint32_t compiler_count(const struct kernel_engine *engine)
{
    uint32_t count = engine->compiling != NULL;
    for (const struct sequence *one = engine->uncompiled; one != NULL; one = one->next) {
        count++;
    }
    return count;
}

bool compiler_cancel(struct kernel_engine *engine, uint64_t id)
{
    if (engine->compiling != NULL && engine->compiling->id == id) {
        engine->compiling->canceled = true;
        return true;
    }
    for (struct sequence **link = &engine->uncompiled; *link != NULL; link = &(*link)->next) {
        if ((*link)->id == id) {
            struct sequence *sequence = *link;
            *link = sequence->next;
            sequence->canceled = true;
            inbox_add(engine, sequence);
            return true;
        }
    }
    return false;
}
