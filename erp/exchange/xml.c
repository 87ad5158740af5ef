/* xml.c -- libxml2's push parser, fenced in; see xml.h for what is refused.
 *
 * Bytes are fed in pieces of 16 KiB, so an event is never further away than the bytes that make it,
 * and the fences can be small: FEED bytes plus ERP_XML_MARKUP_MAX without one event means that one
 * tag or comment is too long.  That bound matters more than it looks: libxml2 compares attributes
 * pairwise, so a start tag of megabytes would cost minutes.
 *
 * A DOCTYPE is refused at its name, before its internal subset is looked at; hence no entity can
 * be declared and none is ever expanded.  XML_PARSE_NOENT is set all the same: without it libxml2
 * hands "&amp;" in an attribute on as "&#38;".
 */
#include "erp/exchange/xml.h"

#include "runtime/base/buf.h"
#include "runtime/base/check.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { FEED = 16 << 10, SNIFF = 4 };

struct reader {
    struct erp_source *source;
    const struct erp_xml_handler *handler;
    struct rv_error *err;
    enum rv_code code; /* first failure; the parser is stopped */
    xmlParserCtxtPtr parser;
    struct rv_buf text;
    bool saw_root;
    int depth;
    int discard_depth; /* the element whose text is not kept, 0 none */
    int64_t silent_bytes;
    bool wide; /* the bytes begin like UTF-16 */
    struct erp_xml_attribute attributes[ERP_XML_ATTRIBUTES_MAX];
    struct rv_buf values; /* attribute values of one element, NUL-separated */
};

/* Encodings that banks and ERP systems write.  Stateful and exotic ones (UTF-7, ISO-2022) hide
 * markup from whoever looks at the bytes. */
static const char *const encodings[] = {
    "UTF-8",        "UTF8",         "US-ASCII",     "ASCII",        "UTF-16",       "UTF-16LE",
    "UTF-16BE",     "ISO-8859-1",   "ISO-8859-2",   "ISO-8859-3",   "ISO-8859-4",   "ISO-8859-5",
    "ISO-8859-7",   "ISO-8859-9",   "ISO-8859-10",  "ISO-8859-13",  "ISO-8859-15",  "ISO-8859-16",
    "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1257",
};

static int line_of(const struct reader *reader)
{
    return reader->parser->input != NULL ? reader->parser->input->line : 0;
}

static int column_of(const struct reader *reader)
{
    return reader->parser->input != NULL ? reader->parser->input->col : 0;
}

/* After the first failure nothing more is delivered. */
static void stop(struct reader *reader, enum rv_code code)
{
    if (reader->code == RV_OK) {
        reader->code = code;
        xmlStopParser(reader->parser);
    }
}

#define REFUSE(reader, code, format, ...)                                                          \
    stop((reader),                                                                                 \
         rv_fail((reader)->err, (code), "%s line %d column %d: " format, (reader)->source->name,   \
                 line_of(reader), column_of(reader), __VA_ARGS__))

/* ---- events of libxml2 ---- */

static void on_start_document(void *self)
{
    struct reader *reader = self;
    const char *declared = (const char *)reader->parser->encoding;
    reader->silent_bytes = 0;
    if (declared == NULL) {
        return;
    }
    bool known = false;
    for (size_t i = 0; i < RV_COUNT(encodings); i++) {
        known = known || strcasecmp(declared, encodings[i]) == 0;
    }
    if (!known) {
        REFUSE(reader, RV_INVALID, "encoding \"%.40s\" is not accepted", declared);
        rv_hint(reader->err, "Ask the sender for UTF-8.");
    } else if (reader->wide != (strncasecmp(declared, "UTF-16", 6) == 0)) {
        REFUSE(reader, RV_INVALID, "the file says encoding \"%.40s\" but its bytes are %s",
               declared, reader->wide ? "UTF-16" : "not UTF-16");
    }
}

static void on_doctype(void *self, const xmlChar *name, const xmlChar *external,
                       const xmlChar *system)
{
    (void)external;
    (void)system;
    struct reader *reader = self;
    if (reader->code == RV_OK) {
        REFUSE(reader, RV_INVALID, "DOCTYPE \"%.40s\" is not accepted", (const char *)name);
        rv_hint(reader->err, "Business documents carry no document type declaration; ask the "
                             "sender for a file without one.");
    }
}

static xmlEntityPtr on_entity(void *self, const xmlChar *name)
{
    (void)self;
    return xmlGetPredefinedEntity(name);
}

static bool fits(struct reader *reader, const char *what, const xmlChar *name)
{
    if (xmlStrlen(name) <= ERP_XML_NAME_MAX) {
        return true;
    }
    REFUSE(reader, RV_LIMIT, "%s name is longer than %d bytes", what, ERP_XML_NAME_MAX);
    return false;
}

/* libxml2 gives attributes as (name, prefix, uri, value, end) without NUL after the value. */
static bool gather_attributes(struct reader *reader, int count, const xmlChar **raw)
{
    if (count > ERP_XML_ATTRIBUTES_MAX) {
        REFUSE(reader, RV_LIMIT, "more than %d attributes", ERP_XML_ATTRIBUTES_MAX);
        return false;
    }
    size_t offsets[ERP_XML_ATTRIBUTES_MAX];
    rv_buf_reset(&reader->values);
    for (int i = 0; i < count; i++) {
        const xmlChar *const *attribute = (const xmlChar *const *)&raw[(ptrdiff_t)i * 5];
        size_t length = (size_t)(attribute[4] - attribute[3]);
        if (!fits(reader, "attribute", attribute[0])) {
            return false;
        }
        if (length > ERP_XML_ATTRIBUTE_MAX) {
            REFUSE(reader, RV_LIMIT, "attribute \"%s\" is longer than %d bytes",
                   (const char *)attribute[0], ERP_XML_ATTRIBUTE_MAX);
            return false;
        }
        offsets[i] = reader->values.length;
        rv_buf_add(&reader->values, attribute[3], length);
        rv_buf_char(&reader->values, '\0');
    }
    for (int i = 0; i < count; i++) {
        const xmlChar *const *attribute = (const xmlChar *const *)&raw[(ptrdiff_t)i * 5];
        reader->attributes[i] = (struct erp_xml_attribute){
            .uri = attribute[2] != NULL ? (const char *)attribute[2] : "",
            .name = (const char *)attribute[0],
            .value = reader->values.data + offsets[i]};
    }
    return true;
}

static void on_start(void *self, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespace_count, const xmlChar **namespaces, int attribute_count,
                     int defaulted_count, const xmlChar **attributes)
{
    (void)prefix;
    (void)namespace_count;
    (void)namespaces;
    (void)defaulted_count;
    struct reader *reader = self;
    if (reader->code != RV_OK) {
        return;
    }
    reader->silent_bytes = 0;
    reader->saw_root = true;
    if (++reader->depth > ERP_XML_DEPTH_MAX) {
        REFUSE(reader, RV_LIMIT, "elements are nested deeper than %d", ERP_XML_DEPTH_MAX);
        return;
    }
    if (!fits(reader, "element", name) || !gather_attributes(reader, attribute_count, attributes)) {
        return;
    }
    struct erp_xml_element element = {.uri = uri != NULL ? (const char *)uri : "",
                                      .name = (const char *)name,
                                      .attributes = reader->attributes,
                                      .attribute_count = attribute_count,
                                      .depth = reader->depth,
                                      .line = line_of(reader)};
    bool discard = false;
    rv_buf_reset(&reader->text);
    enum rv_code code =
        reader->handler->open(reader->handler->self, &element, &discard, reader->err);
    if (code != RV_OK) {
        stop(reader, code);
    }
    if (discard && reader->discard_depth == 0) {
        reader->discard_depth = reader->depth;
    }
}

static void on_end(void *self, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    (void)prefix;
    (void)uri;
    struct reader *reader = self;
    if (reader->code != RV_OK) {
        return;
    }
    reader->silent_bytes = 0;
    if (reader->text.overflowed) {
        REFUSE(reader, RV_LIMIT, "text of \"%s\" is longer than %d bytes", (const char *)name,
               ERP_XML_TEXT_MAX);
        return;
    }
    enum rv_code code = reader->handler->close(reader->handler->self, reader->text.data,
                                               reader->text.length, line_of(reader), reader->err);
    if (code != RV_OK) {
        stop(reader, code);
    }
    if (reader->discard_depth == reader->depth) {
        reader->discard_depth = 0;
    }
    reader->depth--;
    rv_buf_reset(&reader->text);
}

static void on_text(void *self, const xmlChar *text, int length)
{
    struct reader *reader = self;
    reader->silent_bytes = 0;
    if (reader->code != RV_OK || reader->discard_depth != 0) {
        return;
    }
    rv_buf_add(&reader->text, text, (size_t)length);
    if (reader->text.overflowed) {
        REFUSE(reader, RV_LIMIT, "the text of one element is longer than %d bytes",
               ERP_XML_TEXT_MAX);
    }
}

static void on_comment(void *self, const xmlChar *text)
{
    (void)text;
    ((struct reader *)self)->silent_bytes = 0;
}

static void on_instruction(void *self, const xmlChar *target, const xmlChar *data)
{
    (void)target;
    on_comment(self, data);
}

static void on_error(void *self, xmlErrorPtr error)
{
    struct reader *reader = self;
    if (error->level < XML_ERR_ERROR || reader->code != RV_OK) {
        return;
    }
    char text[160];
    snprintf(text, sizeof text, "%s", error->message != NULL ? error->message : "unknown");
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20) {
            *c = ' ';
        }
    }
    size_t length = 0;
    const char *trimmed = erp_xml_trim(text, strlen(text), &length);
    rv_fail(reader->err, RV_INVALID, "%s line %d column %d is not well-formed XML",
            reader->source->name, error->line, error->int2);
    rv_detail(reader->err, "%.*s", (int)length, trimmed);
    rv_hint(reader->err, "Ask the sender for the complete, unaltered file.");
    stop(reader, RV_INVALID);
}

static void on_decoder_error(void *self, xmlErrorPtr error)
{
    struct reader *reader = self;
    if (reader->parser != NULL && reader->code == RV_OK && error->level >= XML_ERR_ERROR) {
        /* not REFUSE: stopping the parser here would free the buffer that is being decoded */
        reader->code = rv_fail(reader->err, RV_INVALID,
                               "%s line %d column %d: the bytes do not fit the declared encoding",
                               reader->source->name, line_of(reader), column_of(reader));
        rv_hint(reader->err, "Ask the sender for UTF-8.");
    }
}

/* ---- reading ---- */

static void setup(struct reader *reader, const char *first, size_t length)
{
    xmlSAXHandler sax;
    memset(&sax, 0, sizeof sax);
    sax.initialized = XML_SAX2_MAGIC;
    sax.startDocument = on_start_document;
    sax.internalSubset = on_doctype;
    sax.getEntity = on_entity;
    sax.startElementNs = on_start;
    sax.endElementNs = on_end;
    sax.characters = on_text;
    sax.ignorableWhitespace = on_text;
    sax.cdataBlock = on_text;
    sax.comment = on_comment;
    sax.processingInstruction = on_instruction;
    sax.serror = on_error;
    xmlInitParser();
    reader->parser = xmlCreatePushParserCtxt(&sax, reader, first, (int)length, NULL);
    RV_ASSERT(reader->parser != NULL);
    xmlCtxtUseOptions(reader->parser, XML_PARSE_NONET | XML_PARSE_NOENT);
    const unsigned char *b = (const unsigned char *)first;
    reader->wide =
        length >= 2 && ((b[0] == 0xFE && b[1] == 0xFF) || (b[0] == 0xFF && b[1] == 0xFE) ||
                        (b[0] == 0 && b[1] == '<') || (b[0] == '<' && b[1] == 0));
}

static void feed(struct reader *reader, const char *bytes, size_t length, bool last)
{
    reader->silent_bytes += (int64_t)length;
    int result = xmlParseChunk(reader->parser, bytes, (int)length, last);
    if (reader->code != RV_OK) {
        return;
    }
    /* Bytes that cannot be decoded end xmlParseChunk early and leave the document "well-formed". */
    if (result != 0 || reader->parser->wellFormed == 0 ||
        (last && (reader->depth != 0 || !reader->saw_root))) {
        REFUSE(reader, RV_INVALID, "%s", "the file is not complete or not well-formed");
    } else if (!last && reader->silent_bytes > ERP_XML_MARKUP_MAX + FEED) {
        REFUSE(reader, RV_LIMIT, "a tag, comment or instruction is longer than %d bytes",
               ERP_XML_MARKUP_MAX);
    }
}

/* Fills the buffer as far as the source goes: short reads of a source are no end. */
static enum rv_code fill(struct erp_source *source, char *buffer, size_t size, size_t *out_length,
                         struct rv_error *err)
{
    size_t have = 0;
    while (have < size) {
        size_t n = 0;
        enum rv_code code = source->read(source, buffer + have, size - have, &n, err);
        if (code != RV_OK) {
            return code;
        }
        if (n == 0) {
            break;
        }
        have += n;
    }
    *out_length = have;
    return RV_OK;
}

static enum rv_code pump(struct reader *reader, int64_t bytes_max, struct rv_hash_stream *hash,
                         int64_t *out_bytes)
{
    char buffer[FEED];
    int64_t total = 0;
    for (;;) {
        size_t length = 0;
        enum rv_code code = fill(reader->source, buffer, sizeof buffer, &length, reader->err);
        if (code != RV_OK) {
            return code;
        }
        total += (int64_t)length;
        if (total > bytes_max) {
            return rv_fail(reader->err, RV_LIMIT, "%s is larger than %lld bytes",
                           reader->source->name, (long long)bytes_max);
        }
        rv_sha256_add(hash, buffer, length);
        size_t begin = 0;
        if (reader->parser == NULL) {
            if (length < SNIFF) {
                return rv_fail(reader->err, RV_INVALID, "%s is empty or not XML",
                               reader->source->name);
            }
            begin = SNIFF;
            setup(reader, buffer, SNIFF);
        }
        bool last = length < sizeof buffer;
        feed(reader, buffer + begin, length - begin, last);
        if (reader->code != RV_OK) {
            return reader->code;
        }
        if (last) {
            *out_bytes = total;
            return RV_OK;
        }
    }
}

enum rv_code erp_xml_read(struct erp_source *source, int64_t bytes_max,
                          const struct erp_xml_handler *handler, struct rv_hash *out_hash,
                          int64_t *out_bytes, struct rv_error *err)
{
    struct rv_error own = {.code = RV_OK};
    struct reader reader = {.source = source, .handler = handler, .err = err != NULL ? err : &own};
    rv_buf_init(&reader.text, ERP_XML_TEXT_MAX);
    rv_buf_init(&reader.values, (size_t)ERP_XML_ATTRIBUTES_MAX * (ERP_XML_ATTRIBUTE_MAX + 1));
    struct rv_hash_stream *hash = rv_sha256_begin();
    int64_t bytes = 0;
    /* Errors of the decoder go to a handler of the thread, by default to stderr. */
    xmlStructuredErrorFunc before = xmlStructuredError;
    void *before_self = xmlStructuredErrorContext;
    xmlSetStructuredErrorFunc(&reader, on_decoder_error);
    enum rv_code code = pump(&reader, bytes_max, hash, &bytes);
    xmlSetStructuredErrorFunc(before_self, before);
    struct rv_hash sum;
    rv_sha256_end(hash, &sum);
    if (reader.parser != NULL) {
        xmlFreeParserCtxt(reader.parser);
    }
    rv_buf_fini(&reader.text);
    rv_buf_fini(&reader.values);
    if (code == RV_OK && out_hash != NULL) {
        *out_hash = sum;
    }
    if (code == RV_OK && out_bytes != NULL) {
        *out_bytes = bytes;
    }
    return code;
}

/* ---- small helpers of the formats ---- */

uint8_t erp_xml_place(const struct erp_xml_path *table, size_t count, uint8_t parent,
                      const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (table[i].parent == parent && strcmp(table[i].name, name) == 0) {
            return table[i].place;
        }
    }
    return 0;
}

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

const char *erp_xml_trim(const char *text, size_t length, size_t *out_length)
{
    while (length > 0 && space(*text)) {
        text++;
        length--;
    }
    while (length > 0 && space(text[length - 1])) {
        length--;
    }
    *out_length = length;
    return text;
}
