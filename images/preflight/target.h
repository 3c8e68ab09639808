/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel that is asked about: its BTF, and those of modules on top. */
#ifndef TARGET_H
#define TARGET_H

#include "names.h"
#include "request.h"

#define MAX_MODULES (MAX_PAYLOADS - 1)

struct target {
	/* NULL before the first one, and after one that was refused. */
	struct btf *base;
	struct btf *modules[MAX_MODULES];
	size_t module_count;
	struct names names;
	/* Of modules[i]. */
	struct names module_names[MAX_MODULES];
};

extern struct target target;

/* The request "target". */
json_t *take_target(const struct request *request);

void forget_target(void);

#endif
