"""Lines of faults of all kinds, which a pattern is tried against.

Nothing in them happened: files and functions are the kernel's, numbers are made up.
"""

from collections.abc import Iterator
from itertools import cycle

# What a line is about: its file, a function, and the module that both are in.
_PLACES = (
    ("kernel/bpf/core.c", "bpf_prog_free_deferred", ""),
    ("kernel/bpf/verifier.c", "check_map_func_compatibility", ""),
    ("kernel/bpf/hashtab.c", "htab_map_alloc", ""),
    ("kernel/events/core.c", "perf_event_release_kernel", ""),
    ("kernel/trace/ftrace.c", "ftrace_bug", ""),
    ("kernel/trace/trace_kprobe.c", "kprobe_dispatcher", ""),
    ("kernel/sched/core.c", "set_task_cpu", ""),
    ("kernel/sched/fair.c", "unthrottle_cfs_rq", ""),
    ("kernel/rcu/tree.c", "rcu_core", ""),
    ("kernel/workqueue.c", "__queue_work", ""),
    ("kernel/locking/lockdep.c", "check_flags", ""),
    ("kernel/cgroup/cgroup.c", "css_killed_work_fn", ""),
    ("kernel/exit.c", "do_exit", ""),
    ("mm/page_alloc.c", "__alloc_pages", ""),
    ("mm/slub.c", "kfree", ""),
    ("mm/vmalloc.c", "__vunmap", ""),
    ("mm/util.c", "kvmalloc_node", ""),
    ("mm/memcontrol.c", "mem_cgroup_css_offline", ""),
    ("lib/refcount.c", "refcount_warn_saturate", ""),
    ("lib/debugobjects.c", "debug_print_object", ""),
    ("lib/list_debug.c", "__list_del_entry_valid", ""),
    ("lib/iov_iter.c", "iov_iter_revert", ""),
    ("fs/namespace.c", "cleanup_mnt", ""),
    ("fs/dcache.c", "d_walk", ""),
    ("fs/kernfs/dir.c", "kernfs_remove_by_name_ns", ""),
    ("fs/btrfs/inode.c", "btrfs_destroy_inode", "btrfs"),
    ("fs/overlayfs/super.c", "ovl_fill_super", "overlay"),
    ("net/core/dev.c", "dev_watchdog", ""),
    ("net/core/skbuff.c", "skb_release_head_state", ""),
    ("net/core/filter.c", "xdp_do_redirect", ""),
    ("net/ipv4/tcp_input.c", "tcp_fastretrans_alert", ""),
    ("net/ipv6/route.c", "ip6_dst_destroy", ""),
    ("net/netfilter/nf_tables_api.c", "nft_chain_lookup", "nf_tables"),
    ("net/sched/sch_generic.c", "qdisc_reset", "sch_fq"),
    ("net/xdp/xsk.c", "xsk_release", ""),
    ("drivers/net/veth.c", "veth_xdp_rcv", "veth"),
    ("drivers/net/virtio_net.c", "virtnet_poll", "virtio_net"),
    ("drivers/pci/probe.c", "pci_scan_slot", ""),
    ("drivers/base/core.c", "device_release", ""),
    ("drivers/gpu/drm/drm_atomic.c", "drm_atomic_commit", "drm"),
    ("block/blk-mq.c", "blk_mq_run_hw_queue", ""),
    ("block/genhd.c", "del_gendisk", ""),
    ("security/apparmor/label.c", "aa_label_kref", ""),
    ("security/selinux/avc.c", "avc_has_perm", ""),
    ("crypto/algapi.c", "crypto_unregister_alg", ""),
    ("crypto/af_alg.c", "af_alg_release", "af_alg"),
    ("io_uring/io_uring.c", "io_ring_exit_work", ""),
    ("io_uring/rw.c", "io_complete_rw", ""),
    ("arch/x86/kernel/fpu/core.c", "fpu__copy", ""),
    ("arch/x86/mm/tlb.c", "switch_mm_irqs_off", ""),
    ("arch/arm64/kernel/ptrace.c", "sve_set_common", ""),
    ("arch/arm64/mm/context.c", "check_and_switch_context", ""),
    ("virt/kvm/kvm_main.c", "kvm_put_kvm", "kvm"),
    ("sound/core/pcm_lib.c", "snd_pcm_update_hw_ptr0", "snd_pcm"),
)
_TASKS = ("sh", "swapper/0", "kworker/1:2", "ip", "bpftool", "my tool", "ksoftirqd/3")
_PIDS = (0, 1, 7, 42, 345, 1234, 98765)
_LINES = (9, 87, 321, 640, 4567, 12045)
_PROCESSORS = (0, 1, 2, 3, 11)
_ACCESSES = (
    "slab-use-after-free",
    "use-after-free",
    "slab-out-of-bounds",
    "stack-out-of-bounds",
    "global-out-of-bounds",
    "vmalloc-out-of-bounds",
    "null-ptr-deref",
    "double-free",
    "wild-memory-access",
)
_UNDEFINED = (
    "array-index-out-of-bounds",
    "shift-out-of-bounds",
    "division-overflow",
    "misaligned-access",
)
_CACHES = ("kmalloc-64", "kmalloc-cg-1k", "dentry", "skbuff_head_cache", "bio-120")
_SLABS = (
    "Right Redzone overwritten",
    "Poison overwritten",
    "Object already free",
    "Freepointer corrupt",
    "Objects remaining on __kmem_cache_shutdown()",
)

# Lines that say no more than what kind of fault it is, or who was at work then.
_KINDS = (
    ("WARNING: possible circular locking dependency detected",),
    ("WARNING: possible recursive locking detected",),
    ("WARNING: possible irq lock inversion dependency detected",),
    ("WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",),
    ("WARNING: inconsistent lock state",),
    ("WARNING: suspicious RCU usage",),
    ("WARNING: bad unlock balance detected!",),
    ("WARNING: held lock freed!",),
    ("[ BUG: Invalid wait context ]",),
    ("INFO: trying to register non-static key.",),
    tuple(f"BUG: scheduling while atomic: {it}/12/0x00000002" for it in _TASKS),
    tuple(f"BUG: spinlock bad magic on CPU#1, {it}/77" for it in _TASKS),
    tuple(f"BUG: Bad page state in process {it}  pfn:12345" for it in _TASKS),
    ("BUG: Bad rss-counter state mm:00000000 type:MM_ANONPAGES val:2",),
    ("BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 43s!",),
    tuple(
        f"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [{it}:7]" for it in _TASKS
    ),
    tuple(f"INFO: task {it}:56 blocked for more than 120 seconds." for it in _TASKS),
    ("rcu: INFO: rcu_preempt self-detected stall on CPU",),
    tuple(
        f"unregister_netdevice: waiting for {it} to become free. Usage count = 2"
        for it in ("lo", "eth0", "veth1")
    ),
    ("verifier bug: REG INVARIANTS VIOLATION (true_reg1): range bounds violation",),
    ("leaked reference.",),
    ("CFI failure at f+0x1/0x2 (no target information)",),
)
# What kernels also print, when all is well.
_HARMLESS = (
    ("random: crng init done",),
    ("clocksource: Switched to clocksource tsc",),
)


def _of_places() -> Iterator[tuple[str, ...]]:
    """Yield the lines of faults at each place."""
    # Each number comes with many places, and each place with some.
    pid, line, cpu = cycle(_PIDS), cycle(_LINES), cycle(_PROCESSORS)
    task, access, undefined = cycle(_TASKS), cycle(_ACCESSES), cycle(_UNDEFINED)
    for file, function, module in _PLACES:
        where = f"{function}+0x1a/0x2b" + (f" [{module}]" if module else "")
        yield (
            *(
                f"WARNING: CPU: {next(cpu)} PID: {next(pid)} at {file}:{next(line)} "
                f"{where}"
                for _ in range(3)
            ),
            *(
                f"WARNING: {file}:{next(line)} at {where}, CPU#{next(cpu)}: "
                f"{next(task)}/{next(pid)}"
                for _ in range(2)
            ),
            *(f"BUG: KASAN: {next(access)} in {where}" for _ in range(2)),
            f"BUG: KFENCE: use-after-free read in {where}",
            f"BUG: KMSAN: uninit-value in {where}",
            f"BUG: KCSAN: data-race in {function} / {function}",
            f"UBSAN: {next(undefined)} in {file}:{next(line)}:{next(cpu)}",
            "BUG: sleeping function called from invalid context at "
            f"{file}:{next(line)}",
        )


def _of_caches() -> Iterator[tuple[str, ...]]:
    for cache in _CACHES:
        yield (
            *(f"BUG {cache} (Not tainted): {it}" for it in _SLABS),
            f"BUG {cache} (Tainted: G    B   W         ): {_SLABS[0]}",
            f"Slab corruption (Not tainted): {cache} start=ffff888003c1a2b0, len=64",
        )


# Faults that have nothing to do with each other, each with lines that may tell it. Who
# means one of them means none of the others.
UNRELATED_FAULTS = (*_of_places(), *_of_caches(), *_KINDS)
UNRELATED = (*UNRELATED_FAULTS, *_HARMLESS)
