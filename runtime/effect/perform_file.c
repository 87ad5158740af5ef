/* perform_file.c -- one new file in a directory: written aside, synced, then given its name.
 *
 * The name is taken only where there is none of it (RENAME_NOREPLACE), so that a file appears whole
 * or not at all and never over another.  After a crash the rule "look" compares by content.
 *
 * A disk may take long, and the process may stand still: a file that has not got its name when its
 * attempt is over never gets it, because others may look for it from then on.
 */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/hash.h"
#include "runtime/effect/effect_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_BYTES = 200, FILE_MODE = 0640 };

struct file {
    const struct effect_call *call;
    const struct effect_intent *intent;
    const struct rv_clock *clock;
    struct effect_result result;
};

static void hex_of(const char *bytes, size_t length, char out[RV_HASH_HEX])
{
    struct rv_hash hash = rv_sha256(bytes, length);
    rv_hash_hex(&hash, out);
}

static void happened(struct file *file)
{
    const char *text = rv_json_str(file->intent->args, "text", "");
    char hex[RV_HASH_HEX];
    hex_of(text, strlen(text), hex);
    file->result.verdict = EFFECT_HAPPENED;
    file->result.answer =
        json_pack("{s:s,s:I,s:s}", "name", rv_json_str(file->intent->args, "name", ""), "bytes",
                  (json_int_t)strlen(text), "sha256", hex);
}

static void failed(struct file *file, const char *what)
{
    effect_result_set(&file->result, EFFECT_NOT_YET, RV_IO, "%s: %s", what, strerror(errno));
}

static int open_directory(struct file *file)
{
    int directory = open(file->intent->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        failed(file, "open the connector's directory");
    }
    return directory;
}

/* ---- writing ---- */

static bool write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        text += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_aside(struct file *file, int directory, const char *aside)
{
    const char *text = rv_json_str(file->intent->args, "text", "");
    unlinkat(directory, aside, 0); /* of an attempt that came so far */
    int fd =
        openat(directory, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        failed(file, "make the file");
        return false;
    }
    bool good = write_all(fd, text, strlen(text)) && fsync(fd) == 0;
    if (!good) {
        failed(file, "write the file");
    }
    close(fd);
    return good;
}

static void perform(struct file *file)
{
    const char *name = rv_json_str(file->intent->args, "name", "");
    char aside[NAME_BYTES];
    snprintf(aside, sizeof aside, ".%s.part", file->intent->key);
    int directory = open_directory(file);
    if (directory < 0) {
        return;
    }
    if (write_aside(file, directory, aside)) {
        if (rv_mono_us(file->clock) >= file->call->over_us) {
            effect_result_set(&file->result, EFFECT_NOT_YET, RV_TIMEOUT,
                              "the file was not written in time, and has no name");
        } else if (renameat2(directory, aside, directory, name, RENAME_NOREPLACE) == 0) {
            fsync(directory); /* without it the file is there; only its name may be younger */
            happened(file);
        } else if (errno == EEXIST) {
            effect_result_set(&file->result, EFFECT_REFUSED, RV_CONFLICT,
                              "there is a file of that name already");
        } else {
            failed(file, "name the file");
        }
    }
    unlinkat(directory, aside, 0);
    close(directory);
}

/* ---- looking ---- */

static bool same_content(int fd, const char *text)
{
    size_t length = strlen(text);
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || (size_t)info.st_size != length) {
        return false;
    }
    char *found = rv_alloc(length + 1);
    size_t got = 0;
    ssize_t n = 0;
    while (got < length && (n = read(fd, found + got, length - got)) > 0) {
        got += (size_t)n;
    }
    bool same = got == length && memcmp(found, text, length) == 0;
    rv_free(found);
    return same;
}

static void look(struct file *file)
{
    int directory = open_directory(file);
    if (directory < 0) {
        file->result.verdict = EFFECT_UNKNOWN;
        return;
    }
    int fd = openat(directory, rv_json_str(file->intent->args, "name", ""),
                    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && same_content(fd, rv_json_str(file->intent->args, "text", ""))) {
        happened(file);
    } else if (fd >= 0 || errno == ENOENT || errno == ELOOP) {
        effect_result_set(&file->result, EFFECT_NOT_YET, RV_NOT_FOUND,
                          "there is no file of that name with that content");
    } else {
        failed(file, "look at the file");
        file->result.verdict = EFFECT_UNKNOWN;
    }
    if (fd >= 0) {
        close(fd);
    }
    close(directory);
}

/* ---- on the pool ---- */

static void work(void *data)
{
    struct file *file = data;
    if (file->call->look) {
        look(file);
    } else {
        perform(file);
    }
}

static void worked(void *data)
{
    struct file *file = data;
    file->call->done(file->call->data, &file->result);
    rv_free(file);
}

void effect_file_begin(struct rv_effects *effects, struct effect_call *call)
{
    struct file *file = rv_alloc(sizeof *file);
    *file = (struct file){
        .call = call, .intent = call->intent, .clock = rv_loop_clock(effect_loop(effects))};
    rv_work(effect_loop(effects), work, worked, file);
}
