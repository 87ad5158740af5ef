/* key_file.h -- a name for a key file that a test makes and takes away.
 *
 * Each name is a folder of its own: numbers of processes come again, and what an earlier test
 * left under one would be found by a later one.
 */
#ifndef REEVE_TESTS_SUPPORT_KEY_FILE_H
#define REEVE_TESTS_SUPPORT_KEY_FILE_H

#include "runtime/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_FILE_NAME = 64 };

/* Names a file that does not exist, in a folder made for it. */
static inline void key_file_name(char path[KEY_FILE_NAME])
{
    snprintf(path, KEY_FILE_NAME, "/tmp/rv-key-XXXXXX");
    RV_ASSERT(mkdtemp(path) != NULL);
    strcat(path, "/key");
}

/* Takes away the key, its public half and the folder; each may be gone already. */
static inline void key_file_remove(const char *path)
{
    char other[KEY_FILE_NAME + 8];
    unlink(path);
    snprintf(other, sizeof other, "%s.pub", path);
    unlink(other);
    snprintf(other, sizeof other, "%.*s", (int)(strrchr(path, '/') - path), path);
    rmdir(other);
}

#endif
