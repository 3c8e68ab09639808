/* SPDX-License-Identifier: Apache-2.0 */
/* Who makes a request's system calls: by default root, with all capabilities.
 *
 * In the guest's own user namespace only what counts for a system call changes, the
 * effective user and capabilities, so that the agent can take its own back. Nobody
 * comes back from another namespace: there, a process does the request that shares the
 * agent's memory and descriptors, and nothing else.
 */
#ifndef USER_H
#define USER_H

#include "identity.h"

/* Runs an operation as the request's "user", an object with "uid", "capabilities" (the
 * bits of a set as text in hexadecimal), and, for root of a user namespace of its own,
 * "apart" (true) and "delegated".
 */
json_t *run_as_user(operation_function *run, const json_t *request,
		    struct failure *failure);

#endif
