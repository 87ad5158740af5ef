/* kernel_company.c -- see kernel_company.h. */
#include "tests/support/kernel_company.h"

#include "kernels/base/fail.h"
#include "kernels/model/make.h"
#include "tests/support/kernel_file.h"
#include "tests/support/kernel_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES = 7, LONGEST = 90, ADAPTERS = 2, ROUNDS = 4 };

struct company {
    struct kernel_world world;
    uint64_t random;
    int32_t tokens[LINES][LONGEST];
    uint32_t count[LINES];
    int32_t adapter[LINES];
    struct kernel_line truth[LINES];
    int complaints;
};

static void compare(struct company *company, int i, const struct kernel_line *line, uint32_t first,
                    const char *how)
{
    const struct kernel_shape *shape = company->world.shape;
    const struct kernel_line *truth = &company->truth[i];
    for (uint32_t t = first; t < line->count; t++) {
        if (memcmp(line->logits + (size_t)t * shape->vocabulary,
                   truth->logits + (size_t)t * shape->vocabulary,
                   shape->vocabulary * sizeof(float)) != 0 ||
            memcmp(line->hidden + (size_t)t * shape->width,
                   truth->hidden + (size_t)t * shape->width, shape->width * sizeof(float)) != 0) {
            printf("sequence %d of %" PRIu32 " tokens, adapter %" PRId32
                   ", %s: other bits at %" PRIu32 "\n",
                   i, line->count, line->adapter, how, t);
            company->complaints++;
            return;
        }
    }
}

static void check_chunks(struct company *company, uint32_t chunk)
{
    char how[48];
    snprintf(how, sizeof how, "alone in pieces of %" PRIu32, chunk);
    for (int i = 0; i < LINES; i++) {
        struct kernel_line line;
        kernel_line_open(&company->world, &line, company->tokens[i], company->count[i],
                         company->adapter[i]);
        kernel_world_all(&company->world, &line, chunk);
        compare(company, i, &line, 0, how);
        kernel_line_close(&company->world, &line);
    }
}

/* All together; each step takes a random piece of some. */
static void check_mixed(struct company *company, bool outputs)
{
    struct kernel_line lines[LINES];
    struct kernel_line *some[LINES];
    uint32_t take[LINES];
    uint32_t open = LINES;
    for (int i = 0; i < LINES; i++) {
        kernel_line_open(&company->world, &lines[i], company->tokens[i], company->count[i],
                         company->adapter[i]);
        some[i] = &lines[i];
    }
    while (open > 0) {
        uint32_t taken = 0;
        open = 0;
        for (int i = 0; i < LINES; i++) {
            uint32_t left = lines[i].count - lines[i].done;
            uint64_t chance = make_random(&company->random);
            uint32_t piece = chance % 3 == 0 ? 0 : chance % 3 == 1 ? 1 : (chance >> 8) % 24;
            take[i] = piece < left ? piece : left;
            taken += take[i];
            open += left > take[i];
        }
        if (taken > 0) {
            kernel_world_step(&company->world, some, take, LINES, outputs);
        }
    }
    for (int i = 0; i < LINES; i++) {
        compare(company, i, &lines[i], outputs ? 0 : lines[i].count - 1,
                outputs ? "mixed" : "mixed, last output only");
        kernel_line_close(&company->world, &lines[i]);
    }
}

static void load_adapters(struct company *company)
{
    static const struct {
        uint32_t rank, parts;
    } recipes[ADAPTERS] = {{4, 1 << KERNEL_PART_Q | 1 << KERNEL_PART_V},
                           {8, (1 << KERNEL_PARTS) - 1}};
    for (int i = 0; i < ADAPTERS; i++) {
        char path[] = "/tmp/reeve-adapter-XXXXXX";
        struct kernel_error error = {.message = ""};
        int32_t index = -1;
        close(mkstemp(path));
        kernel_file_write_adapter(path, company->world.model->arch->name, company->world.shape,
                                  recipes[i].rank, recipes[i].parts, (uint64_t)i + 5);
        enum kernel_status status =
            kernel_runner_adapter(company->world.runner, path, &index, &error);
        unlink(path);
        if (status != KERNEL_OK || index != i) {
            printf("adapter %d: %s\n", i, error.message);
            company->complaints++;
        }
    }
}

int kernel_company_check(const char *model, const struct kernel_operations *operations,
                         const struct kernel_engine_options *engine, uint64_t seed)
{
    static const uint32_t counts[LINES] = {75, 40, 17, 1, 33, 16, LONGEST};
    static const int32_t adapters[LINES] = {-1, 0, 1, 1, -1, 0, 1};
    struct company *company = kernel_allocate(1, sizeof *company);
    company->random = seed;
    kernel_world_open(&company->world, kernel_world_model(model), operations, engine);
    load_adapters(company);
    for (int i = 0; i < LINES; i++) {
        company->count[i] = counts[i];
        company->adapter[i] = adapters[i];
        for (uint32_t t = 0; t < counts[i]; t++) {
            company->tokens[i][t] =
                (int32_t)(make_random(&company->random) % company->world.shape->vocabulary);
        }
        kernel_line_open(&company->world, &company->truth[i], company->tokens[i], counts[i],
                         adapters[i]);
        kernel_world_all(&company->world, &company->truth[i], LONGEST);
    }
    check_chunks(company, 1);
    check_chunks(company, 7);
    check_chunks(company, 16);
    for (int round = 0; round < ROUNDS; round++) {
        check_mixed(company, round % 2 == 0);
    }
    for (int i = 0; i < LINES; i++) {
        kernel_line_close(&company->world, &company->truth[i]);
    }
    int complaints = company->complaints;
    kernel_world_close(&company->world);
    free(company);
    return complaints;
}
