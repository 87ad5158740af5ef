/* pages.c -- the files of runtime/web, served from the program with an ETag of their content. */
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/http/call.h"

#include <stdio.h>
#include <string.h>

enum { ETAG_TEXT = RV_HASH_HEX + 2, PAGES_MAX = 64 };

struct page {
    const struct rv_asset *asset;
    char etag[ETAG_TEXT];
};

struct rv_pages {
    struct page pages[PAGES_MAX];
    int count;
};

static const struct {
    const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},         {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},     {".svg", "image/svg+xml"},
    {".webmanifest", "application/manifest+json"},
};

struct rv_pages *rv_pages_create(const struct rv_asset *assets)
{
    struct rv_pages *pages = rv_alloc(sizeof *pages);
    for (; assets != NULL && assets->path != NULL; assets++) {
        RV_ASSERT(pages->count < PAGES_MAX);
        struct page *page = &pages->pages[pages->count++];
        struct rv_hash hash = rv_sha256(assets->bytes, rv_asset_size(assets));
        char hex[RV_HASH_HEX];
        rv_hash_hex(&hash, hex);
        page->asset = assets;
        snprintf(page->etag, sizeof page->etag, "\"%.32s\"", hex);
    }
    return pages;
}

void rv_pages_destroy(struct rv_pages *pages)
{
    rv_free(pages);
}

static const struct page *find(const struct rv_pages *pages, const char *path)
{
    for (int i = 0; i < pages->count; i++) {
        if (strcmp(pages->pages[i].asset->path, path) == 0) {
            return &pages->pages[i];
        }
    }
    return NULL;
}

static const char *type_of(const char *path)
{
    for (size_t i = 0; i < RV_COUNT(types); i++) {
        size_t length = strlen(path);
        size_t suffix = strlen(types[i].suffix);
        if (length > suffix && strcmp(path + length - suffix, types[i].suffix) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

void rv_api_page(struct rv_call *call)
{
    const char *path = call->match.parts[0];
    const struct page *page = find(call->api->pages, path[0] == '\0' ? "index.html" : path);
    if (page == NULL) {
        rv_api_refuse(call->api, call->exchange, 404, "not_found", "there is nothing at this path",
                      NULL);
        return;
    }
    const char *known = rv_http_field(rv_exchange_request(call->exchange), "if-none-match");
    rv_exchange_field(call->exchange, "ETag", page->etag);
    rv_exchange_field(call->exchange, "Cache-Control", "no-cache"); /* keep, but ask each time */
    if (known != NULL && strstr(known, page->etag) != NULL) {
        rv_exchange_answer(call->exchange, 304, NULL, "", 0);
        return;
    }
    rv_exchange_answer(call->exchange, 200, type_of(page->asset->path), page->asset->bytes,
                       rv_asset_size(page->asset));
}
