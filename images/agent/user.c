/* SPDX-License-Identifier: Apache-2.0 */
#include "user.h"

#include "arguments.h"
#include "namespace.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_UID UINT32_MAX

static bool read_user(const json_t *given, struct user *user, struct failure *failure)
{
	const json_t *apart = json_object_get(given, "apart");
	const char *text = NULL;
	char *end;

	if (!integer_argument(given, "uid", REQUIRED, 0, MOST_UID, &user->uid,
			      failure) ||
	    !text_argument(given, "capabilities", REQUIRED, &text, failure) ||
	    !object_argument(given, "delegated", OPTIONAL, &user->delegated, failure))
		return false;
	user->apart = json_is_true(apart);
	user->mask = strtoull(text, &end, 16);
	return (*text && !*end) ||
	       wrong_argument(failure, "capabilities", "bits in hexadecimal",
			      json_object_get(given, "capabilities"));
}

/* Ends the agent if it fails. */
static void become_root(void)
{
	if (syscall(SYS_setresuid, -1, 0, -1) ||
	    set_effective_capabilities(UINT64_MAX) || syscall(SYS_setresgid, -1, 0, -1))
		abort();
}

static bool become(const struct user *user, struct failure *failure)
{
	/* The group first, while that is allowed. A user other than 0 begins without
	 * effective capabilities, and keeps the permitted ones, because it still is
	 * root by its real number.
	 */
	if (!syscall(SYS_setresgid, -1, (gid_t)user->uid, -1) &&
	    !syscall(SYS_setresuid, -1, (uid_t)user->uid, -1) &&
	    !set_effective_capabilities(user->mask))
		return true;
	fail_errno(failure, errno, "can't become user %u", (unsigned)user->uid);
	become_root();
	return false;
}

json_t *run_as_user(operation_function *run, const json_t *request,
		    struct failure *failure)
{
	const json_t *given = NULL;
	struct user user = {0};
	json_t *done;

	if (!object_argument(request, "user", OPTIONAL, &given, failure))
		return NULL;
	if (!given)
		return run(request, failure);
	if (!read_user(given, &user, failure))
		return NULL;
	if (user.apart)
		return run_in_namespace(&user, run, request, failure);
	if (!become(&user, failure))
		return NULL;
	done = run(request, failure);
	become_root();
	return done;
}
