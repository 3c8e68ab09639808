/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind a type's typedefs and modifiers.
 *
 * libbpf's btf__resolve_type() has no answer for void, and gives up after 32 of them.
 */
#ifndef BARE_H
#define BARE_H

#include <bpf/btf.h>

/* A bit for each kind that is followed. */
#define BARE_FOLLOWED                                                                  \
	(1u << BTF_KIND_TYPEDEF | 1u << BTF_KIND_CONST | 1u << BTF_KIND_VOLATILE |     \
	 1u << BTF_KIND_RESTRICT | 1u << BTF_KIND_TYPE_TAG)

/* The chain must end: the BTF was checked. */
__u32 bare_id(const struct btf *btf, __u32 id);
const struct btf_type *bare_type(const struct btf *btf, __u32 id);

#endif
