/* SPDX-License-Identifier: Apache-2.0 */
/* Who makes a request's system calls: by default root, with all capabilities.
 *
 * Only what counts for a system call changes, the effective user and capabilities, so
 * that the agent can take its own back.
 */
#ifndef USER_H
#define USER_H

#include "failure.h"

#include <stdbool.h>

/* Becomes the request's "user", an object with "uid" and "capabilities", the bits of a
 * set as text in hexadecimal. Nothing changes without one.
 */
bool user_enter(const json_t *request, struct failure *failure);

/* Becomes the agent's own user again. A failure ends the agent. */
void user_leave(void);

#endif
