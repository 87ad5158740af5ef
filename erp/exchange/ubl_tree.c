/* ubl_tree.c -- events become nodes; see ubl_tree.h. */
#include "erp/exchange/ubl_tree.h"

#include "runtime/base/check.h"

#include <stdlib.h>
#include <string.h>

#define UBL_SPACE "urn:oasis:names:specification:ubl:schema:xsd:"
static const char basic[] = UBL_SPACE "CommonBasicComponents-2";
static const char aggregate[] = UBL_SPACE "CommonAggregateComponents-2";

struct name_row {
    const char *name;
    char kind;
};

static const struct name_row names[] = {{"", 0},
                                        {"", 0},
#define B             'B'
#define A             'A'
#define X(kind, name) {#name, kind},
                                        ERP_UBL_NAMES(X)
#undef X
#undef B
#undef A
};

static const struct {
    enum erp_ubl_type type;
    const char *name;
} types[] = {
#define X(type, name) {ERP_UBL_##type, name},
    ERP_UBL_TYPES(X)
#undef X
};

struct builder {
    struct rv_arena *arena;
    struct erp_ubl *ubl;
    struct erp_ubl_node *stack[ERP_XML_DEPTH_MAX + 1];
    int depth;
    int elements;
    uint16_t sorted[UBL_NAME_COUNT]; /* indexes of `names` by text */
};

/* Sorts once a document by insertion: the table above is nearly in order. */
static void sort_names(struct builder *builder)
{
    int count = 0;
    for (int i = UBL_ROOT + 1; i < UBL_NAME_COUNT; i++) {
        int j = count++;
        while (j > 0 && strcmp(names[builder->sorted[j - 1]].name, names[i].name) > 0) {
            builder->sorted[j] = builder->sorted[j - 1];
            j--;
        }
        builder->sorted[j] = (uint16_t)i;
    }
}

static enum erp_ubl_name name_of(const struct builder *builder, const char *uri, const char *name)
{
    char kind = strcmp(uri, basic) == 0 ? 'B' : strcmp(uri, aggregate) == 0 ? 'A' : 0;
    int low = 0;
    int high = UBL_NAME_COUNT - UBL_ROOT - 2;
    while (kind != 0 && low <= high) {
        int middle = (low + high) / 2;
        uint16_t index = builder->sorted[middle];
        int order = strcmp(names[index].name, name);
        if (order == 0) {
            return names[index].kind == kind ? (enum erp_ubl_name)index : UBL_NONE;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle - 1;
        }
    }
    return UBL_NONE;
}

/* ERP_UBL_UNKNOWN when namespace and name are not a pair of the table. */
static enum erp_ubl_type type_of(const char *uri, const char *name)
{
    size_t prefix = sizeof UBL_SPACE - 1;
    if (strncmp(uri, UBL_SPACE, prefix) != 0) {
        return ERP_UBL_UNKNOWN;
    }
    for (size_t i = 0; i < RV_COUNT(types); i++) {
        size_t n = strlen(types[i].name);
        if (strcmp(types[i].name, name) == 0 && strncmp(uri + prefix, name, n) == 0 &&
            strcmp(uri + prefix + n, "-2") == 0) {
            return types[i].type;
        }
    }
    return ERP_UBL_UNKNOWN;
}

const char *erp_ubl_type_name(enum erp_ubl_type type)
{
    return type == ERP_UBL_UNKNOWN ? "unknown" : types[type - 1].name;
}

static enum rv_code spend(const struct builder *builder, struct rv_error *err)
{
    if (builder->elements > ERP_UBL_ELEMENTS_MAX ||
        rv_arena_used_bytes(builder->arena) > ERP_UBL_MEMORY_MAX) {
        return rv_fail(err, RV_LIMIT, "%s has more than %d elements or %d MiB of content",
                       builder->ubl->file, ERP_UBL_ELEMENTS_MAX, ERP_UBL_MEMORY_MAX >> 20);
    }
    return RV_OK;
}

static void attributes(struct builder *builder, const struct erp_xml_element *element,
                       struct erp_ubl_node *node)
{
    static const struct {
        const char *name;
        size_t offset;
    } known[] = {
        {"currencyID", offsetof(struct erp_ubl_node, currency)},
        {"unitCode", offsetof(struct erp_ubl_node, unit)},
        {"schemeID", offsetof(struct erp_ubl_node, scheme)},
        {"listID", offsetof(struct erp_ubl_node, list)},
        {"mimeCode", offsetof(struct erp_ubl_node, mime)},
        {"filename", offsetof(struct erp_ubl_node, filename)},
    };
    for (int i = 0; i < element->attribute_count; i++) {
        for (size_t k = 0; k < RV_COUNT(known); k++) {
            if (strcmp(element->attributes[i].name, known[k].name) == 0 &&
                element->attributes[i].uri[0] == '\0') {
                size_t length = 0;
                const char *value = erp_xml_trim(element->attributes[i].value,
                                                 strlen(element->attributes[i].value), &length);
                *(const char **)(void *)((char *)node + known[k].offset) =
                    rv_arena_strndup(builder->arena, value, length);
            }
        }
    }
}

static enum rv_code on_open(void *self, const struct erp_xml_element *element, bool *discard_text,
                            struct rv_error *err)
{
    struct builder *builder = self;
    struct erp_ubl_node *parent = element->depth > 1 ? builder->stack[element->depth - 1] : NULL;
    builder->depth = element->depth;
    builder->stack[builder->depth] = NULL;
    enum erp_ubl_name name = UBL_NONE;
    if (element->depth == 1) {
        builder->ubl->type = type_of(element->uri, element->name);
        if (builder->ubl->type == ERP_UBL_UNKNOWN) {
            return rv_fail(err, RV_INVALID, "%s is no known UBL 2 document: root {%.100s}%.60s",
                           builder->ubl->file, element->uri, element->name);
        }
        name = UBL_ROOT;
    } else if (parent != NULL) {
        name = name_of(builder, element->uri, element->name);
    }
    builder->elements++;
    enum rv_code code = spend(builder, err);
    if (name == UBL_NONE || code != RV_OK) {
        *discard_text = true; /* notes of other vocabularies may be as long as they like */
        return code;
    }
    struct erp_ubl_node *node = rv_arena_alloc(builder->arena, sizeof *node);
    node->name = name;
    node->line = element->line;
    node->text = "";
    attributes(builder, element, node);
    if (parent == NULL) {
        builder->ubl->root = node;
    } else if (parent->last == NULL) {
        parent->first = parent->last = node;
    } else {
        parent->last->next = node;
        parent->last = node;
    }
    builder->stack[builder->depth] = node;
    *discard_text = name == UBL_EmbeddedDocumentBinaryObject;
    return RV_OK;
}

static enum rv_code on_close(void *self, const char *text, size_t length, int line,
                             struct rv_error *err)
{
    (void)line;
    struct builder *builder = self;
    struct erp_ubl_node *node = builder->stack[builder->depth--];
    if (node == NULL || node->first != NULL) {
        return RV_OK;
    }
    size_t trimmed = 0;
    const char *begin = erp_xml_trim(text, length, &trimmed);
    if (trimmed > 0) {
        node->text = rv_arena_strndup(builder->arena, begin, trimmed);
    }
    return spend(builder, err);
}

enum rv_code erp_ubl_tree_read(struct erp_source *source, struct rv_arena *arena,
                               struct erp_ubl *out, struct rv_error *err)
{
    *out = (struct erp_ubl){.file = source->name};
    struct builder *builder = rv_alloc(sizeof *builder);
    builder->arena = arena;
    builder->ubl = out;
    sort_names(builder);
    struct erp_xml_handler handler = {.open = on_open, .close = on_close, .self = builder};
    enum rv_code code =
        erp_xml_read(source, ERP_XML_DOCUMENT_BYTES_MAX, &handler, &out->hash, NULL, err);
    rv_free(builder);
    return code;
}

/* ---- looking ---- */

const struct erp_ubl_node *erp_ubl_child(const struct erp_ubl_node *node, enum erp_ubl_name name)
{
    const struct erp_ubl_node *child = node != NULL ? node->first : NULL;
    while (child != NULL && child->name != name) {
        child = child->next;
    }
    return child;
}

const struct erp_ubl_node *erp_ubl_next(const struct erp_ubl_node *node, enum erp_ubl_name name)
{
    do {
        node = node->next;
    } while (node != NULL && node->name != name);
    return node;
}

const struct erp_ubl_node *erp_ubl_at(const struct erp_ubl_node *node,
                                      const enum erp_ubl_name *path)
{
    for (; node != NULL && *path != UBL_NONE; path++) {
        node = erp_ubl_child(node, *path);
    }
    return node;
}

const char *erp_ubl_text(const struct erp_ubl_node *node)
{
    return node != NULL ? node->text : "";
}

int erp_ubl_count(const struct erp_ubl_node *parent, enum erp_ubl_name name)
{
    int count = 0;
    UBL_EACH(item, parent, name)
    {
        count++;
    }
    return count;
}

const char *erp_ubl_name_text(enum erp_ubl_name name)
{
    return names[name].name;
}
