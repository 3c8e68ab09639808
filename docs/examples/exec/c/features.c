/* SPDX-License-Identifier: Apache-2.0 */
/* Asks libbpf which types of programs this kernel has. */
#include <bpf/libbpf.h>
#include <stdio.h>

static const struct {
	const char *name;
	enum bpf_prog_type type;
} wanted[] = {
	{"kprobe", BPF_PROG_TYPE_KPROBE},
	{"tracepoint", BPF_PROG_TYPE_TRACEPOINT},
	{"raw_tracepoint", BPF_PROG_TYPE_RAW_TRACEPOINT},
};

int main(void)
{
	int missing = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		int found = libbpf_probe_bpf_prog_type(wanted[i].type, NULL);

		printf("%s: %s\n", wanted[i].name, found == 1 ? "yes" : "no");
		missing += found != 1;
	}
	return missing ? 1 : 0;
}
