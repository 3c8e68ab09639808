/* SPDX-License-Identifier: Apache-2.0 */
#include "runs.h"

#include "object.h"
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

/* Null where the kernel does not tell. 5.10 does not count programs that may sleep, and
 * 6.1 does: __bpf_prog_enter_sleepable() of kernel/bpf/trampoline.c. So their 0 says
 * nothing.
 */
static json_t *runs_json(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) ||
	    size < offsetof(struct bpf_prog_info, run_cnt) + sizeof(info.run_cnt))
		return json_null();
	if (!info.run_cnt && may_sleep(program))
		return json_null();
	return json_integer((json_int_t)info.run_cnt);
}

json_t *runs_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_program *program;
	bool counts = kernel_counts();
	json_t *rows;

	if (!object)
		return NULL;
	rows = json_array();
	bpf_object__for_each_program (program, object->bpf) {
		if (bpf_program__fd(program) < 0)
			continue;
		json_array_append_new(
			rows, json_pack("{s:o, s:o}", "name",
					string_json(bpf_program__name(program)), "runs",
					counts ? runs_json(program) : json_null()));
	}
	return json_pack("{s:o}", "programs", rows);
}
