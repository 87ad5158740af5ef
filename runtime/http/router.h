/* router.h -- which handler answers a request: one table, the longest reading is the shortest.
 *
 * A pattern is a path whose segments are literal or "{}"; "{}" matches one segment of 1..200
 * decoded bytes.  A pattern may end in a segment "{*}" that matches the rest (assets).  HEAD is
 * served by GET. Patterns are tried in the order of the table; the last kind takes no path that
 * another pattern has with other methods.
 */
#ifndef REEVE_RUNTIME_HTTP_ROUTER_H
#define REEVE_RUNTIME_HTTP_ROUTER_H

#include "runtime/http/permission.h"
#include "runtime/http/request.h"

enum { RV_ROUTE_PARTS_MAX = 2, RV_ROUTE_PART_TEXT = 201 };

struct rv_call; /* call.h */

struct rv_route {
    const char *method; /* NULL ends the table */
    const char *pattern;
    enum rv_permission permission;
    size_t body_max; /* 0: no body; else a JSON object of at most this size is required ... */
    bool body_raw; /* ... unless the handler wants the raw bytes; in parts above RV_HTTP_BODY_MAX */
    void (*handle)(struct rv_call *call);
};

struct rv_route_match {
    const struct rv_route *route; /* NULL: see `allowed` */
    char parts[RV_ROUTE_PARTS_MAX][RV_ROUTE_PART_TEXT];
    int part_count;
    char allowed[64]; /* methods of the path when the method is wrong, e.g. "GET, POST"; "" = no
                         path */
};

void rv_route_find(const struct rv_route *table, const char *method, const char *path,
                   struct rv_route_match *out);

#endif
