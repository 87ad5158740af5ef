/* checks_machine.c -- what reeve needs from the machine: disk, clock, zones, descriptors, GPU. */
#include "runtime/base/clock.h"
#include "runtime/cli/doctor.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

enum {
    DISK_MISSING_MIB = 512,   /* PostgreSQL stops when the disk is full: before that, act */
    DISK_DEGRADED_MIB = 5120, /* max_wal_size is 4 GiB */
    FILES_DEGRADED = 1024,    /* one per connection, two per hook, and some */
    BUILD_YEAR = 2025         /* a clock before the program was written is wrong */
};

#define ZONE_FOLDER "/usr/share/zoneinfo"

#define SAY(field, ...) snprintf((field), sizeof(field), __VA_ARGS__)

/* The nearest folder above that exists: a state directory may be made later. */
static void existing_parent(char *path)
{
    struct stat found;
    while (stat(path, &found) != 0 && strrchr(path, '/') != path) {
        *strrchr(path, '/') = '\0';
    }
    if (stat(path, &found) != 0) {
        path[1] = '\0';
    }
}

static enum cli_health check_disk(struct cli *cli, struct cli_finding *finding)
{
    char path[PATH_MAX];
    SAY(path, "%s", cli->state_dir);
    if (path[0] != '/') {
        SAY(path, ".");
    } else {
        existing_parent(path);
    }
    struct stat found;
    if (stat(path, &found) == 0 && (!S_ISDIR(found.st_mode) || access(path, W_OK | X_OK) != 0)) {
        SAY(finding->text, "%s is %s", path,
            S_ISDIR(found.st_mode) ? "not ours to write" : "no folder");
        SAY(finding->remedy,
            "Choose another place with --state or REEVE_STATE, or run as its owner.");
        return CLI_MISSING;
    }
    struct statvfs disk;
    if (statvfs(path, &disk) != 0) {
        SAY(finding->text, "could not look at %s: %s", path, strerror(errno));
        SAY(finding->remedy, "Choose another place with --state or REEVE_STATE.");
        return CLI_MISSING;
    }
    uint64_t free_mib = (uint64_t)disk.f_bavail * disk.f_frsize >> 20;
    SAY(finding->text, "%d.%d GiB free at %s", (int)(free_mib / 1024),
        (int)(free_mib % 1024 * 10 / 1024), path);
    if (free_mib < DISK_DEGRADED_MIB) {
        SAY(finding->remedy, "Free some space, or choose another place with --state.");
    }
    return free_mib < DISK_MISSING_MIB    ? CLI_MISSING
           : free_mib < DISK_DEGRADED_MIB ? CLI_DEGRADED
                                          : CLI_OK;
}

static enum cli_health check_clock(struct cli *cli, struct cli_finding *finding)
{
    (void)cli;
    char now[RV_TIME_TEXT];
    int year = 0;
    int month = 0;
    int day = 0;
    int64_t now_us = rv_now_us(rv_clock_system());
    rv_time_text(now_us, now);
    rv_civil_from_days(now_us / INT64_C(86400000000), &year, &month, &day);
    SAY(finding->text, "%s", now);
    if (year < BUILD_YEAR) {
        SAY(finding->remedy, "Set the clock: deadlines and the audit record depend on it.");
        return CLI_MISSING;
    }
    struct timex state = {.modes = 0};
    if (adjtimex(&state) >= 0 && (state.status & STA_UNSYNC) != 0) {
        SAY(finding->text, "%s, not synchronised", now);
        SAY(finding->remedy,
            "Run a time service (systemd-timesyncd, chrony), or the host's is enough.");
        return CLI_DEGRADED;
    }
    return CLI_OK;
}

static enum cli_health check_zones(struct cli *cli, struct cli_finding *finding)
{
    (void)cli;
    char version[64] = "";
    FILE *file = fopen(ZONE_FOLDER "/tzdata.zi", "re");
    if (file != NULL) {
        char line[64] = "";
        if (fgets(line, sizeof line, file) == NULL ||
            sscanf(line, "# version %63s", version) != 1) {
            version[0] = '\0';
        }
        fclose(file);
    }
    if (access(ZONE_FOLDER "/Europe/Berlin", R_OK) != 0) {
        SAY(finding->text, "no time zone data in %s", ZONE_FOLDER);
        SAY(finding->remedy, "Install the package tzdata: schedules need it.");
        return CLI_MISSING;
    }
    SAY(finding->text, "tzdata %s", version[0] != '\0' ? version : "of unknown version");
    return CLI_OK;
}

static enum cli_health check_files(struct cli *cli, struct cli_finding *finding)
{
    (void)cli;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        SAY(finding->text, "could not be read: %s", strerror(errno));
        return CLI_DEGRADED;
    }
    SAY(finding->text, "%llu open files allowed", (unsigned long long)limit.rlim_cur);
    if (limit.rlim_cur < FILES_DEGRADED) {
        SAY(finding->remedy, "Raise it: ulimit -n 65536, or LimitNOFILE= in the service.");
        return CLI_DEGRADED;
    }
    return CLI_OK;
}

static enum cli_health check_gpu(struct cli *cli, struct cli_finding *finding)
{
    (void)cli;
    if (access("/dev/nvidiactl", R_OK | W_OK) != 0) {
        SAY(finding->text, "no NVIDIA device: the model runs on the processor");
        SAY(finding->remedy, "Nothing, unless this machine has one: then install its driver.");
        return CLI_DEGRADED;
    }
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (driver == NULL) {
        SAY(finding->text, "a device is there, its driver library is not");
        SAY(finding->remedy, "Install libcuda.so.1 (package libcuda1, or the container toolkit).");
        return CLI_DEGRADED;
    }
    dlclose(driver);
    SAY(finding->text, "device and driver library found");
    return CLI_OK;
}

const struct cli_check cli_checks[] = {
    {"database", cli_check_database},
    {"schema", cli_check_migrations},
    {"login", cli_check_login},
    {"keys", cli_check_keys},
    {"cluster", cli_check_cluster},
    {"leftovers", cli_check_leftovers},
    {"disk", check_disk},
    {"clock", check_clock},
    {"zones", check_zones},
    {"files", check_files},
    {"model", cli_check_model},
    {"gpu", check_gpu},
    {NULL, NULL},
};
