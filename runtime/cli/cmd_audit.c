/* cmd_audit.c -- reeve audit: check the record, and what an auditor takes away to check it
 * elsewhere.
 *
 * Verifying needs public keys only; an export and a proof are verified without a database.
 */
#include "cli_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/place.h"
#include "runtime/cli/retention.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SMALL_FILE_MAX = 4 << 20 };

/* ---- what was given ---- */

/* The keys of --key (a file or the text itself), else those that lie beside the node's own key. */
static enum rv_code open_trust(struct cli *cli, struct rv_audit_trust **out, struct rv_error *err)
{
    const char *key = cli_option(cli, "key");
    const char *text = key;
    size_t length = 0;
    enum rv_code code = RV_OK;
    if (key == NULL) {
        return rv_audit_trust_open(cli->audit_key, out, err);
    }
    if (access(key, F_OK) == 0) {
        code = cli_read_file(key, SMALL_FILE_MAX, cli->arena, &text, &length, err);
    }
    return code == RV_OK ? rv_audit_trust_read(text, out, err) : code;
}

struct kept {
    struct rv_audit_kept kept;
    struct rv_buf checkpoints;
};

/* Every --checkpoint FILE, one after the other, and --kept EXPORT. */
static enum rv_code open_kept(struct cli *cli, struct kept *out, struct rv_error *err)
{
    const char *export = cli_option(cli, "kept");
    rv_buf_init(&out->checkpoints, SMALL_FILE_MAX);
    out->kept = (struct rv_audit_kept){.checkpoints = NULL};
    for (int i = 0; i < cli->given_count; i++) {
        const char *text = NULL;
        size_t length = 0;
        if (strcmp(cli->given[i].name, "checkpoint") != 0) {
            continue;
        }
        enum rv_code code =
            cli_read_file(cli->given[i].value, SMALL_FILE_MAX, cli->arena, &text, &length, err);
        if (code != RV_OK) {
            return code;
        }
        rv_buf_add(&out->checkpoints, text, length);
        rv_buf_char(&out->checkpoints, '\n');
        out->kept.checkpoints = out->checkpoints.data;
    }
    if (export != NULL) {
        out->kept.export = fopen(export, "rbe");
        if (out->kept.export == NULL) {
            return rv_fail_errno(err, errno, "open \"%s\"", export);
        }
    }
    return rv_buf_ok(&out->checkpoints, "kept checkpoints", err);
}

static void close_kept(struct kept *kept)
{
    if (kept->kept.export != NULL) {
        fclose(kept->kept.export);
    }
    rv_buf_fini(&kept->checkpoints);
}

struct company {
    int32_t tenant;
    const char *name;
    struct rv_arena *arena;
};

static enum rv_code take_name(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    struct company *company = data;
    if (rv_result_i64(result, row, 0) == company->tenant) {
        company->name = rv_arena_strdup(company->arena, rv_result_text(result, row, 1));
    }
    return RV_OK;
}

static enum rv_code find_company(struct cli *cli, struct company *out, struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    *out = (struct company){.name = "", .arena = cli->arena};
    enum rv_code code = place_company(cli, &session, &out->tenant, err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_cli_company_by_name);
        rv_args_text(args, 1, "");
        code =
            rv_db_session_query(session, 0, &rv_sql_cli_company_by_name, args, take_name, out, err);
    }
    rv_db_session_close(session);
    return code;
}

/* The node's own key where this account may read it, else NULL: then nothing new is signed. */
static enum rv_code open_signer(struct cli *cli, struct rv_audit **out, struct rv_error *err)
{
    *out = NULL;
    return access(cli->audit_key, R_OK) == 0 ? rv_audit_open(cli->audit_key, out, err) : RV_OK;
}

/* ---- reeve audit verify ---- */

static void say_report(const struct cli *cli, const json_t *report, const char *what)
{
    bool ok = rv_json_bool(report, "ok", false);
    int64_t records = rv_json_int(report, "records", 0);
    int64_t open = records - rv_json_int(report, "sealed", 0);
    cli_print(&cli->output, "%s: %" PRId64 " records, %" PRId64 " signed checkpoints%s",
              ok ? "green" : "TAMPERED", records, rv_json_int(report, "checkpoints", 0), what);
    if (ok && open > 0) {
        cli_print(&cli->output, "  the newest %" PRId64 " are not under a checkpoint yet", open);
    }
    if (ok && cli->command->run == cmd_audit_verify) {
        cli_say(&cli->output, "The books themselves: reeve company check.");
    }
    size_t i;
    json_t *finding;
    json_array_foreach(json_object_get(report, "findings"), i, finding)
    {
        cli_print(&cli->output, "  record %" PRId64 ": %s", rv_json_int(finding, "seq", 0),
                  rv_json_str(finding, "finding", ""));
    }
}

static enum rv_code verify_file(const char *path, const struct rv_audit_trust *trust,
                                const struct rv_audit_kept *kept, json_t **report,
                                struct rv_error *err)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return rv_fail_errno(err, errno, "open \"%s\"", path);
    }
    enum rv_code code = rv_audit_verify_export(file, trust, kept, report, err);
    fclose(file);
    return code;
}

static enum rv_code verify_proof(struct cli *cli, const char *path,
                                 const struct rv_audit_trust *trust,
                                 const struct rv_audit_kept *kept, json_t **report,
                                 struct rv_error *err)
{
    const char *text = NULL;
    size_t length = 0;
    json_t *proof = NULL;
    enum rv_code code = cli_read_file(path, SMALL_FILE_MAX, cli->arena, &text, &length, err);
    if (code == RV_OK) {
        code = rv_json_parse(text, length, path, &proof, err);
    }
    if (code == RV_OK) {
        code = rv_audit_verify_proof(proof, trust, kept, report, err);
    }
    json_decref(proof);
    return code;
}

static void say_proof(const struct cli *cli, const json_t *report)
{
    if (!rv_json_bool(report, "ok", false)) {
        cli_print(&cli->output, "NOT PROVEN: %s", rv_json_str(report, "finding", ""));
    } else if (strcmp(rv_json_str(report, "proof", ""), "inclusion") == 0) {
        cli_print(&cli->output,
                  "green: record %" PRId64 " is one of the %" PRId64 " that were signed",
                  rv_json_int(report, "seq", 0), rv_json_int(report, "size", 0));
        cli_print(&cli->output, "%s", rv_json_str(report, "record", ""));
    } else {
        cli_print(&cli->output,
                  "green: the %" PRId64 " records that were signed continue the first %" PRId64,
                  rv_json_int(report, "size", 0), rv_json_int(report, "from", 0));
    }
}

int cmd_audit_verify(struct cli *cli)
{
    const char *file = cli_option(cli, "from-file");
    const char *proof = cli_option(cli, "proof");
    struct rv_error err = {.code = RV_OK};
    struct rv_audit_trust *trust = NULL;
    struct kept kept;
    struct company company;
    json_t *report = NULL;
    enum rv_code code = open_kept(cli, &kept, &err);
    if (code == RV_OK && file != NULL && proof != NULL) {
        code = rv_fail(&err, RV_INVALID, "--from-file and --proof are two questions: ask one");
    }
    if (code == RV_OK && file == NULL && proof == NULL) {
        code =
            find_company(cli, &company, &err); /* makes the state folder, where it is the first */
    }
    if (code == RV_OK) {
        code = open_trust(cli, &trust, &err);
    }
    if (code == RV_OK) {
        code = file != NULL ? verify_file(file, trust, &kept.kept, &report, &err)
               : proof != NULL
                   ? verify_proof(cli, proof, trust, &kept.kept, &report, &err)
                   : rv_audit_verify(cli->uri, company.tenant, trust, &kept.kept, &report, &err);
    }
    rv_audit_trust_free(trust);
    close_kept(&kept);
    json_t *gone = NULL;
    if (code == RV_OK && file == NULL && proof == NULL) {
        code = retention_of(cli, company.tenant, &gone, &err);
    }
    if (code != RV_OK) {
        json_decref(report);
        return cli_fail(cli, &err);
    }
    bool ok = rv_json_bool(report, "ok", false);
    if (cli->json) {
        json_object_set(report, "journals_dropped", gone);
        cli_print_json(&cli->output, json_incref(report));
    } else if (proof != NULL) {
        say_proof(cli, report);
    } else {
        say_report(cli, report, "");
        retention_say(cli, gone);
    }
    json_decref(gone);
    json_decref(report);
    return ok ? 0 : 1;
}

/* ---- what goes elsewhere ---- */

int cmd_audit_key(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_audit *audit = NULL;
    char text[RV_AUDIT_KEY_TEXT];
    enum rv_code code = place_folder(cli, &err);
    if (code == RV_OK) {
        code = rv_audit_open(cli->audit_key, &audit, &err);
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    rv_audit_public_key(audit, text);
    rv_audit_close(audit);
    if (cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:s,s:s}", "key", text, "secret_file", cli->audit_key));
    } else {
        cli_print(&cli->output, "%s", text);
    }
    return 0;
}

int cmd_audit_checkpoint(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct company company;
    struct rv_audit *audit = NULL;
    char note[RV_AUDIT_NOTE_TEXT];
    enum rv_code code = find_company(cli, &company, &err);
    if (code == RV_OK) {
        code = open_signer(cli, &audit, &err);
    }
    if (code == RV_OK) {
        code = rv_audit_checkpoint(cli->uri, company.tenant, audit, note, &err);
    }
    rv_audit_close(audit);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s}", "checkpoint", note));
    } else {
        fputs(note, cli->output.data); /* exactly: its lines are signed */
    }
    return 0;
}

int cmd_audit_export(struct cli *cli)
{
    const char *path = cli->argc > 0 ? cli->argv[0] : NULL;
    struct rv_error err = {.code = RV_OK};
    struct company company;
    struct rv_audit *audit = NULL;
    struct rv_audit_trust *trust = NULL;
    json_t *report = NULL;
    FILE *out = stdout;
    enum rv_code code = find_company(cli, &company, &err);
    if (code == RV_OK) {
        code = open_signer(cli, &audit, &err);
    }
    if (code == RV_OK) {
        code = open_trust(cli, &trust, &err);
    }
    if (code == RV_OK && path != NULL) {
        out = fopen(path, "wbxe"); /* never over an export that was kept */
        code = out != NULL ? RV_OK : rv_fail_errno(&err, errno, "make \"%s\"", path);
    }
    if (code == RV_OK) {
        code = rv_audit_export(cli->uri, company.tenant, company.name, audit, trust, out, &report,
                               &err);
    }
    if (path != NULL && out != NULL && fclose(out) != 0 && code == RV_OK) {
        code = rv_fail_errno(&err, errno, "write \"%s\"", path);
    }
    rv_audit_close(audit);
    rv_audit_trust_free(trust);
    if (code != RV_OK) {
        json_decref(report);
        return cli_fail(cli, &err);
    }
    bool ok = rv_json_bool(report, "ok", false);
    struct cli output = *cli;
    if (path == NULL) {
        output.output.data = output.output.talk; /* the export itself is the data */
    }
    if (cli->json) {
        cli_print_json(&output.output, json_incref(report));
    } else {
        say_report(&output, report, " exported");
    }
    json_decref(report);
    return ok ? 0 : 1;
}

int cmd_audit_prove(struct cli *cli)
{
    const char *since_file = cli_option(cli, "since");
    struct rv_error err = {.code = RV_OK};
    struct company company;
    struct rv_audit *audit = NULL;
    struct rv_audit_trust *trust = NULL;
    json_t *proof = NULL;
    const char *since = NULL;
    size_t length = 0;
    char *end = NULL;
    int64_t seq = cli->argc > 0 ? strtoll(cli->argv[0], &end, 10) : -1;
    if ((cli->argc == 0) == (since_file == NULL) || (end != NULL && (*end != '\0' || seq < 0))) {
        return cli_usage(cli, "audit prove RECORD, or audit prove --since CHECKPOINT");
    }
    enum rv_code code = RV_OK;
    if (since_file != NULL) {
        code = cli_read_file(since_file, SMALL_FILE_MAX, cli->arena, &since, &length, &err);
    }
    if (code == RV_OK) {
        code = find_company(cli, &company, &err);
    }
    if (code == RV_OK) {
        code = open_signer(cli, &audit, &err);
    }
    if (code == RV_OK) {
        code = open_trust(cli, &trust, &err);
    }
    if (code == RV_OK) {
        code =
            since != NULL
                ? rv_audit_prove_growth(cli->uri, company.tenant, since, audit, trust, &proof, &err)
                : rv_audit_prove_record(cli->uri, company.tenant, seq, audit, &proof, &err);
    }
    rv_audit_close(audit);
    rv_audit_trust_free(trust);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    cli_print_json(&cli->output, proof);
    return 0;
}
