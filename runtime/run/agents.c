/* agents.c -- a list, newest use first: a node has tens of agents, not thousands. */
#include "runtime/run/agents.h"

#include "runtime/base/check.h"

#include <string.h>

struct entry {
    struct entry *next;
    struct rv_hash hash;
    char *name;
    struct rv_agent *agent;
    int users;
};

struct rv_agents {
    struct entry *entries;
    int kept;
};

struct rv_agents *rv_agents_create(void)
{
    return rv_alloc(sizeof(struct rv_agents));
}

static void entry_destroy(struct entry *entry)
{
    rv_agent_destroy(entry->agent);
    rv_free(entry->name);
    rv_free(entry);
}

void rv_agents_destroy(struct rv_agents *agents)
{
    if (agents == NULL) {
        return;
    }
    while (agents->entries != NULL) {
        struct entry *entry = agents->entries;
        agents->entries = entry->next;
        RV_ASSERT(entry->users == 0);
        entry_destroy(entry);
    }
    rv_free(agents);
}

static struct entry *find(struct rv_agents *agents, const struct rv_hash *hash, const char *name)
{
    for (struct entry **link = &agents->entries; *link != NULL; link = &(*link)->next) {
        struct entry *entry = *link;
        if (memcmp(&entry->hash, hash, sizeof *hash) == 0 && strcmp(entry->name, name) == 0) {
            *link = entry->next; /* to the front */
            entry->next = agents->entries;
            agents->entries = entry;
            return entry;
        }
    }
    return NULL;
}

/* Lets the longest unused go when more are idle than we keep. */
static void prune(struct rv_agents *agents)
{
    int idle = 0;
    for (struct entry **link = &agents->entries; *link != NULL;) {
        struct entry *entry = *link;
        idle += entry->users == 0;
        if (entry->users == 0 && idle > RV_AGENTS_IDLE_MAX) {
            *link = entry->next;
            entry_destroy(entry);
            agents->kept--;
        } else {
            link = &entry->next;
        }
    }
}

enum rv_code rv_agents_take(struct rv_agents *agents, const struct rv_hash *hash,
                            const char *source, size_t length, const char *name,
                            struct rv_agent **out, struct rv_error *err)
{
    struct entry *entry = find(agents, hash, name);
    if (entry == NULL) {
        struct rv_agent *agent = NULL;
        const struct rv_agent *other = agents->entries != NULL ? agents->entries->agent : NULL;
        enum rv_code code = rv_agent_load_beside(other, source, length, name, &agent, err);
        if (code != RV_OK) {
            return code;
        }
        entry = rv_alloc(sizeof *entry);
        *entry = (struct entry){
            .next = agents->entries, .hash = *hash, .name = rv_strdup(name), .agent = agent};
        agents->entries = entry;
        agents->kept++;
    }
    entry->users++;
    prune(agents);
    *out = entry->agent;
    return RV_OK;
}

void rv_agents_leave(struct rv_agents *agents, struct rv_agent *agent)
{
    for (struct entry *entry = agents->entries; agent != NULL; entry = entry->next) {
        RV_ASSERT(entry != NULL); /* whoever leaves has taken */
        if (entry->agent == agent) {
            RV_ASSERT(entry->users > 0);
            entry->users--;
            prune(agents);
            return;
        }
    }
}
