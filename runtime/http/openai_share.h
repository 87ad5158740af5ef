/* openai_share.h -- a company's share of the day while its requests are on their way.
 *
 *     used today (database) + kept back here < share  -->  asked, and its most is kept back
 *                                                          until what it used is in the database
 *
 * So that requests at the same time overrun the share by no more than the last of them.  Kept by
 * this process: a company's requests on other nodes are not seen here, and each node may overrun by
 * one.  Private to runtime/http; thread: the loop's.
 */
#ifndef REEVE_RUNTIME_HTTP_OPENAI_SHARE_H
#define REEVE_RUNTIME_HTTP_OPENAI_SHARE_H

#include "runtime/http/openai.h"

struct rv_api;

/* The most tokens that the request can take, each prompt once and n answers to it, where `room` is
 * the engine's for both (0: not known).  A prompt has at most a token for each byte, and what
 * stands around it. */
int64_t rv_openai_most(const struct rv_openai_ask *ask, int64_t room);

int64_t rv_openai_kept(const struct rv_api *api, int32_t tenant);
void rv_openai_keep(struct rv_api *api, int32_t tenant, int64_t tokens);
void rv_openai_give(struct rv_api *api, int32_t tenant, int64_t tokens);
void rv_openai_shares_free(struct rv_api *api);

#endif
