/* SPDX-License-Identifier: Apache-2.0 */
/* libbpf's own CO-RE relocation, as its static library holds it.
 *
 * libbpf installs no header for these functions, and hides them in its shared library.
 * What stands here was the same from 1.0 to 1.7; tests/unit/preflight would show a
 * change, because layouts that differ can't give right answers.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include <bpf/btf.h>
#include <linux/bpf.h>

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
	__u64 old_value;
	__u64 new_value;
	bool poison;
	bool validate;
	bool wrong_access_size;
	__u32 old_size;
	__u32 old_type_id;
	__u32 new_size;
	__u32 new_type_id;
};

size_t bpf_core_essential_name_len(const char *name);

int bpf_core_add_cands(struct candidate *local, size_t essential_len,
		       const struct btf *target, const char *target_name, int first_id,
		       struct candidates *found);

int bpf_core_parse_spec(const char *program, const struct btf *btf,
			const struct bpf_core_relo *relo, struct path *path);

int bpf_core_format_spec(char *text, size_t size, const struct path *path);

/* `paths` has three: the local one, a candidate's and the target's. */
int bpf_core_calc_relo_insn(const char *program, const struct bpf_core_relo *relo,
			    int index, const struct btf *local,
			    struct candidates *found, struct path *paths,
			    struct outcome *outcome);

int bpf_core_patch_insn(const char *program, struct bpf_insn *insn, int insn_index,
			const struct bpf_core_relo *relo, int index,
			const struct outcome *outcome);

#endif
