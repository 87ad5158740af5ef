/* event_log.c -- see event_log.h. */
#include "runtime/observe/event_log.h"

#include "runtime/base/buf.h"
#include "runtime/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <libxml/xmlwriter.h>
#include <string.h>

enum { TRACE_BYTES_MAX = 64 << 20 };

/* An object and its events, a line of JSON each. */
struct trace {
    char *name;
    struct rv_buf lines;
};

struct rv_log_writer {
    FILE *out;
    enum rv_log_format format;
    char *chosen;
    int64_t events;
    /* ocel */
    json_t *objects; /* "type:id" -> type */
    json_t *types;   /* type of event -> its attributes -> their type */
    /* xes */
    json_t *places; /* object -> its place in traces */
    struct trace *traces;
    size_t trace_count, trace_capacity;
    size_t bytes;
};

enum rv_log_format rv_log_format_of(const char *word)
{
    static const char *const words[] = {"jsonl", "csv", "ocel", "xes"};
    for (int i = 0; i < RV_LOG_FORMATS; i++) {
        if (strcmp(word, words[i]) == 0) {
            return (enum rv_log_format)i;
        }
    }
    return RV_LOG_FORMATS;
}

/* ---- objects of an event ---- */

struct object {
    const char *type, *id, *role;
};

static struct object object_at(const struct rv_logged *event, size_t i)
{
    const json_t *parts = json_array_get(event->objects, i);
    struct object object = {json_string_value(json_array_get(parts, 0)),
                            json_string_value(json_array_get(parts, 1)),
                            json_string_value(json_array_get(parts, 2))};
    RV_ASSERT(object.type != NULL && object.id != NULL && object.role != NULL);
    return object;
}

static json_t *object_name(const struct object *object)
{
    return json_sprintf("%s:%s", object->type, object->id);
}

static bool is_chosen(const struct rv_log_writer *writer, const struct object *object)
{
    return writer->chosen == NULL || strcmp(writer->chosen, object->type) == 0;
}

/* ---- jsonl ---- */

static json_t *line_of(const struct rv_logged *event)
{
    json_t *objects = json_array();
    for (size_t i = 0; i < json_array_size(event->objects); i++) {
        struct object object = object_at(event, i);
        json_array_append_new(objects, json_pack("{s:s,s:s,s:s}", "type", object.type, "id",
                                                 object.id, "role", object.role));
    }
    return json_pack("{s:s,s:s,s:s,s:s,s:o,s:O}", "id", event->id, "time", event->time, "type",
                     event->type, "actor", event->actor, "objects", objects, "attributes",
                     event->attributes);
}

static void put_json(FILE *out, json_t *value /* taken */)
{
    (void)json_dumpf(value, out, JSON_COMPACT); /* ferror tells */
    json_decref(value);
}

static void add_jsonl(struct rv_log_writer *writer, const struct rv_logged *event)
{
    put_json(writer->out, line_of(event));
    fputc('\n', writer->out);
}

/* ---- csv ---- */

/* A field that a spreadsheet would take for a formula is told to be text. */
static void put_field(FILE *out, const char *text, char end)
{
    bool formula = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;
    if (formula || strpbrk(text, ",\"\r\n") != NULL) {
        fputs(formula ? "\"'" : "\"", out);
        for (const char *c = text; *c != '\0'; c++) {
            if (*c == '"') {
                fputc('"', out);
            }
            fputc(*c, out);
        }
        fputc('"', out);
    } else {
        fputs(text, out);
    }
    fputs(end == '\n' ? "\r\n" : ",", out);
}

static void add_csv(struct rv_log_writer *writer, const struct rv_logged *event)
{
    const json_t *amount = json_object_get(event->attributes, "amount");
    char minor[24] = "";
    if (amount == NULL) {
        amount = json_object_get(event->attributes, "gross");
    }
    if (json_is_integer(amount)) {
        snprintf(minor, sizeof minor, "%" JSON_INTEGER_FORMAT, json_integer_value(amount));
    }
    for (size_t i = 0; i < json_array_size(event->objects); i++) {
        struct object object = object_at(event, i);
        if (!is_chosen(writer, &object)) {
            continue;
        }
        FILE *out = writer->out;
        put_field(out, object.type, ',');
        put_field(out, object.id, ',');
        put_field(out, object.role, ',');
        put_field(out, event->type, ',');
        put_field(out, event->time, ',');
        put_field(out, event->actor, ',');
        fprintf(out, "%s,", minor); /* a number, whatever its sign */
        put_field(out, rv_json_str(event->attributes, "currency", ""), ',');
        put_field(out, event->id, '\n');
    }
}

/* ---- ocel ---- */

static const char *ocel_type(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_INTEGER: return "integer";
    case JSON_REAL: return "float";
    case JSON_TRUE:
    case JSON_FALSE: return "boolean";
    default: return "string";
    }
}

static json_t *ocel_event(struct rv_log_writer *writer, const struct rv_logged *event)
{
    const char *name;
    json_t *value;
    json_t *attributes = json_array();
    json_t *relationships = json_array();
    json_t *known = json_object_get(writer->types, event->type);
    if (known == NULL) {
        known = json_pack("{s:s}", "actor", "string");
        json_object_set_new(writer->types, event->type, known);
    }
    json_array_append_new(attributes,
                          json_pack("{s:s,s:s}", "name", "actor", "value", event->actor));
    json_object_foreach((json_t *)(uintptr_t)event->attributes, name, value)
    {
        const char *type = json_string_value(json_object_get(known, name));
        if (type == NULL) {
            type = ocel_type(value);
            json_object_set_new(known, name, json_string(type));
        }
        if (strcmp(type, ocel_type(value)) == 0) { /* an attribute has one type in the format */
            json_array_append_new(attributes, json_pack("{s:s,s:O}", "name", name, "value", value));
        }
    }
    for (size_t i = 0; i < json_array_size(event->objects); i++) {
        struct object object = object_at(event, i);
        json_t *id = object_name(&object);
        json_object_set_new(writer->objects, json_string_value(id), json_string(object.type));
        json_array_append_new(relationships,
                              json_pack("{s:o,s:s}", "objectId", id, "qualifier", object.role));
    }
    return json_pack("{s:s,s:s,s:s,s:o,s:o}", "id", event->id, "type", event->type, "time",
                     event->time, "attributes", attributes, "relationships", relationships);
}

static enum rv_code add_ocel(struct rv_log_writer *writer, const struct rv_logged *event,
                             struct rv_error *err)
{
    fputs(writer->events == 0 ? "{\"events\":[\n" : ",\n", writer->out);
    put_json(writer->out, ocel_event(writer, event));
    if (json_object_size(writer->objects) > RV_LOG_OBJECTS_MAX) {
        rv_fail(err, RV_LIMIT, "these events touch more than %d objects", RV_LOG_OBJECTS_MAX);
        rv_hint(err, "Take a part of the time with --since and --until.");
        return RV_LIMIT;
    }
    return RV_OK;
}

static void end_ocel(struct rv_log_writer *writer)
{
    const char *name;
    json_t *value;
    json_t *object_types = json_object();
    const char *between = "";
    FILE *out = writer->out;
    fputs(writer->events == 0 ? "{\"events\":[],\n\"objects\":[" : "],\n\"objects\":[", out);
    json_object_foreach(writer->objects, name, value)
    {
        const char *type = json_string_value(value);
        json_object_set_new(object_types, type,
                            json_pack("{s:s,s:[]}", "name", type, "attributes"));
        fputs(between, out);
        put_json(out, json_pack("{s:s,s:s,s:[],s:[]}", "id", name, "type", type, "attributes",
                                "relationships"));
        between = ",\n";
    }
    json_t *kinds = json_array();
    json_t *events = json_array();
    json_object_foreach(object_types, name, value)
    {
        json_array_append(kinds, value);
    }
    json_object_foreach(writer->types, name, value)
    {
        const char *attribute;
        json_t *type;
        json_t *attributes = json_array();
        json_object_foreach(value, attribute, type)
        {
            json_array_append_new(attributes,
                                  json_pack("{s:s,s:O}", "name", attribute, "type", type));
        }
        json_array_append_new(events,
                              json_pack("{s:s,s:o}", "name", name, "attributes", attributes));
    }
    fputs("],\n\"objectTypes\":", out);
    put_json(out, kinds);
    fputs(",\n\"eventTypes\":", out);
    put_json(out, events);
    fputs("}\n", out);
    json_decref(object_types);
}

/* ---- xes ---- */

static struct trace *trace_of(struct rv_log_writer *writer, const char *name)
{
    const json_t *place = json_object_get(writer->places, name);
    if (place != NULL) {
        return &writer->traces[json_integer_value(place)];
    }
    if (writer->trace_count == writer->trace_capacity) {
        writer->trace_capacity = writer->trace_capacity * 2 + 64;
        writer->traces = rv_realloc(writer->traces, writer->trace_capacity * sizeof(struct trace));
    }
    struct trace *trace = &writer->traces[writer->trace_count];
    *trace = (struct trace){.name = rv_strdup(name)};
    rv_buf_init(&trace->lines, TRACE_BYTES_MAX);
    json_object_set_new(writer->places, name, json_integer((json_int_t)writer->trace_count++));
    return trace;
}

static enum rv_code add_xes(struct rv_log_writer *writer, const struct rv_logged *event,
                            struct rv_error *err)
{
    json_t *line = line_of(event);
    json_object_del(line, "objects");
    char *text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    RV_ASSERT(text != NULL);
    size_t length = strlen(text) + 1;
    for (size_t i = 0; i < json_array_size(event->objects); i++) {
        struct object object = object_at(event, i);
        if (is_chosen(writer, &object)) {
            json_t *name = object_name(&object);
            rv_buf_add(&trace_of(writer, json_string_value(name))->lines, text, length);
            writer->bytes += length;
            json_decref(name);
        }
    }
    rv_free(text);
    if (writer->bytes > RV_LOG_TRACES_BYTES) {
        rv_fail(err, RV_LIMIT, "these traces take more than %d bytes", RV_LOG_TRACES_BYTES);
        rv_hint(err, "Take a part of the time with --since and --until, or one type of objects "
                     "with --case; ocel and jsonl have no such limit.");
        return RV_LIMIT;
    }
    return RV_OK;
}

static const xmlChar *x(const char *text)
{
    return (const xmlChar *)text;
}

static void xes_value(xmlTextWriterPtr xml, const char *kind, const char *key, const char *value)
{
    xmlTextWriterStartElement(xml, x(kind));
    xmlTextWriterWriteAttribute(xml, x("key"), x(key));
    xmlTextWriterWriteAttribute(xml, x("value"), x(value));
    xmlTextWriterEndElement(xml);
}

static void xes_attribute(xmlTextWriterPtr xml, const char *name, const json_t *value)
{
    char text[40];
    switch (json_typeof(value)) {
    case JSON_INTEGER:
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        xes_value(xml, "int", name, text);
        return;
    case JSON_REAL:
        snprintf(text, sizeof text, "%.17g", json_real_value(value));
        xes_value(xml, "float", name, text);
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        xes_value(xml, "boolean", name, json_is_true(value) ? "true" : "false");
        return;
    default: xes_value(xml, "string", name, json_string_value(value)); return;
    }
}

static void xes_event(xmlTextWriterPtr xml, const char *text)
{
    const char *name;
    json_t *value;
    json_t *line = json_loads(text, 0, NULL);
    RV_ASSERT(line != NULL);
    xmlTextWriterStartElement(xml, x("event"));
    xes_value(xml, "string", "concept:name", rv_json_str(line, "type", ""));
    xes_value(xml, "date", "time:timestamp", rv_json_str(line, "time", ""));
    xes_value(xml, "string", "org:resource", rv_json_str(line, "actor", ""));
    xes_value(xml, "string", "id", rv_json_str(line, "id", ""));
    json_object_foreach(json_object_get(line, "attributes"), name, value)
    {
        xes_attribute(xml, name, value);
    }
    xmlTextWriterEndElement(xml);
    json_decref(line);
}

static void xes_extension(xmlTextWriterPtr xml, const char *name, const char *prefix)
{
    char uri[80];
    snprintf(uri, sizeof uri, "http://www.xes-standard.org/%s.xesext", prefix);
    xmlTextWriterStartElement(xml, x("extension"));
    xmlTextWriterWriteAttribute(xml, x("name"), x(name));
    xmlTextWriterWriteAttribute(xml, x("prefix"), x(prefix));
    xmlTextWriterWriteAttribute(xml, x("uri"), x(uri));
    xmlTextWriterEndElement(xml);
}

static void write_xes(struct rv_log_writer *writer, xmlTextWriterPtr xml)
{
    xmlTextWriterSetIndent(xml, 1);
    xmlTextWriterStartDocument(xml, NULL, "UTF-8", NULL);
    xmlTextWriterStartElement(xml, x("log"));
    xmlTextWriterWriteAttribute(xml, x("xes.version"), x("1849-2016"));
    xmlTextWriterWriteAttribute(xml, x("xes.features"), x(""));
    xmlTextWriterWriteAttribute(xml, x("xmlns"), x("http://www.xes-standard.org/"));
    xes_extension(xml, "Concept", "concept");
    xes_extension(xml, "Time", "time");
    xes_extension(xml, "Organizational", "org");
    for (size_t i = 0; i < writer->trace_count; i++) {
        const struct trace *trace = &writer->traces[i];
        xmlTextWriterStartElement(xml, x("trace"));
        xes_value(xml, "string", "concept:name", trace->name);
        for (size_t at = 0; at < trace->lines.length; at += strlen(trace->lines.data + at) + 1) {
            xes_event(xml, trace->lines.data + at);
        }
        xmlTextWriterEndElement(xml);
    }
    xmlTextWriterEndDocument(xml);
    xmlTextWriterFlush(xml);
}

static void end_xes(struct rv_log_writer *writer)
{
    xmlOutputBufferPtr buffer = xmlOutputBufferCreateFile(writer->out, NULL);
    xmlTextWriterPtr xml = buffer != NULL ? xmlNewTextWriter(buffer) : NULL;
    RV_ASSERT(xml != NULL); /* no memory */
    write_xes(writer, xml);
    xmlFreeTextWriter(xml);
}

/* ---- the writer ---- */

struct rv_log_writer *rv_log_writer_create(FILE *out, enum rv_log_format format, const char *chosen)
{
    struct rv_log_writer *writer = rv_alloc(sizeof *writer);
    *writer = (struct rv_log_writer){.out = out,
                                     .format = format,
                                     .chosen = chosen != NULL ? rv_strdup(chosen) : NULL,
                                     .objects = json_object(),
                                     .types = json_object(),
                                     .places = json_object()};
    if (format == RV_LOG_CSV) {
        fputs("object_type,object_id,role,activity,timestamp,resource,amount_minor,currency,event"
              "\r\n",
              out);
    }
    return writer;
}

enum rv_code rv_log_writer_add(struct rv_log_writer *writer, const struct rv_logged *event,
                               struct rv_error *err)
{
    enum rv_code code = RV_OK;
    switch (writer->format) {
    case RV_LOG_JSONL: add_jsonl(writer, event); break;
    case RV_LOG_CSV: add_csv(writer, event); break;
    case RV_LOG_OCEL: code = add_ocel(writer, event, err); break;
    case RV_LOG_XES: code = add_xes(writer, event, err); break;
    case RV_LOG_FORMATS: RV_UNREACHABLE("no format");
    }
    writer->events++;
    return code;
}

enum rv_code rv_log_writer_finish(struct rv_log_writer *writer, struct rv_error *err)
{
    if (writer->format == RV_LOG_OCEL) {
        end_ocel(writer);
    } else if (writer->format == RV_LOG_XES) {
        end_xes(writer);
    }
    errno = 0;
    if (fflush(writer->out) != 0 || ferror(writer->out)) {
        return rv_fail_errno(err, errno != 0 ? errno : EIO, "write the log");
    }
    return RV_OK;
}

int64_t rv_log_writer_events(const struct rv_log_writer *writer)
{
    return writer->events;
}

void rv_log_writer_destroy(struct rv_log_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    for (size_t i = 0; i < writer->trace_count; i++) {
        rv_free(writer->traces[i].name);
        rv_buf_fini(&writer->traces[i].lines);
    }
    rv_free(writer->traces);
    json_decref(writer->objects);
    json_decref(writer->types);
    json_decref(writer->places);
    rv_free(writer->chosen);
    rv_free(writer);
}
