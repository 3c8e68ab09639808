"""Texts of small programs, in the style of those that people write."""

HEAD = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
"""

# Counts in an array of one entry.
COUNTER = """\
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} count SEC(".maps");
SEC("SECTION")
int hit(void *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&count, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
	return 0;
}
"""

# A row for each process that opens a file.
BY_PID = """\
struct opened { char comm[16]; __u32 uid; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct opened);
} by_pid SEC(".maps"), started SEC(".maps");
SEC("tracepoint/syscalls/sys_enter_openat")
int on_open(void *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct opened opened = {};

	opened.uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(opened.comm, sizeof(opened.comm));
	bpf_map_update_elem(&by_pid, &pid, &opened, BPF_ANY);
	bpf_map_update_elem(&started, &pid, &opened, BPF_ANY);
	bpf_map_delete_elem(&started, &pid);
	return 0;
}
"""

# An event for each program that starts.
EVENTS = """\
struct event { __u32 pid; __u32 uid; char comm[16]; };
const struct event *unused __attribute__((unused));
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");
SEC("tp/sched/sched_process_exec")
int on_exec(void *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}
"""

# The same, and nothing says what an event is.
NAMELESS_EVENTS = EVENTS.replace(
    "const struct event *unused __attribute__((unused));\n", ""
)

PACKETS = """\
SEC("xdp")
int pass(struct xdp_md *ctx) { return XDP_PASS; }
SEC("socket")
int keep(struct __sk_buff *skb) { return skb->len; }
"""
