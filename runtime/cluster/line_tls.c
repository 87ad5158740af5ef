/* line_tls.c -- the certificates of a line, as nng wants them. */
#include "runtime/base/check.h"
#include "runtime/cluster/line_private.h"

#include <errno.h>
#include <fcntl.h>
#include <nng/transport/tls/tls.h>
#include <unistd.h>

enum { PEM_MAX = 256 * 1024 };

static enum rv_code read_pem(const char *path, char **out, struct rv_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return rv_fail_errno(err, errno, "open \"%s\"", path);
    }
    char *text = rv_alloc(PEM_MAX + 1);
    ssize_t length = read(fd, text, PEM_MAX);
    close(fd);
    if (length <= 0 || length == PEM_MAX) {
        rv_free(text);
        return rv_fail(err, RV_INVALID, "\"%s\" is empty or too long for a PEM file", path);
    }
    text[length] = '\0';
    *out = text;
    return RV_OK;
}

enum rv_code line_tls_read(struct line_tls *tls, const struct rv_line_tls *files,
                           struct rv_error *err)
{
    if (files->cert_file == NULL) {
        return RV_OK;
    }
    int number = nng_tls_register();
    if (number != 0 && number != NNG_ESTATE) {
        return line_fail(err, number, "this machine's libnng speaks no", "TLS");
    }
    tls->ca_file = rv_strdup(files->ca_file);
    enum rv_code code = read_pem(files->cert_file, &tls->cert, err);
    return code == RV_OK ? read_pem(files->key_file, &tls->key, err) : code;
}

void line_tls_fini(struct line_tls *tls)
{
    rv_free(tls->cert);
    rv_free(tls->key);
    rv_free(tls->ca_file);
}

bool line_tls_is_on(const struct line_tls *tls)
{
    return tls->ca_file != NULL;
}

enum rv_code line_tls_config(const struct line_tls *tls, const char *name, nng_tls_config **out,
                             struct rv_error *err)
{
    nng_tls_config *config = NULL;
    int number =
        nng_tls_config_alloc(&config, name != NULL ? NNG_TLS_MODE_CLIENT : NNG_TLS_MODE_SERVER);
    if (number != 0) {
        return line_fail(err, number, "set up TLS", "");
    }
    const char *what = "read the authority's certificate (cluster.tls_ca)";
    number = nng_tls_config_ca_file(config, tls->ca_file);
    if (number == 0) {
        what = "read this node's certificate (cluster.tls_cert, cluster.tls_key)";
        number = nng_tls_config_own_cert(config, tls->cert, tls->key, NULL);
    }
    if (number == 0) {
        what = "ask for certificates";
        number = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    }
    if (number == 0 && name != NULL) {
        number = nng_tls_config_server_name(config, name);
    }
    if (number != 0) {
        nng_tls_config_free(config);
        return line_fail(err, number, what, "");
    }
    *out = config;
    return RV_OK;
}
