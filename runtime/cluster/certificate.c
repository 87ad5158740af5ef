/* certificate.c -- see certificate.h. */
#include "runtime/cluster/certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

/* What was read; all may be NULL. */
struct read {
    X509 *cert;
    STACK_OF(X509) * between; /* further certificates of its file, up to the authority's */
    EVP_PKEY *key;
    X509_STORE *store;
};

static void read_fini(struct read *read)
{
    X509_free(read->cert);
    sk_X509_pop_free(read->between, X509_free);
    EVP_PKEY_free(read->key);
    X509_STORE_free(read->store);
}

static enum rv_code open_file(const char *setting, const char *path, FILE **out,
                              struct rv_error *err)
{
    *out = fopen(path, "re");
    return *out != NULL ? RV_OK
                        : rv_fail_errno(err, errno, "cannot read %s, \"%.150s\"", setting, path);
}

static enum rv_code refuse(struct rv_error *err, const char *setting, const char *path,
                           const char *rule, const char *remedy)
{
    rv_fail(err, RV_INVALID, "%s, \"%.150s\": %s", setting, path, rule);
    rv_hint(err, "%s", remedy);
    return RV_INVALID;
}

static enum rv_code read_chain(const char *path, struct read *out, struct rv_error *err)
{
    FILE *file = NULL;
    if (open_file("cluster.tls_cert", path, &file, err) != RV_OK) {
        return err->code;
    }
    out->cert = PEM_read_X509(file, NULL, NULL, NULL);
    out->between = sk_X509_new_null();
    X509 *more = NULL;
    while (out->cert != NULL && (more = PEM_read_X509(file, NULL, NULL, NULL)) != NULL) {
        sk_X509_push(out->between, more);
    }
    fclose(file);
    return out->cert != NULL ? RV_OK
                             : refuse(err, "cluster.tls_cert", path, "it holds no certificate",
                                      "Give the node's certificate in PEM, then those between it "
                                      "and the authority's.");
}

static enum rv_code read_key(const char *path, struct read *out, struct rv_error *err)
{
    FILE *file = NULL;
    if (open_file("cluster.tls_key", path, &file, err) != RV_OK) {
        return err->code;
    }
    out->key = PEM_read_PrivateKey(file, NULL, NULL, (void *)(uintptr_t) "");
    fclose(file);
    return out->key != NULL ? RV_OK
                            : refuse(err, "cluster.tls_key", path,
                                     "it holds no private key that can be read without a password",
                                     "Give the key of cluster.tls_cert in PEM.");
}

static enum rv_code read_authority(const char *path, struct read *out, struct rv_error *err)
{
    FILE *file = NULL;
    if (open_file("cluster.tls_ca", path, &file, err) != RV_OK) {
        return err->code;
    }
    X509 *one = NULL;
    int count = 0;
    out->store = X509_STORE_new();
    for (; (one = PEM_read_X509(file, NULL, NULL, NULL)) != NULL; count++) {
        X509_STORE_add_cert(out->store, one);
        X509_free(one);
    }
    fclose(file);
    return count > 0 ? RV_OK
                     : refuse(err, "cluster.tls_ca", path, "it holds no certificate",
                              "Give the certificate of the authority that signs those of all "
                              "nodes, in PEM.");
}

/* As OpenSSL's verification says; "" it is good. */
static void verify(const struct read *read, char why[120])
{
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    why[0] = '\0';
    if (context == NULL ||
        X509_STORE_CTX_init(context, read->store, read->cert, read->between) != 1) {
        snprintf(why, 120, "it cannot be checked");
    } else if (X509_verify_cert(context) != 1) {
        snprintf(why, 120, "%s", X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    }
    X509_STORE_CTX_free(context);
}

static enum rv_code check(const struct rv_line_tls *tls, const char *name, const struct read *read,
                          struct rv_error *err)
{
    static const char setting[] = "cluster.tls_cert";
    char why[120];
    verify(read, why);
    if (X509_check_private_key(read->cert, read->key) != 1) {
        return refuse(err, setting, tls->cert_file, "cluster.tls_key is the key of another one",
                      "Give the key that this certificate was made for.");
    }
    if (why[0] != '\0') {
        char rule[200];
        snprintf(rule, sizeof rule, "the authority of cluster.tls_ca does not vouch for it: %s",
                 why);
        return refuse(err, setting, tls->cert_file, rule,
                      "The other nodes would refuse it without a word: get one that is valid now, "
                      "from the authority that all nodes have in cluster.tls_ca.");
    }
    if (X509_check_host(read->cert, name, 0, 0, NULL) != 1) {
        char rule[200];
        snprintf(rule, sizeof rule, "it does not name this node, \"%.80s\"", name);
        return refuse(err, setting, tls->cert_file, rule,
                      "The other nodes ask for node.name: get one that has it as common name or "
                      "DNS name, or set node.name as the certificate says.");
    }
    return RV_OK;
}

enum rv_code rv_certificate_check(const struct rv_line_tls *tls, const char *name, int *days_left,
                                  struct rv_error *err)
{
    struct read read = {.cert = NULL};
    enum rv_code code = read_chain(tls->cert_file, &read, err);
    code = code == RV_OK ? read_key(tls->key_file, &read, err) : code;
    code = code == RV_OK ? read_authority(tls->ca_file, &read, err) : code;
    code = code == RV_OK ? check(tls, name, &read, err) : code;
    int seconds = 0;
    *days_left = 0;
    if (code == RV_OK) {
        (void)ASN1_TIME_diff(days_left, &seconds, NULL, X509_get0_notAfter(read.cert));
    }
    read_fini(&read);
    ERR_clear_error(); /* the end of a file is one, and would be taken for the next connection's */
    return code;
}
