/* address.h -- which network addresses a web hook may reach; pure.
 *
 * A tenant chooses the URL, so the URL must not reach what only this machine can reach: loopback,
 * private networks, link-local (cloud metadata), shared, reserved and multicast ranges, in any
 * spelling.  The check sees the resolved address just before the socket is made, which covers
 * names, rebinding and odd number forms.
 */
#ifndef REEVE_RUNTIME_HOOKS_ADDRESS_H
#define REEVE_RUNTIME_HOOKS_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

bool rv_address_is_public(const struct sockaddr *address);

#endif
