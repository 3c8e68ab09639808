/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counts what counters of the processor call it for. */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>

#include <bpf/bpf_helpers.h>

enum counter { FAULTS, SAMPLES, COUNTERS };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline int count(__u32 counter)
{
	__u64 *number = bpf_map_lookup_elem(&counts, &counter);

	if (number)
		__sync_fetch_and_add(number, 1);
	return 0;
}

SEC("perf_event")
int on_fault(struct bpf_perf_event_data *context)
{
	return count(FAULTS);
}

SEC("perf_event")
int on_sample(struct bpf_perf_event_data *context)
{
	return count(SAMPLES);
}

char _license[] SEC("license") = "GPL";
