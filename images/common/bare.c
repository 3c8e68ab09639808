/* SPDX-License-Identifier: Apache-2.0 */
#include "bare.h"

__u32 bare_id(const struct btf *btf, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (BARE_FOLLOWED & 1u << btf_kind(t)) {
		id = t->type;
		t = btf__type_by_id(btf, id);
	}
	return id;
}

const struct btf_type *bare_type(const struct btf *btf, __u32 id)
{
	return btf__type_by_id(btf, bare_id(btf, id));
}
