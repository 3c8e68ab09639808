/* SPDX-License-Identifier: GPL-2.0 */
/* Keeps the arguments of the first execve(), one after the other. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define ARGUMENTS 6
#define LONGEST 32

struct line {
	unsigned int size;
	char text[256];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, unsigned int);
	__type(value, struct line);
} kept SEC(".maps");

/* What each system call's tracepoint has, on 64-bit kernels. */
struct sys_enter {
	unsigned long common;
	long id;
	unsigned long args[6];
};

SEC("tracepoint/syscalls/sys_enter_execve")
int on_execve(struct sys_enter *ctx)
{
	const char **arguments = (const char **)ctx->args[1];
	unsigned int first = 0, size = 0;
	struct line *line = bpf_map_lookup_elem(&kept, &first);

	if (!line || line->size)
		return 0;
	for (int i = 0; i < ARGUMENTS; i++) {
		const char *text = 0;

		bpf_probe_read_user(&text, sizeof(text), &arguments[i]);
		if (!text || size > sizeof(line->text) - LONGEST)
			break;
		int length = bpf_probe_read_user_str(&line->text[size], LONGEST, text);

		if (length > 0)
			size += length;
	}
	line->size = size;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
