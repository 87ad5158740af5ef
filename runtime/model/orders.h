/* orders.h -- sentences in which outsiders say what is to be chosen.
 *
 * An option such as "invoice.reject" is a word between an agent and reeve.  A supplier who writes
 * it in a memo gives an order, and a model is not asked to resist what it need not read: the
 * sentence is left out of the prompt, and the answer says how many were.  Only options that no
 * honest letter has by chance count: names like those of actions ("invoice.hold", "open_item 12":
 * small letters joined by '.' or '_'), and phrases of three words; "accept", "order 4711" or
 * "PO_4711" may stand in one.  What gives an order in other words reaches the model, as outsiders'
 * text.  Private to runtime/model.
 */
#ifndef REEVE_RUNTIME_MODEL_ORDERS_H
#define REEVE_RUNTIME_MODEL_ORDERS_H

#include "runtime/base/json.h"

/* A copy of what outsiders wrote without those sentences, also deep inside; a text that was nothing
 * else is left out with its key.  NULL where nothing is left.  Adds to `*left_out`.  The caller
 * owns the copy. */
json_t *rv_orders_leave_out(const json_t *untrusted, const json_t *options, int *left_out);

#endif
