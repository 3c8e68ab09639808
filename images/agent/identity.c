/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS _LINUX_CAPABILITY_U32S_3

int set_effective_capabilities(uint64_t mask)
{
	struct __user_cap_header_struct header = {.version =
							  _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct set[WORDS];

	if (syscall(SYS_capget, &header, set))
		return -1;
	/* What the kernel does not know yet is not there either. */
	for (int i = 0; i < WORDS; i++)
		set[i].effective = set[i].permitted & (uint32_t)(mask >> (32 * i));
	return (int)syscall(SYS_capset, &header, set);
}
