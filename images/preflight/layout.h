/* SPDX-License-Identifier: Apache-2.0 */
/* Structures of libbpf's CO-RE relocation, for which it installs no header.
 *
 * What stands here was the same from 0.8 to 1.8, but for the width of the values.
 * layout.c compares it with libbpf's own header, where its source is at hand; each
 * build asks the libbpf that it linked, by probe.c.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include <bpf/btf.h>
#include <linux/bpf.h>

#include "older.h"

/* Accessors in an access string, at most. */
#define PATH_MAX_LEN 64

/* A type of the target that has the name sought for. */
struct candidate {
	const struct btf *btf;
	__u32 id;
};

struct candidates {
	struct candidate *items;
	int len;
};

/* A step of a path: a named member, or an element when there is no name. */
struct step {
	/* The struct that holds the member, or the element's type. */
	__u32 type_id;
	__u32 index;
	const char *name;
};

/* A path through a type, such as task_struct.comm[0]. */
struct path {
	const struct btf *btf;
	struct step steps[PATH_MAX_LEN];
	__u32 root_type_id;
	enum bpf_core_relo_kind kind;
	int len;
	/* With the steps through anonymous members, too. */
	int raw[PATH_MAX_LEN];
	int raw_len;
	__u32 bit_offset;
};

struct outcome {
	relocation_value old_value;
	relocation_value new_value;
	bool poison;
	bool validate;
	bool wrong_access_size;
	__u32 old_size;
	__u32 old_type_id;
	__u32 new_size;
	__u32 new_type_id;
};

#endif
