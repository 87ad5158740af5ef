/* company.c -- see company.h. */
#include "runtime/run/company.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"

#include <stdio.h>

enum { NAME_TEXT = 32 };

/* One that waits for the end of the orchestrator before it. */
struct begin {
    struct begin *next;
    int32_t tenant;
    int64_t epoch;
};

struct rv_companies {
    struct rv_companies_options options;
    struct begin *waiting; /* in order; at most one of a company */
    bool posted;
};

struct rv_companies *rv_companies_create(const struct rv_companies_options *options)
{
    struct rv_companies *companies = rv_alloc(sizeof *companies);
    companies->options = *options;
    return companies;
}

void rv_companies_destroy(struct rv_companies *companies)
{
    RV_ASSERT(companies == NULL || !companies->posted); /* its loop has run since the drain */
    rv_free(companies);
}

static void name_of(int32_t tenant, char out[NAME_TEXT])
{
    snprintf(out, NAME_TEXT, "orchestrator:%d", (int)tenant);
}

struct rv_ref rv_company_orchestrator(struct rv_actors *actors, int32_t tenant)
{
    char name[NAME_TEXT];
    name_of(tenant, name);
    return rv_actors_find(actors, name);
}

static void stop(const struct rv_companies *companies, int32_t tenant)
{
    struct rv_ref ref = rv_company_orchestrator(companies->options.actors, tenant);
    struct rv_message message = {.kind = RV_MESSAGE_STOP};
    if (ref.id != 0) {
        rv_actors_send(companies->options.actors, ref, &message);
    }
}

/* Whatever is said of a company makes what was said before void. */
static void forget(struct rv_companies *companies, int32_t tenant)
{
    for (struct begin **link = &companies->waiting; *link != NULL; link = &(*link)->next) {
        struct begin *begin = *link;
        if (begin->tenant == tenant) {
            *link = begin->next;
            rv_free(begin);
            return;
        }
    }
}

static enum rv_code spawn(const struct rv_companies *companies, int32_t tenant, int64_t epoch,
                          struct rv_error *err)
{
    const struct rv_companies_options *options = &companies->options;
    char name[NAME_TEXT];
    name_of(tenant, name);
    struct rv_orchestrator_start start = {
        .tenant = tenant, .epoch = epoch, .options = options->orchestrator};
    struct rv_spawn spawn = {
        .behavior = &rv_orchestrator_behavior,
        .argument = &start,
        .argument_bytes = sizeof start,
        .overflow = RV_OVERFLOW_SPILL,
        .restart = RV_RESTART_ON_FAILURE,
        .tenant = tenant,
        .name = name,
    };
    struct rv_ref ref = {0};
    return rv_actors_spawn(options->actors, options->core, &spawn, &ref, err);
}

static void once_more(void *data)
{
    struct rv_companies *companies = data;
    struct begin *waiting = companies->waiting;
    companies->waiting = NULL;
    companies->posted = false;
    while (waiting != NULL) {
        struct begin *begin = waiting;
        waiting = begin->next;
        rv_company_begin(companies, begin->tenant, begin->epoch);
        rv_free(begin);
    }
}

static void wait_for_end(struct rv_companies *companies, int32_t tenant, int64_t epoch)
{
    struct begin **end = &companies->waiting;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = rv_alloc(sizeof **end);
    **end = (struct begin){.tenant = tenant, .epoch = epoch};
    if (!companies->posted) {
        companies->posted = true;
        rv_loop_post(companies->options.loop, once_more, companies);
    }
}

void rv_company_begin(struct rv_companies *companies, int32_t tenant, int64_t epoch)
{
    struct rv_error err = {.code = RV_OK};
    forget(companies, tenant);
    enum rv_code code = spawn(companies, tenant, epoch, &err);
    if (code == RV_CONFLICT) {
        stop(companies, tenant);
        wait_for_end(companies, tenant, epoch);
    } else if (code != RV_OK) {
        rv_log_error("node", "ORCHESTRATOR", &err);
    }
}

void rv_company_end(struct rv_companies *companies, int32_t tenant)
{
    forget(companies, tenant);
    stop(companies, tenant);
}
