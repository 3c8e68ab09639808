// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include "engine.h"

#include <stdlib.h>
#include <string.h>

/* Which libbpf never writes, and how much of it stands behind a structure. */
#define CANARY 0xa5
#define SLACK 512

/* Of paths: a local one, a candidate's and the target's. */
#define PATHS 3

/* Members of types that a probe relocates, by the order in which they are added. */
#define ACCESS "0:1:1:3"
#define LOCAL_BYTES (4 + 1 + 3)
#define TARGET_BYTES (12 + 3 * 2)

struct subject {
	struct btf *local, *target;
	/* Of the local struct, of the anonymous one in it and of an element. */
	__u32 local_root, local_inner, local_element;
	/* Of the target's: the first one lacks the member. */
	__u32 without, with, target_element;
};

/* struct probe { int pad; struct { char first; signed char values[5]; }; }; */
static void make_local(struct subject *s)
{
	__u32 number, values;

	s->local = btf__new_empty();
	number = btf__add_int(s->local, "int", 4, BTF_INT_SIGNED);
	s->local_element = btf__add_int(s->local, "signed char", 1, BTF_INT_SIGNED);
	values = btf__add_array(s->local, number, s->local_element, 5);
	s->local_inner = btf__add_struct(s->local, NULL, 8);
	btf__add_field(s->local, "first", s->local_element, 0, 0);
	btf__add_field(s->local, "values", values, 8, 0);
	s->local_root = btf__add_struct(s->local, "probe", 12);
	btf__add_field(s->local, "pad", number, 0, 0);
	btf__add_field(s->local, NULL, s->local_inner, 32, 0);
}

/* struct probe { int pad; };
 * struct probe___other { int pad[3]; short values[5]; };
 */
static void make_target(struct subject *s)
{
	__u32 number, pad, values;

	s->target = btf__new_empty();
	btf__add_int(s->target, "unused", 8, 0);
	btf__add_int(s->target, "unused too", 8, 0);
	number = btf__add_int(s->target, "int", 4, BTF_INT_SIGNED);
	s->without = btf__add_struct(s->target, "probe", 4);
	btf__add_field(s->target, "pad", number, 0, 0);
	pad = btf__add_array(s->target, number, number, 3);
	s->target_element = btf__add_int(s->target, "short", 2, BTF_INT_SIGNED);
	values = btf__add_array(s->target, number, s->target_element, 5);
	s->with = btf__add_struct(s->target, "probe___other", 24);
	btf__add_field(s->target, "pad", pad, 0, 0);
	btf__add_field(s->target, "values", values, 96, 0);
}

static bool is_untouched(const unsigned char *bytes)
{
	for (size_t i = 0; i < SLACK; i++)
		if (bytes[i] != CANARY)
			return false;
	return true;
}

static struct bpf_core_relo relocation(const struct subject *s,
				       enum bpf_core_relo_kind kind)
{
	return (struct bpf_core_relo){
		.type_id = s->local_root,
		.access_str_off = btf__add_str(s->local, ACCESS),
		.kind = kind,
	};
}

static bool candidates_fit(const struct subject *s, struct candidates *found)
{
	struct candidate self = {.btf = s->local, .id = s->local_root};

	if (bpf_core_add_cands(&self, strlen("probe"), s->target, "vmlinux", 1, found))
		return false;
	return found->len == 2 && found->items[0].btf == s->target &&
	       found->items[0].id == s->without && found->items[1].btf == s->target &&
	       found->items[1].id == s->with;
}

static bool step_is(const struct step *step, __u32 type, __u32 index, const char *name)
{
	if (step->type_id != type || step->index != index || !step->name != !name)
		return false;
	return !name || !strcmp(step->name, name);
}

static bool raw_is(const struct path *path, int a, int b, int c, int d)
{
	return path->raw[0] == a && path->raw[1] == b && path->raw[2] == c &&
	       path->raw[3] == d;
}

static bool path_fits(const struct subject *s)
{
	const struct bpf_core_relo record = relocation(s, BPF_CORE_FIELD_EXISTS);
	struct {
		struct path path;
		unsigned char behind[SLACK];
	} room;
	const struct path *path = &room.path;

	memset(&room, CANARY, sizeof(room));
	if (bpf_core_parse_spec("", s->local, &record, &room.path))
		return false;
	return path->btf == s->local && path->root_type_id == s->local_root &&
	       path->kind == BPF_CORE_FIELD_EXISTS && path->len == 3 &&
	       path->raw_len == 4 && path->bit_offset == 8 * LOCAL_BYTES &&
	       step_is(&path->steps[0], s->local_root, 0, NULL) &&
	       step_is(&path->steps[1], s->local_inner, 1, "values") &&
	       step_is(&path->steps[2], s->local_element, 3, NULL) &&
	       /* It clears the whole structure first. */
	       step_is(&path->steps[PATH_MAX_LEN - 1], 0, 0, NULL) &&
	       raw_is(path, 0, 1, 1, 3) && !path->raw[PATH_MAX_LEN - 1] &&
	       is_untouched(room.behind);
}

/* What libbpf makes of a relocation: the outcome, and where the paths are. */
struct result {
	struct outcome outcome;
	unsigned char behind_outcome[SLACK];
	struct path paths[PATHS];
	unsigned char behind_paths[SLACK];
};

static bool calculate(const struct subject *s, struct candidates *found,
		      struct result *result)
{
	const struct bpf_core_relo record = relocation(s, BPF_CORE_FIELD_BYTE_OFFSET);

	memset(result, CANARY, sizeof(*result));
	return !bpf_core_calc_relo_insn("", &record, 0, s->local, found, result->paths,
					&result->outcome) &&
	       is_untouched(result->behind_outcome) &&
	       is_untouched(result->behind_paths);
}

/* A flag, of which only the lowest byte may be looked at as long as it is in doubt. */
static bool flag_is(const bool *flag, bool value)
{
	return *(const unsigned char *)flag == value;
}

static bool outcome_fits(const struct subject *s, struct candidates *found,
			 struct result *result)
{
	const struct outcome *outcome = &result->outcome;
	const struct path *there = &result->paths[2];

	if (!calculate(s, found, result))
		return false;
	return outcome->old_value == LOCAL_BYTES &&
	       outcome->new_value == TARGET_BYTES && flag_is(&outcome->poison, false) &&
	       flag_is(&outcome->validate, true) &&
	       flag_is(&outcome->wrong_access_size, true) && outcome->old_size == 1 &&
	       outcome->old_type_id == s->local_element && outcome->new_size == 2 &&
	       outcome->new_type_id == s->target_element && there->btf == s->target &&
	       there->root_type_id == s->with &&
	       /* Of the candidates that which fits is left. */
	       found->len == 1 && found->items[0].id == s->with;
}

/* Without candidates there is nothing to read. */
static bool poison_fits(const struct subject *s, struct result *result)
{
	struct candidates none = {};

	return calculate(s, &none, result) && flag_is(&result->outcome.poison, true) &&
	       flag_is(&result->outcome.wrong_access_size, false);
}

static const char *problem_of(const struct subject *s, struct result *result)
{
	struct candidates found = {};
	const char *problem = NULL;

	if (!candidates_fit(s, &found))
		problem = "bpf_core_cand or bpf_core_cand_list";
	else if (!path_fits(s))
		problem = "bpf_core_spec or bpf_core_accessor";
	else if (!outcome_fits(s, &found, result) || !poison_fits(s, result))
		problem = "bpf_core_relo_res";
	free(found.items);
	return problem;
}

const char *probe_layout(void)
{
	struct result *result = malloc(sizeof(*result));
	struct subject subject;
	const char *problem;

	make_local(&subject);
	make_target(&subject);
	problem = result ? problem_of(&subject, result) : "out of memory";
	btf__free(subject.local);
	btf__free(subject.target);
	free(result);
	return problem;
}
