/* SPDX-License-Identifier: Apache-2.0 */
/* Which system calls of a command its recorder sees. */
#ifndef CALL_FILTER_H
#define CALL_FILTER_H

#include "tracee.h"

#include <stdbool.h>

/* Whether the kernel has filters (CONFIG_SECCOMP_FILTER). */
bool call_filter_is_possible(void);

/* Whether a call is one of those that the filter stops. */
bool call_filter_stops(const struct call *call);

/* Has the calling process and all that it starts stop for its tracer in each call that
 * loads or attaches something, or traces a process itself. No other call is slowed
 * down by more than a few instructions. Needs CAP_SYS_ADMIN, and so does not need
 * PR_SET_NO_NEW_PRIVS, which would break setuid programs. False with errno.
 */
bool call_filter_install(void);

#endif
