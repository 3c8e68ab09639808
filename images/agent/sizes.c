/* SPDX-License-Identifier: Apache-2.0 */
#include "sizes.h"

#include <bpf/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* No kernel has a program that takes nothing, so 0 is what it does not tell. */
static json_t *known_json(uint64_t number)
{
	return number ? json_integer((json_int_t)number) : json_null();
}

/* The memory that the kernel keeps for a program, with its own structures: the line
 * "memlock:" of fdinfo, from 4.10 on (bpf_prog_show_fdinfo()).
 */
static uint64_t memlock(int descriptor)
{
	unsigned long long found = 0;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", descriptor);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (!found && fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %llu", &found) != 1)
			found = 0;
	fclose(file);
	return found;
}

void add_sizes(json_t *row, int descriptor)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(descriptor, &info, &size))
		info = (struct bpf_prog_info){0};
	json_object_set_new(row, "bytes_xlated", known_json(info.xlated_prog_len));
	json_object_set_new(row, "bytes_jited", known_json(info.jited_prog_len));
	json_object_set_new(row, "bytes_memlock", known_json(memlock(descriptor)));
	/* From 5.16 on; older kernels leave the 0. */
	json_object_set_new(row, "verified_insns", known_json(info.verified_insns));
}
