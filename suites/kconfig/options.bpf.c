// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Every kind of extern that libbpf fills from the kernel's configuration, as it is when
 * a task is made.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

#define NS_PER_SECOND 1000000000ULL
#define HOSTNAME_LENGTH 16

/* Not of the configuration: what uname(2) says. */
extern __u32 LINUX_KERNEL_VERSION __kconfig;
extern __u32 CONFIG_HZ __kconfig;
extern __u64 CONFIG_NR_CPUS __kconfig;
extern const char CONFIG_DEFAULT_HOSTNAME[HOSTNAME_LENGTH] __kconfig;
/* Weak ones are 0, or n, where the configuration says nothing of them. */
extern enum libbpf_tristate CONFIG_VIRTIO_NET __kconfig __weak;
extern _Bool CONFIG_SMP __kconfig __weak;
extern __u32 CONFIG_NO_SUCH_OPTION __kconfig __weak;
extern enum libbpf_tristate CONFIG_NO_SUCH_DRIVER __kconfig __weak;

struct options {
	__u64 tick_ns;
	__u64 most_cpu;
	__u32 version;
	__u32 patch_level;
	__u32 virtio_net;
	__u32 smp;
	__u32 no_such_option;
	__u32 no_such_driver;
	char hostname[HOSTNAME_LENGTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct options);
} options SEC(".maps");

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct options seen = {};
	__u32 key = 0;

	seen.tick_ns = NS_PER_SECOND / CONFIG_HZ;
	seen.most_cpu = CONFIG_NR_CPUS - 1;
	seen.version = LINUX_KERNEL_VERSION >> 16;
	seen.patch_level = LINUX_KERNEL_VERSION >> 8 & 0xff;
	seen.virtio_net = CONFIG_VIRTIO_NET;
	seen.smp = CONFIG_SMP;
	seen.no_such_option = CONFIG_NO_SUCH_OPTION;
	seen.no_such_driver = CONFIG_NO_SUCH_DRIVER;
	/* Byte by byte: there are no loops before 5.3. */
#pragma unroll
	for (int i = 0; i < HOSTNAME_LENGTH; i++)
		seen.hostname[i] = CONFIG_DEFAULT_HOSTNAME[i];
	bpf_map_update_elem(&options, &key, &seen, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
