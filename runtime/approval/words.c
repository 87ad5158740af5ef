/* words.c -- what an approval may stand at; see approval.h. */
#include "runtime/approval/approval.h"

const char rv_approval_status_words[] = "requested approved rejected expired consumed void";
