/* checks_cluster.c -- whether this node can be one of several: its line, its key, its certificates,
 * and who is there.  Looks only: the key is made by the first `reeve serve` with a line. */
#include "journal_sql.h"
#include "runtime/cli/doctor.h"
#include "runtime/cli/place.h"
#include "runtime/cluster/certificate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_BYTES = 32 };

#define SAY(field, ...) snprintf((field), sizeof(field), __VA_ARGS__)

struct census {
    int serving;
    int other_keys;
    int without_line;
    char mark[32]; /* of the first that has one */
};

static enum rv_code count_node(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)err;
    struct census *census = data;
    if (rv_result_bool(result, row, 7) && rv_result_bool(result, row, 8)) {
        const char *mark = rv_result_text(result, row, 13);
        census->serving++;
        census->without_line += mark[0] == '\0';
        if (mark[0] != '\0' && census->mark[0] == '\0') {
            SAY(census->mark, "%s", mark);
        }
        census->other_keys += mark[0] != '\0' && strcmp(mark, census->mark) != 0;
    }
    return RV_OK;
}

/* Nothing when the database is away: the line "database" says so. */
static void count_nodes(struct cli *cli, struct census *census)
{
    struct rv_db_session *session = NULL;
    struct rv_error err = {.code = RV_OK};
    if (cli_look_into(cli, &session, &err) != RV_OK ||
        rv_db_session_query(session, 0, &rv_sql_nodes_all, NULL, count_node, census, &err) !=
            RV_OK) {
        *census = (struct census){.serving = 0};
    }
    rv_db_session_close(session);
}

static enum cli_health check_file(const char *setting, const char *path, bool secret,
                                  struct cli_finding *finding)
{
    struct stat info;
    if (stat(path, &info) != 0 || access(path, R_OK) != 0) {
        SAY(finding->text, "%s: %.150s cannot be read: %s", setting, path, strerror(errno));
        SAY(finding->remedy, "Name a file that the account of reeve can read.");
        return CLI_MISSING;
    }
    if (secret && (info.st_mode & 077) != 0) {
        SAY(finding->text, "%s: %.150s is readable by others", setting, path);
        SAY(finding->remedy, "Run `chmod 600 %.150s`.", path);
        return CLI_MISSING;
    }
    return CLI_OK;
}

static enum cli_health check_certificate(const struct cli *cli, const char *cert, const char *key,
                                         const char *ca, struct cli_finding *finding)
{
    struct rv_error err = {.code = RV_OK};
    int days_left = 0;
    const struct rv_line_tls tls = {.cert_file = cert, .key_file = key, .ca_file = ca};
    if (rv_certificate_check(&tls, rv_config_node_name(cli->config), &days_left, &err) != RV_OK) {
        SAY(finding->text, "%s", err.message);
        SAY(finding->remedy, "%s", err.hint);
        return CLI_MISSING;
    }
    if (days_left < RV_CERTIFICATE_SOON_DAYS) {
        SAY(finding->text, "cluster.tls_cert is valid for %d more days", days_left);
        SAY(finding->remedy, "Get another one in time, and start the node again.");
        return CLI_DEGRADED;
    }
    return CLI_OK;
}

static enum cli_health check_tls(const struct cli *cli, bool *on, struct cli_finding *finding)
{
    const char *cert = rv_config_text(cli->config, RV_SET_CLUSTER_TLS_CERT);
    const char *key = rv_config_text(cli->config, RV_SET_CLUSTER_TLS_KEY);
    const char *ca = rv_config_text(cli->config, RV_SET_CLUSTER_TLS_CA);
    int given = (cert[0] != '\0') + (key[0] != '\0') + (ca[0] != '\0');
    *on = given == 3;
    if (given == 0) {
        return CLI_OK;
    }
    if (given != 3) {
        SAY(finding->text, "of cluster.tls_cert, cluster.tls_key and cluster.tls_ca only %d %s set",
            given, given == 1 ? "is" : "are");
        SAY(finding->remedy, "Set all three, or none: messages are sealed in any case.");
        return CLI_MISSING;
    }
    enum cli_health health = check_file("cluster.tls_cert", cert, false, finding);
    health = health == CLI_OK ? check_file("cluster.tls_key", key, true, finding) : health;
    health = health == CLI_OK ? check_file("cluster.tls_ca", ca, false, finding) : health;
    return health == CLI_OK ? check_certificate(cli, cert, key, ca, finding) : health;
}

enum cli_health cli_check_cluster(struct cli *cli, struct cli_finding *finding)
{
    const char *listen = rv_config_text(cli->config, RV_SET_CLUSTER_LISTEN);
    struct census census = {.serving = 0};
    struct stat info;
    bool tls = false;
    count_nodes(cli, &census);
    if (listen[0] == '\0') {
        SAY(finding->text, "no line: cluster.listen is not set (%d serving)", census.serving);
        if (census.serving > 1) {
            SAY(finding->remedy, "Set cluster.listen on each node: they hear of work at once.");
        }
        return census.serving > 1 ? CLI_DEGRADED : CLI_OK;
    }
    enum cli_health health = check_tls(cli, &tls, finding);
    if (health != CLI_OK) {
        return health;
    }
    const char *path = cli->cluster_key;
    bool there = stat(path, &info) == 0;
    health = there ? check_file("cluster.key_file", path, true, finding) : CLI_OK;
    if (health == CLI_OK && there && info.st_size != KEY_BYTES) {
        SAY(finding->text, "the cluster key %.150s has %lld bytes, not %d", path,
            (long long)info.st_size, KEY_BYTES);
        SAY(finding->remedy, "Copy it from another node.");
        health = CLI_MISSING;
    }
    if (health != CLI_OK) {
        return health;
    }
    SAY(finding->text, "line at %.80s%s, key %s, %d serving%s", listen, tls ? " with TLS" : "",
        there ? "in order" : "made on first use", census.serving,
        census.other_keys > 0 ? ", not all with the same key" : "");
    if (census.other_keys > 0) {
        SAY(finding->remedy, "Copy one node's cluster key to all others and start them again.");
        return CLI_DEGRADED;
    }
    return CLI_OK;
}
