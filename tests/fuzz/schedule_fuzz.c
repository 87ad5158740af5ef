/* schedule_fuzz.c -- what people type for schedules, of any bytes: refused with a code and a
 * sentence, or read; and what is read fires in rising order, the same wherever one asks from.
 *
 * The first byte chooses the reader: cron expression, list of dates, instant, weekend, holidays,
 * zone file.
 */
#include "runtime/base/check.h"
#include "runtime/schedule/cron.h"
#include "runtime/schedule/holidays.h"
#include "runtime/schedule/when.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIRES = 8, DAY_S = 86400, FROM_DAY = 20454 /* 2026-01-01 */ };

static struct rv_zone *berlin(void)
{
    struct rv_zone *zone = NULL;
    RV_ASSERT(rv_zone_load(NULL, "Europe/Berlin", &zone, NULL) == RV_OK);
    return zone;
}

static void fire(const struct rv_cron *cron, const struct rv_zone *zone)
{
    struct rv_calendar calendar = {.weekend = RV_CALENDAR_WEEKEND};
    for (int gap = RV_CRON_GAP_BOUNDARY; gap <= RV_CRON_GAP_SKIP; gap++) {
        struct rv_cron_rules rules = {.zone = zone,
                                      .gap = (enum rv_cron_gap)gap,
                                      .fold = (enum rv_cron_fold)gap,
                                      .calendar = gap == 0 ? &calendar : NULL};
        int64_t at_s = (int64_t)FROM_DAY * DAY_S, again_s = 0;
        for (int i = 0; i < FIRES; i++) {
            int64_t before_s = at_s;
            if (!rv_cron_next(cron, &rules, before_s, &at_s)) {
                break;
            }
            RV_ASSERT(at_s > before_s);
            RV_ASSERT(rv_cron_next(cron, &rules, at_s - 1, &again_s) && again_s == at_s);
        }
    }
}

static void read_text(int which, const char *text, struct rv_error *err)
{
    struct rv_zone *zone = berlin();
    struct rv_cron cron;
    static struct rv_dates dates;
    int64_t out = 0;
    uint8_t weekend = 0;
    enum rv_code code = RV_OK;
    if (which == 0) {
        code = rv_cron_parse(text, &cron, err);
        if (code == RV_OK) {
            fire(&cron, zone);
        }
    } else if (which == 1) {
        code = rv_dates_read(text, &dates, err);
    } else if (which == 2) {
        code = rv_when_read(text, zone, &out, err);
    } else {
        code = rv_weekend_read(text, &weekend, err);
        RV_ASSERT(code != RV_OK || weekend < 0x7f);
    }
    RV_ASSERT(code == err->code && (code == RV_OK || err->message[0] != '\0'));
    rv_zone_destroy(zone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rv_error err = {.code = RV_OK};
    static struct rv_holidays holidays;
    char text[1024];
    if (size == 0) {
        return 0;
    }
    int which = data[0] % 6;
    if (which < 4) {
        size_t length = size - 1 < sizeof text - 1 ? size - 1 : sizeof text - 1;
        memcpy(text, data + 1, length);
        text[length] = '\0';
        read_text(which, text, &err);
    } else if (which == 4) {
        enum rv_code code = rv_holidays_read((const char *)data + 1, size - 1, &holidays, &err);
        RV_ASSERT(code == err.code && (code == RV_OK || err.message[0] != '\0'));
    } else {
        struct rv_zone *zone = NULL;
        if (rv_zone_parse("fuzz", data + 1, size - 1, &zone, &err) == RV_OK) {
            for (int64_t at = 0; at < 5000000000; at += 123456789) {
                struct rv_zone_stretch stretch = rv_zone_stretch_at(zone, at);
                RV_ASSERT(stretch.start_s <= at && at < stretch.end_s);
            }
            rv_zone_destroy(zone);
        }
    }
    return 0;
}
