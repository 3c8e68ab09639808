/* SPDX-License-Identifier: Apache-2.0 */
#include "user.h"

#include "arguments.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_UID UINT32_MAX

static bool is_other;
static struct __user_cap_data_struct own[_LINUX_CAPABILITY_U32S_3];

static struct __user_cap_header_struct of_this_thread(void)
{
	return (struct __user_cap_header_struct){.version =
							 _LINUX_CAPABILITY_VERSION_3};
}

static int set_effective(uint64_t mask)
{
	struct __user_cap_header_struct header = of_this_thread();
	struct __user_cap_data_struct set[_LINUX_CAPABILITY_U32S_3];

	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		set[i] = own[i];
		/* What the kernel does not know yet is not there either. */
		set[i].effective = own[i].permitted & (uint32_t)(mask >> (32 * i));
	}
	return (int)syscall(SYS_capset, &header, set);
}

static bool read_user(const json_t *user, json_int_t *uid, uint64_t *mask,
		      struct failure *failure)
{
	const char *text = NULL;
	char *end;

	if (!integer_argument(user, "uid", REQUIRED, 0, MOST_UID, uid, failure) ||
	    !text_argument(user, "capabilities", REQUIRED, &text, failure))
		return false;
	*mask = strtoull(text, &end, 16);
	return (*text && !*end) ||
	       wrong_argument(failure, "capabilities", "bits in hexadecimal",
			      json_object_get(user, "capabilities"));
}

bool user_enter(const json_t *request, struct failure *failure)
{
	struct __user_cap_header_struct header = of_this_thread();
	const json_t *user = NULL;
	json_int_t uid = 0;
	uint64_t mask = 0;

	if (!object_argument(request, "user", OPTIONAL, &user, failure))
		return false;
	if (!user)
		return true;
	if (!read_user(user, &uid, &mask, failure))
		return false;
	if (syscall(SYS_capget, &header, own)) {
		fail_errno(failure, errno, "can't read capabilities");
		return false;
	}
	is_other = true;
	/* The group first, while that is allowed. A user other than 0 begins without
	 * effective capabilities, and keeps the permitted ones, because it still is
	 * root by its real number.
	 */
	if (syscall(SYS_setresgid, -1, (gid_t)uid, -1) ||
	    syscall(SYS_setresuid, -1, (uid_t)uid, -1) || set_effective(mask)) {
		fail_errno(failure, errno, "can't become user %u", (unsigned)uid);
		user_leave();
		return false;
	}
	return true;
}

void user_leave(void)
{
	if (!is_other)
		return;
	is_other = false;
	if (syscall(SYS_setresuid, -1, 0, -1) || set_effective(UINT64_MAX) ||
	    syscall(SYS_setresgid, -1, 0, -1))
		abort();
}
