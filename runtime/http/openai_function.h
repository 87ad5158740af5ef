/* openai_function.h -- an answer to a request with tools, read while it comes.
 *
 *     {"name":"NAME","arguments":ARGUMENTS}      a call of a function
 *     {"content":"TEXT"}                         something said
 *
 * An answer under a schema has no white space and the members in the schema's order (openai.h,
 * kernels/serve/constraint.h), so its first bytes say which of the two it is, and what follows can
 * be told piece by piece.  Pure; private to runtime/http.
 */
#ifndef REEVE_RUNTIME_HTTP_OPENAI_FUNCTION_H
#define REEVE_RUNTIME_HTTP_OPENAI_FUNCTION_H

#include "runtime/base/buf.h"

enum { RV_OPENAI_FUNCTION_NAME_MAX = 64 };

enum rv_openai_form { RV_OPENAI_UNDECIDED, RV_OPENAI_CONTENT, RV_OPENAI_FUNCTION };

struct rv_openai_function {
    enum rv_openai_form form;
    char name[RV_OPENAI_FUNCTION_NAME_MAX + 1]; /* of the function, once it is one */
    struct rv_buf held;                         /* came, and cannot be told yet */
};

void rv_openai_function_init(struct rv_openai_function *function);
void rv_openai_function_fini(struct rv_openai_function *function);
/* Takes the next piece, whole characters, and adds to `out` what can be told now: of the text, or
 * of the arguments as they are written.  All pieces of an answer that is whole make all of it. */
void rv_openai_function_take(struct rv_openai_function *function, const char *piece, size_t length,
                             struct rv_buf *out);

#endif
