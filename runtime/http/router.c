/* router.c -- see router.h. */
#include "runtime/http/router.h"

#include <stdio.h>
#include <string.h>

static bool match_segment(const char *pattern, size_t pattern_length, const char *path,
                          size_t path_length, struct rv_route_match *out)
{
    if (pattern_length != 2 || memcmp(pattern, "{}", 2) != 0) {
        return pattern_length == path_length && memcmp(pattern, path, path_length) == 0;
    }
    return path_length > 0 && out->part_count < RV_ROUTE_PARTS_MAX &&
           rv_http_decode(path, path_length, false, out->parts[out->part_count++],
                          RV_ROUTE_PART_TEXT);
}

static bool match(const char *pattern, const char *path, struct rv_route_match *out)
{
    out->part_count = 0;
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        if (strcmp(pattern, "{*}") == 0) {
            return rv_http_decode(path, strlen(path), false, out->parts[out->part_count++],
                                  RV_ROUTE_PART_TEXT);
        }
        size_t pattern_length = strcspn(pattern, "/");
        size_t path_length = strcspn(path, "/");
        if (!match_segment(pattern, pattern_length, path, path_length, out)) {
            return false;
        }
        pattern += pattern_length;
        path += path_length;
    }
    return *pattern == '\0' && *path == '\0';
}

void rv_route_find(const struct rv_route *table, const char *method, const char *path,
                   struct rv_route_match *out)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    out->route = NULL;
    out->allowed[0] = '\0';
    for (const struct rv_route *route = table; route->method != NULL; route++) {
        if (!match(route->pattern, path, out)) {
            continue;
        }
        bool any = strstr(route->pattern, "{*}") != NULL;
        if (strcmp(route->method, wanted) == 0 && !(any && out->allowed[0] != '\0')) {
            out->route = route;
            return;
        }
        if (any || strstr(out->allowed, route->method) != NULL) {
            continue; /* the catch-all makes no path known */
        }
        size_t used = strlen(out->allowed);
        snprintf(out->allowed + used, sizeof out->allowed - used, "%s%s", used > 0 ? ", " : "",
                 route->method);
    }
}
