/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>

#include <bpf/btf.h>

#include "request.h"

/* Returns a BTF, on top of `base` or NULL, that is safe to use; NULL with `*problem`,
 * and in `*parsed` whether libbpf reads it nonetheless.
 */
struct btf *load_btf(const struct payload *payload, struct btf *base,
		     const char **problem, bool *parsed);

#endif
