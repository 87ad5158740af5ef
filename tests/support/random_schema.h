/* random_schema.h -- JSON schemas by chance, most of them satisfiable, for fuzzing. */
#ifndef REEVE_TESTS_SUPPORT_RANDOM_SCHEMA_H
#define REEVE_TESTS_SUPPORT_RANDOM_SCHEMA_H

#include <jansson.h>
#include <stdint.h>

/* With "$defs" a and b that parts refer to, recursively too. */
json_t *random_schema(uint64_t seed);

#endif
