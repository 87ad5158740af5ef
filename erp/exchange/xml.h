/* xml.h -- a hardened streaming XML reader: the only includer of libxml2.
 *
 * Business documents need a small part of XML, and files come from strangers.  Refused, naming line
 * and column: a DOCTYPE (so no entity of any kind except the five of XML and character references),
 * nesting above 64, element text above 1 MiB, a tag, comment or instruction above 64 KiB, more than
 * 64 attributes or an attribute above 4 KiB, an undeclared namespace prefix, an encoding that is
 * not in the list of xml.c or that contradicts the bytes, a file above the caller's limit, and
 * everything that is not well-formed, truncation included.  Memory is bounded by these limits
 * whatever the file's size is.
 *
 * Names are matched by namespace URI and local name, never by prefix.  A table of paths (struct
 * erp_xml_path) turns the tree of a format into small integers.
 *
 * Errors: RV_INVALID (the file breaks a rule), RV_LIMIT (a limit above), RV_IO (the source), and
 * whatever a handler returns, unchanged.  Thread: any, one reader at a time per source.
 */
#ifndef REEVE_ERP_EXCHANGE_XML_H
#define REEVE_ERP_EXCHANGE_XML_H

#include "erp/exchange/source.h"
#include "runtime/base/hash.h"

#include <stdbool.h>

enum {
    ERP_XML_DEPTH_MAX = 64,                /* UBL and camt stay below 20 */
    ERP_XML_TEXT_MAX = 1 << 20,            /* no field is longer; attachments are discarded */
    ERP_XML_MARKUP_MAX = 64 << 10,         /* one tag, comment or instruction */
    ERP_XML_ATTRIBUTES_MAX = 64,           /* UBL allows 8 on one element */
    ERP_XML_ATTRIBUTE_MAX = 4 << 10,       /* one value */
    ERP_XML_NAME_MAX = 128,                /* one element or attribute name */
    ERP_XML_DOCUMENT_BYTES_MAX = 64 << 20, /* a business document, held as a tree */
};
#define ERP_XML_STATEMENT_BYTES_MAX ((int64_t)2 << 30) /* a statement, streamed */

struct erp_xml_attribute {
    const char *uri; /* "" when the attribute has no namespace */
    const char *name;
    const char *value;
};

struct erp_xml_element {
    const char *uri; /* "" when the element has no namespace */
    const char *name;
    const struct erp_xml_attribute *attributes;
    int attribute_count;
    int depth; /* 1 is the root */
    int line;
};

/* Pointers given to a handler are valid during the call only.  A code other than RV_OK stops. */
struct erp_xml_handler {
    /* *discard_text true: the element's text may be longer than the limit and is not kept. */
    enum rv_code (*open)(void *self, const struct erp_xml_element *element, bool *discard_text,
                         struct rv_error *err);
    /* `text` is what stood directly before the end tag: for an element without children its whole
     * content, NUL-terminated, not trimmed. */
    enum rv_code (*close)(void *self, const char *text, size_t length, int line,
                          struct rv_error *err);
    void *self;
};

/* Reads `source` from where it stands to its end.  `out_hash` (may be NULL) gets the SHA-256 of
 * the bytes, `out_bytes` (may be NULL) their count; both only on success. */
RV_MUST enum rv_code erp_xml_read(struct erp_source *source, int64_t bytes_max,
                                  const struct erp_xml_handler *handler, struct rv_hash *out_hash,
                                  int64_t *out_bytes, struct rv_error *err);

/* One place of a format's tree: `name` below `parent` is `place`.  Places are 1..255, 0 is "not
 * interesting"; rows of one parent stand together. */
struct erp_xml_path {
    uint8_t parent;
    uint8_t place;
    const char *name;
};
/* 0 when `name` below `parent` is not in the table. */
uint8_t erp_xml_place(const struct erp_xml_path *table, size_t count, uint8_t parent,
                      const char *name);

/* Text without the white space around it, as a view into `text`. */
const char *erp_xml_trim(const char *text, size_t length, size_t *out_length);

#endif
