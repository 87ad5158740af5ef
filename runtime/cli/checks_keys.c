/* checks_keys.c -- the keys in the state directory: there, readable for us, for nobody else, and
 * whole. Looks only: what is made on first use is not made here. */
#include "runtime/cli/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AUDIT_KEY_BYTES = 64, HOOK_KEY_BYTES = 32 };

#define SAY(field, ...) snprintf((field), sizeof(field), __VA_ARGS__)

/* CLI_OK, also when it is not there yet: `absent` says which. */
static enum cli_health look(const char *what, const char *path, int bytes, bool *absent,
                            struct cli_finding *finding)
{
    struct stat info;
    *absent = false;
    if (stat(path, &info) != 0 && errno == ENOENT) {
        *absent = true;
        return CLI_OK;
    }
    if (access(path, R_OK) != 0) {
        SAY(finding->text, "the %s key %s cannot be read: %s", what, path, strerror(errno));
        SAY(finding->remedy, "Run reeve as the account that owns it, or name another file.");
        return CLI_MISSING;
    }
    if ((info.st_mode & 077) != 0) {
        SAY(finding->text, "the %s key %s is readable by others", what, path);
        SAY(finding->remedy, "Run `chmod 600 %s`; if somebody may have read it, make a new one.",
            path);
        return CLI_MISSING;
    }
    if (info.st_size != bytes) {
        SAY(finding->text, "the %s key %s has %lld bytes, not %d", what, path,
            (long long)info.st_size, bytes);
        SAY(finding->remedy, "Restore it from its backup.");
        return CLI_MISSING;
    }
    return CLI_OK;
}

static enum cli_health check_public_half(const struct cli *cli, bool absent,
                                         struct cli_finding *finding)
{
    struct rv_audit *audit = NULL;
    struct rv_error err = {.code = RV_OK};
    const char *public_half = rv_arena_printf(cli->arena, "%s.pub", cli->audit_key);
    if (access(public_half, F_OK) != 0) {
        return CLI_OK; /* first use, or a key of an earlier version */
    }
    if (absent) {
        SAY(finding->text, "the audit key %s is gone, its public half is there", cli->audit_key);
        SAY(finding->remedy, "Restore it from its backup: without it nothing is written.");
        return CLI_MISSING;
    }
    enum rv_code code = rv_audit_open(cli->audit_key, &audit, &err);
    rv_audit_close(audit);
    if (code != RV_OK) {
        SAY(finding->text, "%s", err.message);
        SAY(finding->remedy, "%s", err.hint);
        return CLI_MISSING;
    }
    return CLI_OK;
}

enum cli_health cli_check_keys(struct cli *cli, struct cli_finding *finding)
{
    bool no_audit = false;
    bool no_hook = false;
    enum cli_health health = look("audit", cli->audit_key, AUDIT_KEY_BYTES, &no_audit, finding);
    if (health == CLI_OK) {
        health = check_public_half(cli, no_audit, finding);
    }
    if (health == CLI_OK) {
        health = look("hook", cli->hook_key, HOOK_KEY_BYTES, &no_hook, finding);
    }
    if (health == CLI_OK) {
        SAY(finding->text, "audit key %s, hook key %s", no_audit ? "made on first use" : "in order",
            no_hook ? "made on first use" : "in order");
    }
    return health;
}
