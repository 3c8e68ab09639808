"""What the checks of a kernel print is found: by the texts of Linux 6.1's sources."""

import pytest

from runner.failures import splats

_LOCKDEP = "kernel/locking/lockdep.c"
_STALL = "kernel/rcu/tree_stall.h"
_SLUB = "mm/slub.c"
_KFENCE = "mm/kfence/report.c"

# Where a line is printed, and the line; what printk fills in is made up.
LINES = (
    ("kernel/panic.c", "WARNING: CPU: 2 PID: 345 at net/core/dev.c:77 f+0x1/0x2"),
    ("kernel/panic.c", "WARNING: CPU: 2 PID: 345 at do_mine+0x1/0x2 [mine]"),
    (_LOCKDEP, "WARNING: possible circular locking dependency detected"),
    (_LOCKDEP, "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected"),
    (_LOCKDEP, "WARNING: possible recursive locking detected"),
    (_LOCKDEP, "WARNING: chain_key collision"),
    (_LOCKDEP, "WARNING: inconsistent lock state"),
    (_LOCKDEP, "WARNING: possible irq lock inversion dependency detected"),
    (_LOCKDEP, "WARNING: Nested lock was not taken"),
    (_LOCKDEP, "WARNING: bad unlock balance detected!"),
    (_LOCKDEP, "WARNING: bad contention detected!"),
    (_LOCKDEP, "WARNING: held lock freed!"),
    (_LOCKDEP, "WARNING: my tool/77 still has locks held!"),
    (_LOCKDEP, "WARNING: lock held when returning to user space!"),
    (_LOCKDEP, "WARNING: suspicious RCU usage"),
    (_LOCKDEP, "[ BUG: Invalid wait context ]"),
    (_LOCKDEP, "INFO: trying to register non-static key."),
    (_LOCKDEP, "BUG: looking up invalid subclass: 9"),
    (_LOCKDEP, "BUG: key ffff888003c1a2b0 has not been registered!"),
    # The same up to 4.10.
    (_LOCKDEP, "[ BUG: bad unlock balance detected! ]"),
    (_LOCKDEP, "[ BUG: bad contention detected! ]"),
    (_LOCKDEP, "[ BUG: held lock freed! ]"),
    (_LOCKDEP, "[ BUG: sh/77 still has locks held! ]"),
    (_LOCKDEP, "[ BUG: lock held when returning to user space! ]"),
    (_LOCKDEP, "[ INFO: possible recursive locking detected ]"),
    (_LOCKDEP, "[ INFO: suspicious RCU usage. ]"),
    (_LOCKDEP, "[ INFO: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected ]"),
    ("kernel/locking/spinlock_debug.c", "BUG: spinlock bad magic on CPU#1, sh/77"),
    ("kernel/locking/spinlock_debug.c", "BUG: rwlock bad magic on CPU#1, sh/77, 00"),
    ("mm/kasan/report.c", "BUG: KASAN: slab-out-of-bounds in f+0x1/0x2"),
    ("mm/kasan/report.c", "BUG: KASAN: invalid-access"),
    ("mm/kasan/report.c", "KASAN: null-ptr-deref in range [0x0000-0x0007]"),
    (_KFENCE, "BUG: KFENCE: out-of-bounds read in f+0x1/0x2"),
    (_KFENCE, "BUG: KFENCE: use-after-free write in f+0x1/0x2"),
    (_KFENCE, "BUG: KFENCE: memory corruption in f+0x1/0x2"),
    (_KFENCE, "BUG: KFENCE: invalid free in f+0x1/0x2"),
    ("mm/kmsan/report.c", "BUG: KMSAN: uninit-value in f+0x1/0x2"),
    ("kernel/kcsan/report.c", "BUG: KCSAN: data-race in f / g"),
    ("kernel/kcsan/report.c", "BUG: KCSAN: assert: race in f+0x1/0x2"),
    ("lib/ubsan.c", "UBSAN: shift-out-of-bounds in net/core/filter.c:12:3"),
    ("lib/ubsan.c", "UBSAN: division-overflow in kernel/bpf/core.c:12:3"),
    ("kernel/hung_task.c", "INFO: task my tool:77 blocked for more than 120 seconds."),
    ("kernel/watchdog.c", "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [my a:7]"),
    ("kernel/watchdog_hld.c", "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1"),
    ("kernel/smp.c", "smp: csd: Detected non-responsive CSD lock (#1) on CPU#0, w"),
    ("mm/oom_kill.c", "Out of memory: Killed process 101 (my sh) total-vm:1kB, anon-"),
    ("mm/oom_kill.c", "Out of memory: Kill process 101 (sh) score 9 or sacrifice chil"),
    (_STALL, "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"),
    (_STALL, "rcu: INFO: rcu_sched self-detected stall on CPU"),
    ("kernel/rcu/tree_exp.h", "rcu: INFO: rcu_preempt detected expedited stalls on C"),
    ("kernel/rcu/tasks.h", "rcu: INFO: rcu_tasks detected stalls on tasks:"),
    ("kernel/rcu/tasks.h", "rcu: INFO: rcu_tasks_trace detected stalls on tasks:"),
    (_SLUB, "BUG kmalloc-64 (Not tainted): Right Redzone overwritten"),
    (_SLUB, "BUG my cache (Tainted: G        W         ): Object already free"),
    (_SLUB, "BUG mine (Tainted: G    B): Objects remaining in mine on __kmem_c"),
    (_SLUB, "SLUB <none>: no slab for object 0x0000000012345678."),
    ("mm/slab.c", "Slab corruption (Not tainted): kmalloc-64 start=ffff8880, len=64"),
    ("mm/slab.c", "slab error in cache_free(): cache `mine': double free"),
    ("mm/slab.c", "slab: double free detected in cache 'mine', objp ffff888003c1"),
    ("mm/page_alloc.c", "BUG: Bad page state in process my tool  pfn:12345"),
    ("mm/memory.c", "BUG: Bad page map in process sh  pte:00000080 pmd:00000080"),
    ("mm/filemap.c", "BUG: Bad page cache in process sh  pfn:12345"),
    ("mm/mempool.c", "BUG: mempool element poison mismatch"),
    ("mm/page_poison.c", "pagealloc: single bit error"),
    ("mm/page_poison.c", "pagealloc: memory corruption"),
    ("kernel/fork.c", "BUG: Bad rss-counter state mm:00000000 type:MM_ANON val:2"),
    ("kernel/fork.c", "BUG: non-zero pgtables_bytes on freeing mm: 4096"),
    ("kernel/sched/core.c", "BUG: scheduling while atomic: my tool/77/0x00000002"),
    ("kernel/sched/core.c", "BUG: scheduling in a non-blocking section: sh/77/1"),
    ("kernel/sched/core.c", "BUG: sleeping function called from invalid context at a"),
    ("kernel/sched/core.c", "BUG: assuming atomic context at mm/a.c:12"),
    ("lib/smp_processor_id.c", "BUG: using smp_processor_id() in preemptible [0000]"),
    (
        "kernel/workqueue.c",
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0",
    ),
    ("kernel/workqueue.c", "BUG: workqueue leaked lock or atomic: kworker/0:1/0x01/7"),
    ("kernel/softirq.c", "softirq: huh, entered softirq 3 NET_RX 0000000012 with pre"),
    ("kernel/time/timer.c", "schedule_timeout: wrong timeout value ffffffffffffffff"),
    ("kernel/irq/spurious.c", 'irq 11: nobody cared (try booting with the "irqpoll")'),
    ("kernel/irq/spurious.c", "irq event 11: bogus return value 7"),
    ("kernel/cfi.c", "CFI failure at f+0x1/0x2 (target: g+0x0/0x2; expected type: 0x1"),
    (
        "lib/kobject.c",
        "kobject (0012): tried to init an initialized object, something i"
        "s seriously wrong.",
    ),
    (
        "lib/kobject.c",
        "kobject 'my one' (0012): tried to add an uninitialized object, "
        "something is seriously wrong.",
    ),
    ("lib/ref_tracker.c", "leaked reference."),
    ("lib/ref_tracker.c", "reference already released."),
    (
        "net/core/dev.c",
        "unregister_netdevice: waiting for lo to become free. Usage = 2",
    ),
)
# What these files print besides, and no fault of the kernel is.
OTHERS = (
    ("kernel/locking/lockdep.c", "INFO: lockdep is turned off."),
    ("kernel/workqueue.c", "workqueue: round-robin CPU selection forced, expect perf"),
    ("mm/page_alloc.c", "sh: page allocation failure: order:5, mode:0xcc0(GFP_KERNEL)"),
    ("mm/slub.c", "SLUB: Unable to allocate memory on node -1, gfp=0xcc0(GFP_KERNEL)"),
    (
        "kernel/time/clocksource.c",
        "clocksource: timekeeping watchdog on CPU0: tsc retr",
    ),
    ("kernel/sched/rt.c", "sched: RT throttling activated"),
    (
        "kernel/resource.c",
        "resource sanity check: requesting [mem 0x1-0x2], which spans",
    ),
    ("lib/debugobjects.c", "ODEBUG: Out of memory. ODEBUG disabled"),
)


@pytest.mark.parametrize(("file", "line"), LINES)
@pytest.mark.parametrize("stamp", ["", "[   12.345678] ", "[   12.345678][  T77] "])
def test_what_a_kernel_reports_is_found(file: str, line: str, stamp: str) -> None:
    found = splats.reported(f"{stamp}{line}\n")

    assert found is not None, file
    assert found.line == line


@pytest.mark.parametrize(("file", "line"), OTHERS)
def test_what_is_no_fault_is_not(file: str, line: str) -> None:
    assert splats.reported(f"[    1.0] {line}\n") is None, file


def test_what_a_busy_host_explains_is_known() -> None:
    again = {
        line for _, line in LINES if getattr(splats.reported(line), "again", False)
    }

    words = ("lockup", "LOCKUP", "stall", "blocked for more than", "CSD lock")
    assert again == {line for _, line in LINES if any(it in line for it in words)}
