/* SPDX-License-Identifier: Apache-2.0 */
/* What a loader sets of an object between opening and loading it. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "failure.h"

#include <bpf/libbpf.h>
#include <stdbool.h>

/* Objects by names; NULL for what a request says nothing of. */
struct settings {
	const json_t *programs, *maps, *variables;
};

/* A request's "programs", "maps" and "variables". */
bool settings_argument(const json_t *request, struct settings *settings,
		       struct failure *failure);
bool settings_apply(const struct settings *settings, struct bpf_object *bpf,
		    struct failure *failure);

#endif
