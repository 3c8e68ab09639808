/* SPDX-License-Identifier: Apache-2.0 */
/* Users that are root of a user namespace of their own, as in a container. */
#ifndef NAMESPACE_H
#define NAMESPACE_H

#include "identity.h"

/* Where the bpffs of the namespace is from which libbpf gets its token. */
#define TOKEN_FOLDER "/run/agent.token"

/* Runs an operation as `user`, in a namespace that lasts until another user needs one.
 */
json_t *run_in_namespace(const struct user *user, operation_function *run,
			 const json_t *request, struct failure *failure);

#endif
