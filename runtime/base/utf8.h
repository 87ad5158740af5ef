/* utf8.h -- text that may have been cut, or comes from elsewhere, made text again.
 *
 * JSON and PostgreSQL take UTF-8 and nothing else; printf's "%.80s" and a buffer's end cut bytes.
 */
#ifndef REEVE_RUNTIME_BASE_UTF8_H
#define REEVE_RUNTIME_BASE_UTF8_H

/* Every byte that belongs to no whole character (RFC 3629) becomes '?'; the length stays. */
void rv_utf8_repair(char *text);

#endif
