// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Fields that are hard to get at: elements of arrays, members of nameless structs and
 * unions, bits, what is at the end of a chain of pointers, and what is as large as the
 * running kernel says.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define READ(into, field) bpf_core_read(&(into), sizeof(into), &(field))

struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct mnt_namespace {
	struct ns_common ns;
} __attribute__((preserve_access_index));

struct nsproxy {
	struct mnt_namespace *mnt_ns;
} __attribute__((preserve_access_index));

/* In a struct without a name since 4.20. */
struct mm_struct {
	unsigned long start_code;
	unsigned long start_stack;
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
	int tgid;
	char comm[16];
	/* Not real_parent, which is the same and stands before it: that would hide an
	 * offset that is wrong.
	 */
	struct task_struct *parent;
	struct nsproxy *nsproxy;
	struct mm_struct *mm;
} __attribute__((preserve_access_index));

struct sock_common {
	/* Two structs and two unions without names deep. */
	union {
		struct {
			__be16 skc_dport;
			__u16 skc_num;
		};
	};
	unsigned short skc_family;
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	/* Resized and moved: 8 bits of an int up to 5.5. */
	__u16 sk_protocol;
	unsigned int sk_no_check_tx : 1;
} __attribute__((preserve_access_index));

struct child {
	__u32 pid;
	__u32 parent_tgid;
	__u32 grandparent_tgid;
	__u32 mount_namespace;
	__u64 start_code;
	__u64 start_stack;
	/* The third and the fifth of the parent's comm. */
	char letters[4];
	/* Read at an offset that is a number in the program. */
	__u32 pid_by_offset;
};

struct socket {
	__u32 port;
	__u32 family;
	__u32 reuseport;
	__u32 no_check;
	/* What a reader of bits is made of: shifts of 64 bits and a size. */
	__u32 reuseport_by_shifts;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct child);
} children SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct socket);
} sockets SEC(".maps");

/* What tasks have for a memory when they are about to end. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} memories SEC(".maps");

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	struct task_struct *parent = 0, *grandparent = 0;
	struct mnt_namespace *mount_namespace = 0;
	struct nsproxy *namespaces = 0;
	struct mm_struct *mm = 0;
	struct child child = {};

	READ(child.pid, task->pid);
	bpf_probe_read_kernel(&child.pid_by_offset, sizeof(child.pid_by_offset),
			      (void *)task +
				      bpf_core_field_offset(struct task_struct, pid));
	READ(parent, task->parent);
	READ(child.parent_tgid, parent->tgid);
	READ(grandparent, parent->parent);
	READ(child.grandparent_tgid, grandparent->tgid);
	READ(namespaces, task->nsproxy);
	READ(mount_namespace, namespaces->mnt_ns);
	READ(child.mount_namespace, mount_namespace->ns.inum);
	READ(mm, task->mm);
	READ(child.start_code, mm->start_code);
	READ(child.start_stack, mm->start_stack);
	READ(child.letters[0], parent->comm[2]);
	READ(child.letters[1], parent->comm[4]);
	bpf_map_update_elem(&children, &child.pid, &child, BPF_ANY);
	return 0;
}

/* It has given its memory back by then: mm is 0, as it is not in active_mm beside it.
 */
SEC("kprobe/exit_files")
int on_exit(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	__u32 pid = 0;
	__u64 mm = 0;

	READ(pid, task->pid);
	READ(mm, task->mm);
	bpf_map_update_elem(&memories, &pid, &mm, BPF_ANY);
	return 0;
}

/* BPF_CORE_READ_BITFIELD_PROBED() by hand, with each of the relocations it needs. */
static __always_inline __u32 reuseport_of(struct sock_common *common)
{
	__u32 size = __CORE_RELO(common, skc_reuseport, BYTE_SIZE);
	__u32 above = 0;
	__u64 bits = 0;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	/* 32 bits, else the compiler takes the size from the pointer. */
	above = (__u32)sizeof(bits) - size;
#endif
	bpf_probe_read_kernel((void *)&bits + above, size,
			      (void *)common +
				      __CORE_RELO(common, skc_reuseport, BYTE_OFFSET));
	bits <<= __CORE_RELO(common, skc_reuseport, LSHIFT_U64);
	if (__CORE_RELO(common, skc_reuseport, SIGNED))
		return (__s64)bits >> __CORE_RELO(common, skc_reuseport, RSHIFT_U64);
	return bits >> __CORE_RELO(common, skc_reuseport, RSHIFT_U64);
}

SEC("kprobe/udp_sendmsg")
int on_send(struct pt_regs *ctx)
{
	struct sock *sock = (void *)PT_REGS_PARM1(ctx);
	struct sock_common *common = (void *)sock;
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct socket seen = {};
	__u16 port = 0, family = 0;

	READ(port, sock->__sk_common.skc_num);
	READ(family, sock->__sk_common.skc_family);
	seen.port = port;
	seen.family = family;
	seen.reuseport = BPF_CORE_READ_BITFIELD_PROBED(common, skc_reuseport);
	seen.reuseport_by_shifts = reuseport_of(common);
	seen.no_check = BPF_CORE_READ_BITFIELD_PROBED(sock, sk_no_check_tx);
	bpf_map_update_elem(&sockets, &tgid, &seen, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
