/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines: requests on standard input, replies where standard output was. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include "failure.h"

#include <stdbool.h>

/* Keeps standard output for replies: whatever else is printed goes to standard error.
 */
void protocol_start(void);

/* The next request, an object with an integer "id" and a text "op". NULL with a failure
 * when the line is none, NULL without one at the end of input. `*id` is the line's id,
 * or NULL when none can be told.
 */
json_t *next_request(json_t **id, struct failure *failure);

/* Writes one line; false when nobody reads any more. Takes over `reply`. */
bool send_reply(json_t *reply);

/* Writes a line about the request that is being answered, before its reply: it has the
 * request's id, and no "ok". Takes over `event`; false when nobody reads any more.
 */
bool send_event(json_t *event);

/* A descriptor that polls as POLLERR or POLLHUP once nobody reads replies. */
int reply_descriptor(void);

#endif
