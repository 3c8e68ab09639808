#!/usr/bin/python3
"""Counts the openat() calls of this process, as the kernel's own headers see it."""

import os

from bcc import BPF

PROGRAM = """
#include <linux/sched.h>

BPF_HASH(opens, u32, u64);

TRACEPOINT_PROBE(syscalls, sys_enter_openat)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    u32 pid = task->tgid;

    opens.increment(pid);
    return 0;
}
"""
TIMES = 100

bpf = BPF(text=PROGRAM)
for _ in range(TIMES):
    os.close(os.open("/proc/self/status", os.O_RDONLY))
counts = {pid.value: count.value for pid, count in bpf["opens"].items()}
counted = counts.get(os.getpid(), 0)
print(f"opened {TIMES} files, counted {counted}")
raise SystemExit(0 if counted == TIMES else 1)
