/* tls.c -- two memory BIOs: ciphertext in, ciphertext out. */
#include "runtime/http/tls.h"

#include "runtime/base/check.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { CHUNK_BYTES = 16 * 1024 }; /* one TLS record */

struct rv_tls_server {
    SSL_CTX *context;
};

struct rv_tls {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
};

static enum rv_code fail_openssl(struct rv_error *err, const char *what, const char *file)
{
    char reason[160];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    ERR_clear_error();
    rv_fail(err, RV_INVALID, "could not use the %s file \"%s\" for HTTPS", what, file);
    rv_detail(err, "%s", reason);
    rv_hint(err, "Give a PEM certificate chain and its private key, readable by reeve.");
    return RV_INVALID;
}

enum rv_code rv_tls_server_create(const char *certificate_file, const char *key_file,
                                  struct rv_tls_server **out, struct rv_error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    RV_ASSERT(context != NULL);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    enum rv_code code = RV_OK;
    if (SSL_CTX_use_certificate_chain_file(context, certificate_file) != 1) {
        code = fail_openssl(err, "certificate", certificate_file);
    } else if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1 ||
               SSL_CTX_check_private_key(context) != 1) {
        code = fail_openssl(err, "key", key_file);
    }
    if (code != RV_OK) {
        SSL_CTX_free(context);
        return code;
    }
    *out = rv_alloc(sizeof **out);
    (*out)->context = context;
    return RV_OK;
}

void rv_tls_server_destroy(struct rv_tls_server *server)
{
    if (server != NULL) {
        SSL_CTX_free(server->context);
        rv_free(server);
    }
}

struct rv_tls *rv_tls_create(struct rv_tls_server *server)
{
    struct rv_tls *tls = rv_alloc(sizeof *tls);
    tls->ssl = SSL_new(server->context);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    RV_ASSERT(tls->ssl != NULL && tls->in != NULL && tls->out != NULL);
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void rv_tls_destroy(struct rv_tls *tls)
{
    if (tls != NULL) {
        SSL_free(tls->ssl);
        rv_free(tls);
    }
}

static void take_wire(struct rv_tls *tls, struct rv_buf *wire)
{
    char chunk[CHUNK_BYTES];
    int count;
    while ((count = BIO_read(tls->out, chunk, sizeof chunk)) > 0) {
        rv_buf_add(wire, chunk, (size_t)count);
    }
}

enum rv_code rv_tls_receive(struct rv_tls *tls, const char *bytes, size_t length,
                            struct rv_buf *plain, struct rv_buf *wire)
{
    RV_ASSERT(BIO_write(tls->in, bytes, (int)length) == (int)length);
    char chunk[CHUNK_BYTES];
    int count;
    ERR_clear_error();
    while ((count = SSL_read(tls->ssl, chunk, sizeof chunk)) > 0) { /* also drives the handshake */
        rv_buf_add(plain, chunk, (size_t)count);
    }
    int reason = SSL_get_error(tls->ssl, count);
    ERR_clear_error();
    take_wire(tls, wire);
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) {
        return RV_OK;
    }
    return reason == SSL_ERROR_ZERO_RETURN ? RV_CANCELED : RV_PROTOCOL;
}

void rv_tls_send(struct rv_tls *tls, const char *bytes, size_t length, struct rv_buf *wire)
{
    while (length > 0) {
        int part = length < CHUNK_BYTES ? (int)length : CHUNK_BYTES;
        ERR_clear_error();
        int count = SSL_write(tls->ssl, bytes, part);
        if (count <= 0) { /* not established, or broken: the reader learns it */
            ERR_clear_error();
            break;
        }
        bytes += count;
        length -= (size_t)count;
    }
    take_wire(tls, wire);
}

void rv_tls_finish(struct rv_tls *tls, struct rv_buf *wire)
{
    ERR_clear_error();
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
    take_wire(tls, wire);
}
