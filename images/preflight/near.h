/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NEAR_H
#define NEAR_H

#include <bpf/btf.h>
#include <jansson.h>

/* Names of structs, unions, enumerations and typedefs that resemble one, at most 5. */
json_t *near_types(const struct btf *btf, const char *name);

#endif
