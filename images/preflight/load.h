/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_H
#define LOAD_H

#include <bpf/btf.h>

#include "request.h"

/* Returns a BTF, on top of `base` or NULL, that is safe to use; NULL with `*problem`.
 */
struct btf *load_btf(const struct payload *payload, struct btf *base,
		     const char **problem);

#endif
