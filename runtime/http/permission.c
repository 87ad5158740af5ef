/* permission.c -- see permission.h. */
#include "runtime/http/permission.h"

#include "runtime/base/check.h"

#include <string.h>

static const struct {
    const char *role;
    unsigned permissions;
} roles_known[] = {
    {"admin", RV_MAY_READ | RV_MAY_OPERATE | RV_MAY_ADMINISTER},
    {"operator", RV_MAY_READ | RV_MAY_OPERATE},
    {"auditor", RV_MAY_READ},
};

static unsigned of_role(const char *role, size_t length)
{
    for (size_t i = 0; i < RV_COUNT(roles_known); i++) {
        if (strlen(roles_known[i].role) == length &&
            memcmp(roles_known[i].role, role, length) == 0) {
            return roles_known[i].permissions;
        }
    }
    return RV_MAY_READ | RV_MAY_DECIDE;
}

unsigned rv_permissions_of(const char *roles)
{
    unsigned set = RV_MAY_SIGNED_IN;
    while (*roles != '\0') {
        size_t length = strcspn(roles, ",");
        if (length > 0) {
            set |= of_role(roles, length);
        }
        roles += length + (roles[length] == ',');
    }
    return set;
}

const char *rv_permission_name(enum rv_permission permission)
{
    switch (permission) {
    case RV_MAY_ANYONE: return "nothing";
    case RV_MAY_SIGNED_IN: return "sign in";
    case RV_MAY_READ: return "read";
    case RV_MAY_DECIDE: return "decide approvals";
    case RV_MAY_OPERATE: return "operate runs";
    case RV_MAY_ADMINISTER: return "administer";
    case RV_MAY_OVERSEE: return "oversee the machine";
    default: RV_UNREACHABLE("unknown permission");
    }
}
