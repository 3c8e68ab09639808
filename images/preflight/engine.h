/* SPDX-License-Identifier: Apache-2.0 */
/* libbpf's own CO-RE relocation, as its static library holds it; it hides these
 * functions in its shared library, and installs no header for them.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include "layout.h"

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

/* 1 where a type of one BTF may be passed for that of another, 0 where not. */
int bpf_core_types_are_compat(const struct btf *local, __u32 local_id,
			      const struct btf *target, __u32 target_id);

#endif
