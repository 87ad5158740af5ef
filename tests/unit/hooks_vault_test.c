/* hooks_vault_test.c -- a sealed secret opens with its key, in its place, unchanged; else not. */
#include "runtime/hooks/vault.h"
#include "tests/support/key_file.h"
#include "tests/support/test.h"

#include <sys/stat.h>
#include <unistd.h>

static struct rv_hook_vault *make(void)
{
    char path[KEY_FILE_NAME];
    struct rv_hook_vault *vault = NULL;
    key_file_name(path);
    ck_assert_int_eq(rv_hook_vault_open(path, &vault, NULL), RV_OK);
    key_file_remove(path);
    return vault;
}

TEST(a_secret_opens_in_its_place_only)
{
    struct rv_hook_vault *vault = make();
    struct rv_hook_vault *other = make();
    uint8_t secret[32];
    uint8_t sealed[RV_HOOK_SEALED_MAX];
    uint8_t again[RV_HOOK_SEALED_MAX];
    uint8_t opened[RV_HOOK_SECRET_MAX];
    memset(secret, 5, sizeof secret);
    size_t length = rv_hook_seal(vault, 1, 42, RV_HOOK_FIELD_SECRET, secret, sizeof secret, sealed);
    ck_assert(rv_hook_is_sealed(sealed, length));
    ck_assert(!rv_hook_is_sealed(secret, sizeof secret));
    ck_assert_ptr_null(memmem(sealed, length, secret, 8));
    ck_assert_uint_eq(rv_hook_unseal(vault, 1, 42, RV_HOOK_FIELD_SECRET, sealed, length, opened),
                      sizeof secret);
    ck_assert_mem_eq(opened, secret, sizeof secret);
    ck_assert_uint_eq(rv_hook_unseal(vault, 2, 42, RV_HOOK_FIELD_SECRET, sealed, length, opened),
                      0);
    ck_assert_uint_eq(rv_hook_unseal(vault, 1, 43, RV_HOOK_FIELD_SECRET, sealed, length, opened),
                      0);
    ck_assert_uint_eq(rv_hook_unseal(vault, 1, 42, RV_HOOK_FIELD_SEED, sealed, length, opened), 0);
    ck_assert_uint_eq(rv_hook_unseal(other, 1, 42, RV_HOOK_FIELD_SECRET, sealed, length, opened),
                      0);
    for (size_t i = 0; i < length; i++) {
        sealed[i] ^= 1;
        ck_assert_uint_eq(
            rv_hook_unseal(vault, 1, 42, RV_HOOK_FIELD_SECRET, sealed, length, opened), 0);
        sealed[i] ^= 1;
        ck_assert_uint_eq(rv_hook_unseal(vault, 1, 42, RV_HOOK_FIELD_SECRET, sealed, i, opened), 0);
    }
    rv_hook_seal(vault, 1, 42, RV_HOOK_FIELD_SECRET, secret, sizeof secret, again);
    ck_assert_int_ne(memcmp(again, sealed, length), 0); /* never the same twice */
    rv_hook_vault_close(vault);
    rv_hook_vault_close(other);
}

TEST(the_secret_of_a_connector_may_be_long)
{
    struct rv_hook_vault *vault = make();
    struct rv_hook_vault *other = make();
    char secret[3000];
    struct rv_buf sealed, opened;
    memset(secret, 'x', sizeof secret);
    rv_buf_init(&sealed, 1 << 16);
    rv_buf_init(&opened, 1 << 16);
    rv_hook_seal_connector(vault, 1, 42, secret, sizeof secret, &sealed);
    const uint8_t *bytes = (const uint8_t *)sealed.data;
    ck_assert_ptr_null(memmem(sealed.data, sealed.length, "xxxxxxxx", 8));
    ck_assert(!rv_hook_unseal_connector(vault, 2, 42, bytes, sealed.length, &opened));
    ck_assert(!rv_hook_unseal_connector(vault, 1, 43, bytes, sealed.length, &opened));
    ck_assert(!rv_hook_unseal_connector(other, 1, 42, bytes, sealed.length, &opened));
    ck_assert(!rv_hook_unseal_connector(vault, 1, 42, bytes, sealed.length - 1, &opened));
    ck_assert(!rv_hook_unseal_connector(vault, 1, 42, bytes, 5, &opened));
    ck_assert_uint_eq(opened.length, 0);
    ck_assert(rv_hook_unseal_connector(vault, 1, 42, bytes, sealed.length, &opened));
    ck_assert_uint_eq(opened.length, sizeof secret);
    ck_assert_mem_eq(opened.data, secret, sizeof secret);
    rv_buf_fini(&sealed);
    rv_buf_fini(&opened);
    rv_hook_vault_close(vault);
    rv_hook_vault_close(other);
}

TEST(the_key_is_made_once_and_is_for_its_owner_only)
{
    char path[KEY_FILE_NAME];
    struct stat info;
    struct rv_hook_vault *vault = NULL;
    struct rv_error err = {.code = RV_OK};
    key_file_name(path);
    ck_assert_int_eq(rv_hook_vault_open(path, &vault, NULL), RV_OK);
    rv_hook_vault_close(vault);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0600);
    ck_assert_int_eq((int)info.st_size, RV_HOOK_VAULT_KEY_BYTES);
    ck_assert_int_eq(rv_hook_vault_open(path, &vault, NULL), RV_OK);
    rv_hook_vault_close(vault);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(rv_hook_vault_open(path, &vault, &err), RV_DENIED);
    ck_assert_ptr_nonnull(strstr(err.hint, "chmod 600"));
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(truncate(path, 31), 0);
    ck_assert_int_eq(rv_hook_vault_open(path, &vault, NULL), RV_CORRUPT);
    key_file_remove(path);
}

TEST_MAIN()
