/* SPDX-License-Identifier: Apache-2.0 */
#include "runs.h"

#include "held.h"
#include "text.h"

#include <bpf/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Whether the kernel counts: since 5.1, when it was told to. */
static bool kernel_counts(void)
{
	FILE *setting = fopen("/proc/sys/kernel/bpf_stats_enabled", "re");
	bool counts = setting && fgetc(setting) == '1';

	if (setting)
		fclose(setting);
	return counts;
}

/* Whether a section says so: "lsm.s/bpf". */
static bool may_sleep(const struct bpf_program *program)
{
	const char *section = bpf_program__section_name(program);
	size_t length = strcspn(section, "/");

	return length > 2 && !strncmp(section + length - 2, ".s", 2);
}

/* The same of a program whose section only its own loader knows: by its type, it may.
 */
static bool type_may_sleep(enum bpf_prog_type type)
{
	return type == BPF_PROG_TYPE_TRACING || type == BPF_PROG_TYPE_LSM;
}

/* Null where the kernel does not tell. 5.10 does not count programs that may sleep, and
 * 6.1 does: __bpf_prog_enter_sleepable() of kernel/bpf/trampoline.c. None counts
 * programs in the place of a function, which jumps there. So their 0 says nothing.
 */
static json_t *runs_json(int descriptor, enum bpf_prog_type type, bool sleeps)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(descriptor, &info, &size) ||
	    size < offsetof(struct bpf_prog_info, run_cnt) + sizeof(info.run_cnt))
		return json_null();
	if (!info.run_cnt && (sleeps || type == BPF_PROG_TYPE_EXT))
		return json_null();
	return json_integer((json_int_t)info.run_cnt);
}

static void add_row(json_t *rows, const char *name, json_t *runs)
{
	json_array_append_new(
		rows, json_pack("{s:o, s:o}", "name", string_json(name), "runs", runs));
}

static void add_adopted(json_t *rows, const struct adopted *adopted, bool counts)
{
	for (size_t i = 0; i < adopted->program_count; i++) {
		const struct held_program *program = &adopted->programs[i];
		json_t *runs = counts ? runs_json(program->descriptor, program->type,
						  type_may_sleep(program->type))
				      : json_null();

		add_row(rows, program->name, runs);
	}
}

static void add_own(json_t *rows, const struct bpf_object *bpf, bool counts)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, bpf) {
		int descriptor = bpf_program__fd(program);
		json_t *runs;

		if (descriptor < 0)
			continue;
		runs = counts ? runs_json(descriptor, bpf_program__type(program),
					  may_sleep(program))
			      : json_null();
		add_row(rows, bpf_program__name(program), runs);
	}
}

json_t *runs_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	bool counts = kernel_counts();
	json_t *rows;

	if (!object)
		return NULL;
	rows = json_array();
	if (object->adopted)
		add_adopted(rows, object->adopted, counts);
	else
		add_own(rows, object->bpf, counts);
	return json_pack("{s:o}", "programs", rows);
}
