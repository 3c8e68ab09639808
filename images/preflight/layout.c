// SPDX-License-Identifier: Apache-2.0
#include "layout.h"

/* Only the source of libbpf has it: see runner/libbpf. It names the member that
 * differs, at compile time; for every other libbpf, there is probe.c.
 */
#if __has_include("relo_core.h")
#include "relo_core.h"

#define SAME_SIZE(own, theirs)                                                         \
	_Static_assert(sizeof(struct own) == sizeof(struct theirs),                    \
		       "this libbpf's struct " #theirs " is not what layout.h says")
#define SAME(own, member, theirs, other)                                               \
	_Static_assert(offsetof(struct own, member) == offsetof(struct theirs, other), \
		       "this libbpf's " #theirs "." #other                             \
		       " is not where layout.h has it")

SAME_SIZE(candidate, bpf_core_cand);
SAME_SIZE(candidates, bpf_core_cand_list);
SAME_SIZE(step, bpf_core_accessor);
SAME_SIZE(path, bpf_core_spec);
SAME_SIZE(outcome, bpf_core_relo_res);
SAME(candidate, id, bpf_core_cand, id);
SAME(candidates, len, bpf_core_cand_list, len);
SAME(step, index, bpf_core_accessor, idx);
SAME(step, name, bpf_core_accessor, name);
SAME(path, steps, bpf_core_spec, spec);
SAME(path, root_type_id, bpf_core_spec, root_type_id);
SAME(path, kind, bpf_core_spec, relo_kind);
SAME(path, len, bpf_core_spec, len);
SAME(path, raw, bpf_core_spec, raw_spec);
SAME(path, bit_offset, bpf_core_spec, bit_offset);
SAME(outcome, new_value, bpf_core_relo_res, new_val);
SAME(outcome, poison, bpf_core_relo_res, poison);
SAME(outcome, wrong_access_size, bpf_core_relo_res, fail_memsz_adjust);
SAME(outcome, old_size, bpf_core_relo_res, orig_sz);
SAME(outcome, new_type_id, bpf_core_relo_res, new_type_id);
#endif
