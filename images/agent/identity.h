/* SPDX-License-Identifier: Apache-2.0 */
/* Who somebody is that makes system calls. */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "failure.h"

#include <stdbool.h>
#include <stdint.h>

struct user {
	json_int_t uid;
	/* A set of capabilities. */
	uint64_t mask;
	/* Whether it is root of a user namespace of its own. */
	bool apart;
	/* What the kernel delegates to it through tokens, as mount options of bpffs by
	 * their names; NULL for no token.
	 */
	const json_t *delegated;
};

/* What an operation is done by. */
typedef json_t *operation_function(const json_t *request, struct failure *failure);

/* Sets the calling thread's effective capabilities, of those that it may have; -1 with
 * errno.
 */
int set_effective_capabilities(uint64_t mask);

#endif
