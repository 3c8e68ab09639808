/* SPDX-License-Identifier: Apache-2.0 */
/* A loader that falls back without a word: from a ring buffer to a perf buffer, and
 * from fentry to kprobe.multi to a kprobe.
 *
 *   fallback BYTES FUNCTION    BYTES of the ring buffer, FUNCTION for fentry
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROBED "vfs_read"

/* A program that returns 0. */
static int load(const char *name, enum bpf_prog_type type, enum bpf_attach_type attach,
		int function)
{
	static const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach,
		    .attach_btf_id = function > 0 ? function : 0);

	return bpf_prog_load(type, name, "GPL", code, 2, &options);
}

static int attach_fentry(const char *function)
{
	int id = libbpf_find_vmlinux_btf_id(function, BPF_TRACE_FENTRY);
	int program = load("on_fentry", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, id);

	return program < 0 ? program : bpf_raw_tracepoint_open(NULL, program);
}

static int attach_multi(int program)
{
	const char *functions[] = {PROBED};
	LIBBPF_OPTS(bpf_link_create_opts, options, .kprobe_multi.cnt = 1,
		    .kprobe_multi.syms = functions);

	return bpf_link_create(program, 0, BPF_TRACE_KPROBE_MULTI, &options);
}

static int attach_kprobe(int program)
{
	struct perf_event_attr event = {.size = sizeof(event),
					.config1 = (uintptr_t)PROBED};
	FILE *type = fopen("/sys/bus/event_source/devices/kprobe/type", "r");
	int descriptor;

	if (!type || fscanf(type, "%u", &event.type) != 1)
		return -1;
	fclose(type);
	descriptor = (int)syscall(SYS_perf_event_open, &event, -1, 0, -1, 0);
	return descriptor < 0 ? -1 : ioctl(descriptor, PERF_EVENT_IOC_SET_BPF, program);
}

int main(int argc, char **argv)
{
	unsigned int bytes = argc > 1 ? (unsigned int)atoi(argv[1]) : 4096;
	const char *function = argc > 2 ? argv[2] : PROBED;
	int map, program;

	libbpf_set_print(NULL);
	map = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "events", 0, 0, bytes, NULL);
	if (map < 0)
		map = bpf_map_create(BPF_MAP_TYPE_PERF_EVENT_ARRAY, "events", 4, 4, 1,
				     NULL);
	if (map < 0)
		return 1;
	if (attach_fentry(function) < 0) {
		program = load("on_kprobe", BPF_PROG_TYPE_KPROBE,
			       BPF_TRACE_KPROBE_MULTI, 0);
		if (program < 0)
			return 1;
		if (attach_multi(program) < 0 && attach_kprobe(program) < 0)
			return 1;
	}
	puts("attached");
	return 0;
}
