/* file.h -- opening a file that somebody named, to be read as often as needed. */
#ifndef REEVE_RUNTIME_BASE_FILE_H
#define REEVE_RUNTIME_BASE_FILE_H

#include "runtime/base/error.h"

#include <stdio.h>

/* A regular file and nothing else: a device may have no end, a pipe nobody who writes.  RV_INVALID
 * with a hint when it is something else, or when there is none. */
RV_MUST enum rv_code rv_file_open(const char *path, FILE **out, struct rv_error *err);

#endif
