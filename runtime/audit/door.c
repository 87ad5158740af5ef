/* door.c -- see door.h. */
#include "runtime/audit/door.h"

#include "runtime/base/check.h"

typedef enum rv_code (*each_row)(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err);

struct acting {
    struct rv_act act; /* first */
    each_row each;
    void *data;
    bool seen; /* some row was given to `each` */
    enum rv_code code;
    struct rv_error err;
};

static void on_row(struct rv_act *act, const struct rv_result *result, int row)
{
    struct acting *acting = (struct acting *)act;
    struct rv_error ignored = {.code = RV_OK};
    acting->seen = true;
    if (acting->each != NULL && acting->each(acting->data, result, row, &ignored) != RV_OK) {
        RV_UNREACHABLE("who takes rows of a change has no say in it");
    }
}

static void on_done(struct rv_act *act, enum rv_code code, const struct rv_error *err)
{
    struct acting *acting = (struct acting *)act;
    acting->code = code;
    if (code != RV_OK && err != NULL) {
        acting->err = *err;
    }
}

static void perform(struct rv_door *door, struct acting *acting)
{
    acting->act.tenant = door->tenant;
    acting->act.what = door->what;
    acting->act.person = door->person;
    acting->act.done = on_done;
    door->commit(door->data, &acting->act);
}

/* The session's door; takes args. */
static enum rv_code change(void *data, const struct rv_statement *statement, struct rv_args *args,
                           each_row each, void *each_data, struct rv_error *err)
{
    struct rv_door *door = data;
    RV_ASSERT(!door->on_record); /* one act, one change, one record */
    struct acting acting = {
        .act = {.about = door->about, .effect = statement, .args = args, .row = on_row},
        .each = each,
        .data = each_data};
    perform(door, &acting);
    rv_args_destroy(args);
    if (acting.act.nothing && !acting.seen) {
        return RV_OK; /* no row, as the caller sees for itself */
    }
    if (acting.code != RV_OK) {
        *err = acting.err;
        return acting.code;
    }
    door->on_record = true;
    return RV_OK;
}

/* A record without a change; `about` gets `key`. */
static enum rv_code put_record(struct rv_door *door, const char *key, json_t *value,
                               struct rv_error *err)
{
    json_object_set_new(door->about, key, value);
    struct acting acting = {.act = {.about = door->about}};
    perform(door, &acting);
    if (acting.code != RV_OK) {
        *err = acting.err;
    }
    return acting.code;
}

void rv_door_open(struct rv_door *door, struct rv_db_session *session)
{
    rv_db_session_set_door(session, change, door);
}

enum rv_code rv_door_refused(struct rv_door *door, struct rv_error *err)
{
    struct rv_error why = {.code = RV_OK};
    enum rv_code code = err->code;
    if (put_record(door, "refused", json_string(err->message), &why) != RV_OK) {
        *err = why;
        code = why.code;
    }
    door->on_record = true;
    return code;
}

enum rv_code rv_door_close(struct rv_door *door, enum rv_code code, struct rv_error *err)
{
    if (door->about == NULL || door->on_record) {
        return code;
    }
    struct rv_error why = {.code = RV_OK};
    enum rv_code put = code == RV_OK
                           ? put_record(door, "changed", json_integer(0), &why)
                           : put_record(door, "failed", json_string(rv_code_name(code)), &why);
    if (put != RV_OK && code == RV_OK) {
        *err = why;
        code = put;
    }
    return code;
}
