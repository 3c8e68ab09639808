"""What makes the kernel reach a place that programs hook, as a table.

The first row counts whose pattern matches the place: a function, a tracepoint without
its group, a system call, an LSM hook.
"""

import re
from dataclasses import dataclass, field

# A trigger as suite.yaml has it.
TriggerValue = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something that a guest does, and what is known of who does it."""

    # Of this name is what the suite saves of it.
    name: str
    # What it is, for readers.
    words: str
    triggers: tuple[TriggerValue, ...]
    # Reference to the process that does it, which is known when it has ended; "" if it
    # is not one process of its own.
    pid: str = ""
    # Whether that process is still there when the truths are taken.
    is_alive: bool = False
    # Reference to its parent, as far as that is known.
    parent: str = ""


def _run(name: str, words: str, *argv: str, status: int = 0) -> Action:
    trigger: TriggerValue = {"command": list(argv)}
    if status:
        trigger["exit"] = status
    return Action(
        name=name,
        words=words,
        triggers=({**trigger, "save": name},),
        pid=f"${{{name}.pid}}",
        parent="${agent.pid}",
    )


def _script(name: str, words: str, script: str) -> Action:
    return Action(
        name=name,
        words=words,
        triggers=({"command": ["sh", "-c", script], "save": name},),
    )


def _call(call: str, words: str, times: int = 1) -> Action:
    trigger: TriggerValue = {"syscall": call}
    if times > 1:
        trigger["times"] = times
    return Action(
        name=call,
        words=words,
        triggers=({**trigger, "save": call},),
        pid=f"${{{call}.pid}}",
        is_alive=True,
    )


OPEN = _call("openat", "the agent opens /dev/null")
EXEC = _run("started", "a program is started", "busybox", "true")
FORK = Action(
    name="child",
    words="the agent forks a child that sleeps",
    triggers=({"fork": "sleeper", "save": "child"},),
    pid="${agent.pid}",
    is_alive=True,
)
EXIT = _run("ended", "a program starts and ends", "busybox", "true")
READ = _run("reader", "a file is read", "cat", "/proc/version")
SLEEP = Action(
    name="rest",
    words="the guest idles, and its processors switch between tasks",
    triggers=({"sleep": 0.2, "save": "rest"},),
)
SPIN = Action(
    name="busy",
    words="a child uses up processor time",
    triggers=({"fork": "busy", "spin": 0.3, "save": "busy"},),
)
UDP = Action(
    name="packets",
    words="UDP packets go over the loopback",
    triggers=({"udp": 64, "times": 3, "options": ["reuseport"], "save": "packets"},),
)
CONNECT = _run(
    "connected",
    "a TCP connection to a port on which nobody listens",
    *("nc", "-w", "1", "127.0.0.1", "9"),
    status=1,
)
CONNECT6 = _run(
    "connected6",
    "a TCP connection to a port of ::1 on which nobody listens",
    *("nc", "-w", "1", "::1", "9"),
    status=1,
)
TCP = _script(
    "tcp",
    "a TCP connection over the loopback, accepted and closed",
    "nc -l -p 7070 >/dev/null & "
    "for try in 1 2 3 4 5 6 7 8 9; do echo hi | nc -w 2 127.0.0.1 7070 && break; "
    "sleep 0.1; done; wait",
)
PING = _run("ping", "a ping", "ping", "-c", "1", "-w", "2", "127.0.0.1")
FILES = _script(
    "changes",
    "files are made, written, renamed and removed",
    "mkdir /run/d && echo text >/run/d/a && chmod 600 /run/d/a && "
    "mv /run/d/a /run/d/b && ln -s b /run/d/c && ln /run/d/b /run/d/e && "
    "cat /run/d/b && truncate -s 1 /run/d/b && rm /run/d/b /run/d/c /run/d/e && "
    "rmdir /run/d",
)
MOUNT = _script(
    "mounted",
    "a file system is mounted and unmounted",
    "mkdir -p /run/m && mount -t tmpfs none /run/m && umount /run/m",
)
KILL = _script("signal", "a signal is sent", "sleep 5 & kill -TERM $! && wait; true")
WRITE = _script("written", "a pipe is written and read", "echo text | cat")
SYSCTL = _run("sysctl", "a sysctl is read", "cat", "/proc/sys/kernel/ostype")
NAMESPACE = Action(
    name="unshared",
    words="a program runs in a namespace of its own",
    triggers=({"command": ["busybox", "unshare", "-u", "true"], "save": "unshared"},),
)
GETPID = _call("getpid", "the agent makes a system call", 10)
GETPGID = _call("getpgid", "the agent makes this system call", 10)
GETPPID = _call("getppid", "the agent makes this system call", 10)
GETUID = _call("getuid", "the agent makes this system call", 10)
NANOSLEEP = _call("nanosleep", "the agent sleeps for a moment", 10)

# For places that nothing is known of: they may be reached by one of these.
EVERYTHING = (EXEC, FILES, UDP, SLEEP)


@dataclass(frozen=True, kw_only=True)
class Hook:
    """Places, by a regular expression of their whole names, and what reaches them."""

    pattern: str
    action: Action
    # Whether the process that does it is the one that programs see there.
    is_in_process: bool = True
    # Whether it has its new name by then.
    has_comm: bool = False
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the pattern once."""
        object.__setattr__(self, "compiled", re.compile(self.pattern))


def _rows(action: Action, *patterns: str, inside: bool = True) -> tuple[Hook, ...]:
    return tuple(
        Hook(pattern=it, action=action, is_in_process=inside) for it in patterns
    )


# System calls by their names, also of their functions and tracepoints.
_CALL = r"(sys_enter_|sys_exit_|__(x64|se|arm64|do)_sys_|__sys_|ksys_|do_sys_|sys_)?"

HOOKS: tuple[Hook, ...] = (
    # ------------------------------------------------------------ processes
    Hook(pattern=r"sched_process_exec", action=EXEC, has_comm=True),
    # Their process is the new program's, and has its old name.
    *_rows(
        EXEC,
        rf"{_CALL}execve(at)?",
        r"do_execveat_common(\.isra\.0)?|bprm_execve|exec_binprm|begin_new_exec",
        r"(bpf_lsm_|security_)?bprm_\w+|load_elf_binary|search_binary_handler",
    ),
    *_rows(
        FORK,
        rf"{_CALL}(clone|clone3|fork|vfork)",
        r"sched_process_fork|kernel_clone|_do_fork|copy_process|wake_up_new_task",
        r"(bpf_lsm_|security_)?task_alloc|task_newtask|sched_wakeup_new",
        inside=False,
    ),
    *_rows(
        EXIT,
        rf"{_CALL}(exit_group)",
        r"sched_process_exit|do_exit|do_group_exit|acct_process|taskstats_exit",
        r"exit_mm|exit_files|(bpf_lsm_|security_)?task_free|sched_process_free",
        r"release_task",
        inside=False,
    ),
    *_rows(EXIT, rf"{_CALL}(wait4|waitid)|sched_process_wait", inside=False),
    *_rows(
        KILL,
        rf"{_CALL}(kill|tgkill|tkill|rt_sigaction|rt_sigreturn)",
        r"signal_(generate|deliver)|do_send_sig_info|(__)?send_signal(_locked)?",
        r"complete_signal|(bpf_lsm_|security_)?task_kill|group_send_sig_info",
        inside=False,
    ),
    *_rows(NAMESPACE, rf"{_CALL}(unshare|setns)", r"create_new_namespaces"),
    # ---------------------------------------------------------- system calls
    *_rows(GETPGID, rf"{_CALL}getpgid|(bpf_lsm_|security_)?task_getpgid"),
    *_rows(GETPPID, rf"{_CALL}getppid"),
    *_rows(GETUID, rf"{_CALL}getuid"),
    *_rows(GETPID, rf"{_CALL}getpid", inside=True),
    *_rows(NANOSLEEP, rf"{_CALL}(clock_)?nanosleep|hrtimer_nanosleep|do_nanosleep"),
    # All system calls.
    *_rows(
        GETPID,
        r"sys_enter|sys_exit|syscall_trace_enter|do_syscall_64|x64_sys_call",
        inside=False,
    ),
    # ----------------------------------------------------------------- files
    *_rows(
        OPEN,
        rf"{_CALL}(openat|open2|openat2)",
        r"do_sys_open|do_sys_openat2|do_filp_open|path_openat|vfs_open|do_dentry_open",
        r"(bpf_lsm_|security_)?file_(open|alloc_security)|alloc_empty_file|getname",
    ),
    *_rows(
        READ,
        rf"{_CALL}(read|pread64|readv|sendfile|sendfile64)",
        r"vfs_read|seq_read|seq_read_iter|proc_reg_read(_iter)?|rw_verify_area",
        r"(bpf_lsm_|security_)?file_permission",
        inside=False,
    ),
    *_rows(
        WRITE,
        rf"{_CALL}(write|pipe|pipe2|dup2|close)|pipe_(read|write)|vfs_write",
        r"(__)?fput|filp_close|__close_fd|close_fd|create_pipe_files|new_sync_write",
        inside=False,
    ),
    *_rows(
        FILES,
        rf"{_CALL}(mkdir|mkdirat|rmdir|unlink|unlinkat|rename|renameat2?|symlink|"
        r"symlinkat|link|linkat|chmod|fchmodat|truncate|ftruncate|newfstatat|stat|"
        r"lstat|statx)",
        r"vfs_(create|mkdir|rmdir|unlink|rename|symlink|link|fstatat|statx|getattr)",
        r"do_(mkdirat|rmdir|unlinkat|renameat2|symlinkat|linkat|truncate)",
        r"(bpf_lsm_|security_)?(path|inode)_(mkdir|create|rmdir|unlink|rename|symlink|"
        r"link|chmod|setattr|truncate|getattr|permission|alloc_security|init_security|"
        r"free_security)",
        r"notify_change|chmod_common|lookup_fast|d_lookup|d_alloc|simple_unlink",
        r"shmem_\w+|__d_lookup(_rcu)?|evict|do_truncate",
        inside=False,
    ),
    *_rows(
        MOUNT,
        rf"{_CALL}(mount|umount|umount2)|path_mount|do_mount|path_umount",
        r"(bpf_lsm_|security_)?sb_(mount|umount|alloc_security|kern_mount)",
        inside=False,
    ),
    *_rows(SYSCTL, r"proc_sys_(read|call_handler)|proc_dostring", inside=False),
    # --------------------------------------------------------------- network
    *_rows(
        CONNECT,
        rf"{_CALL}(connect)",
        r"tcp_v4_connect|tcp_connect|inet_stream_connect|__inet_stream_connect",
        r"(bpf_lsm_|security_)?socket_connect|inet_hash_connect|tcp_connect_init",
        r"tcp_(v4_)?send_reset|tcp_(send|receive)_reset|tcp_reset",
    ),
    # The answer to a connection that nobody accepts is dropped.
    *_rows(
        CONNECT, r"kfree_skb(_reason|_list_reason)?|sk_skb_reason_drop", inside=False
    ),
    *_rows(CONNECT6, r"tcp_v6_connect"),
    *_rows(
        TCP,
        rf"{_CALL}(accept|accept4|listen|shutdown)",
        r"inet_csk_\w+|inet_(listen|accept|shutdown|csk_accept)|inet_sock_set_state",
        r"(bpf_lsm_|security_)?(socket_(listen|accept|shutdown)|inet_conn_\w+)",
        r"tcp_\w+|__tcp_\w+|sock_(def_readable|rcvbuf\w*|exceed_buf_limit)",
        inside=False,
    ),
    *_rows(PING, r"icmp_\w+|ping_\w+|raw_\w*send\w*", inside=False),
    *_rows(
        UDP,
        rf"{_CALL}(socket|bind|sendto|recvfrom|setsockopt|getsockopt|getsockname|"
        r"sendmsg|recvmsg)",
        r"(bpf_lsm_|security_)?socket_(create|post_create|bind|sendmsg|recvmsg|"
        r"setsockopt|getsockopt)",
        r"(bpf_lsm_|security_)?sk_(alloc|free|alloc_security|free_security)",
        r"udp_(sendmsg|recvmsg|rcv|send_skb|queue_rcv_skb|v4_\w+)|__udp4_lib_rcv",
        r"inet_(bind|create|sendmsg|recvmsg|release|dgram_connect)|__inet_bind",
        r"ip_(rcv|output|local_out|local_deliver|send_skb|finish_output\w*)|ip_rcv_\w+",
        r"__ip_(local_out|append_data|queue_xmit)|ip_make_skb|ip_route_output_\w+",
        r"(__)?netif_(receive_skb|rx)(_\w+)?|__netif_receive_skb_core(\.\w+)*",
        r"(__)?dev_queue_xmit|dev_hard_start_xmit|net_dev_(queue|xmit|start_xmit)",
        r"loopback_xmit|napi_(poll|gro_receive\w*)|__napi_poll|process_backlog",
        r"consume_skb|"
        r"skb_copy_datagram_iovec|(__)?alloc_skb|__kfree_skb|skb_release_data",
        r"sock_(sendmsg|recvmsg|alloc_send_pskb)|(__)?sock_create|__sys_socket",
        r"fib_table_lookup|nf_hook_slow|ipt_do_table|net_rx_action",
        inside=False,
    ),
    # ----------------------------------------------------- scheduler, memory
    *_rows(
        SLEEP,
        r"sched_(switch|wakeup|waking|migrate_task|stat_\w+)|finish_task_switch\S*",
        r"(__)?schedule|ttwu_do_(wakeup|activate)\S*|try_to_wake_up|pick_next_\w+",
        r"hrtimer_\w+|timer_\w+|tick_\w+|irq_\w+|softirq_\w+|local_timer_\w+",
        r"cpu_idle|update_(rq_clock|curr)|scheduler_tick|sched_tick|account_\w+_time",
        r"run_(local_timers|timer_softirq)|rcu_\w+|workqueue_\w+|queue_work_on",
        r"enqueue_task_\w+|dequeue_task_\w+",
        inside=False,
    ),
    *_rows(
        EXEC,
        r"page_fault_(user|kernel)|handle_mm_fault|do_(anonymous_page|user_addr_fault)",
        r"mm_page_(alloc|free)|k(malloc|free|mem_cache_\w+)|__kmalloc|__alloc_pages\w*",
        rf"rss_stat|{_CALL}(mmap|munmap|mprotect|brk|mmap_pgoff)|do_mmap|vm_mmap_pgoff",
        r"(bpf_lsm_|security_)?(mmap_\w+|file_mprotect|vm_enough_memory\w*)",
        r"__vma_\w+|vma_merge|unmap_region|cgroup_attach_task|mmap_region",
        r"(bpf_lsm_|security_)?(cred_\w+|prepare_creds|task_to_inode|capable)",
        r"cap_capable|prepare_creds|commit_creds",
        inside=False,
    ),
)


def of_place(place: str) -> Hook | None:
    """Return the row of a function, a tracepoint, a system call or an LSM hook."""
    return next((it for it in HOOKS if it.compiled.fullmatch(place)), None)
