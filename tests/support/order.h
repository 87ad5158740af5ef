/* order.h -- an instance with the keys of its objects in the order in which a schema names them,
 * written compactly: as an answer under that schema would be written. */
#ifndef REEVE_TESTS_SUPPORT_ORDER_H
#define REEVE_TESTS_SUPPORT_ORDER_H

#include <jansson.h>

/* JSON text, to be freed. */
char *order_write(json_t *instance, json_t *schema);

#endif
