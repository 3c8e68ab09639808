"""Which kernel arguments and sysctls a guest may not have, why, and what to write.

Refused are words with which a guest would not come up, with which the run would see
less, and those of which nothing would show what they did: another key says the same,
and is looked at, or a guest has nothing that they are about.
"""

import re
from collections.abc import Callable, Iterable, Mapping

# The console shows what is more urgent than this: warnings and errors, which is what
# images/splats.yaml is about.
CONSOLE_LEVEL = 5

# Is given what stands behind the =, or None if nothing does; says why it is refused, as
# a sentence without its subject, or None if it is not.
Refusal = Callable[[str | None], str | None]

_NUMBER = re.compile(r"\s*(-?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
# Of the guest's network, console, memory of the host and random numbers.
_DRIVERS = re.compile(r"virtio|serial8250|pl011|sclp|hvc|pci_|uio")
_HIDES = "would hide what the kernel reports of itself"
_LEAVE_OUT = f"{_HIDES}; leave it out"


def number(text: str | None) -> int | None:
    """Return the number that a text begins with; None for none.

    As get_option() of lib/cmdline.c reads it: it may be octal or hexadecimal.
    """
    found = _NUMBER.match(text or "")
    if found is None:
        return None
    sign, digits = found.groups()
    leading = digits[:2].lower()
    base = 16 if leading == "0x" else 8 if leading.startswith("0") else 10
    return int(digits, base) * (-1 if sign else 1)


def by_form(name: str) -> str | None:
    """Return why an argument is refused that is none of the kernel's own.

    The kernel hands such words to init: those with a value as environment.
    """
    if name.startswith(("systemd.", "rd.")):
        return "is for systemd or dracut, and guests have neither; leave it out"
    if re.fullmatch(r"(LD|BUSYBOX)_[A-Z_]+|PATH|HOME|SHELL|TERM|CONSOLE", name):
        return "would be in the environment of init; write `env` of a command"
    return None


# ---------------------------------------------------------------- how values count


def _always(why: str) -> Refusal:
    return lambda _: why


def _at_zero(why: str) -> Refusal:
    return lambda value: why if number(value) == 0 else None


def _unless_within(most: int, why: str) -> Refusal:
    """Refuse 0, which means never, and what is so late that it means the same."""

    def refuse(value: str | None) -> str | None:
        found = number(value)
        return None if found is None or 0 < found <= most else why

    return refuse


def _below_zero_only(why: str) -> Refusal:
    return lambda value: None if (number(value) or 0) < 0 else why


def _when_off(why: str) -> Refusal:
    # As kstrtobool() reads it.
    def refuse(value: str | None) -> str | None:
        is_off = value is not None and re.match(r"[nNfF0]|[oO][fF]", value)
        return why if is_off else None

    return refuse


def _when_on(why: str) -> Refusal:
    def refuse(value: str | None) -> str | None:
        is_on = value is None or re.match(r"[yYtT1]|[oO][nN]", value)
        return why if is_on else None

    return refuse


def _when(wanted: str, why: str) -> Refusal:
    return lambda value: why if wanted in (value or "").split(",") else None


def _level(value: str | None) -> str | None:
    level = number(value)
    if level is None:
        return f"is not a level; write loglevel=8, or another from {CONSOLE_LEVEL} on"
    return _HIDES if level < CONSOLE_LEVEL else None


def _format(value: str | None) -> str | None:
    # console_msg_format_setup() in kernel/printk/printk.c.
    return None if value == "default" else "puts a level before each console line"


def _debugger_off(value: str | None) -> str | None:
    # setup_slub_debug() of mm/slub.c: - for none, and whatever stands behind it.
    return _NO_CHECK if (value or "").startswith("-") else None


def _printk(value: str | None) -> str | None:
    level = number(value)
    if level is None or level >= CONSOLE_LEVEL:
        return None
    return f"{_HIDES}; its first number must be at least {CONSOLE_LEVEL}"


def _without_devices(value: str | None) -> str | None:
    if not _DRIVERS.search(value or ""):
        return None
    return "would take drivers from the guest that the runner reaches it by"


def _said_by(key: str, instead: str) -> Refusal:
    return _always(f"contradicts `{key}`, which says the same; write `{instead}`")


def _all(names: Iterable[str], refusal: Refusal) -> dict[str, Refusal]:
    return dict.fromkeys(names, refusal)


# ------------------------------------------------------------------------- the tables

_NO_CHECK = (
    "would turn off a check whose reports fail cases; use a row with a kernel that was "
    "built without it"
)
_OTHER_INIT = (
    "would start something else in the place of the guest's init, and nobody would "
    "answer the runner; run it as a `command` of a case"
)
_NO_ROOT = (
    "is about a root file system, and guests have none but their initramfs; a command "
    "gets one by the key `root` of its case"
)
_DEBUGGER = (
    "makes the kernel wait for a debugger on the console that the runner reads; leave "
    "it out"
)
_OWN_MODULES = (
    "keeps the guest from loading modules that it needs; a guest only has those, and "
    "those that `modules` names"
)
_AT_PANIC = (
    "contradicts what guests have: they end when their kernel panics or oopses, which "
    "is how the runner notices it; leave it out"
)
_TAKES_MEMORY = (
    "takes memory from the guest before it has come up, and nobody sees how much it got"
)

# Seconds: the most that the kernel takes for the sysctl (kernel/watchdog.c); and more
# than a case that waits for it would be given.
_WATCHDOG = 60
_HUNG = 600
# Milliseconds, a hundred times of what it is by default.
_SAMPLE = 10_000

ARGUMENTS: Mapping[str, Refusal] = {
    # What the kernel reports of itself. Source: early_param(), __setup() and
    # module_param() of kernel/printk/printk.c of 6.12, with `printk.` for those of the
    # file.
    "loglevel": _level,
    "quiet": _always(_HIDES),
    "printk.console_no_auto_verbose": _when_on(_HIDES),
    "console_msg_format": _format,
    "console": _always(
        "is not for a guest, whose console the runner reads; leave it out"
    ),
    # kernel/watchdog.c, kernel/rcu/update.c.
    **_all(("nowatchdog", "nosoftlockup"), _always(_LEAVE_OUT)),
    "nmi_watchdog": _when("0", _LEAVE_OUT),
    "watchdog_thresh": _unless_within(_WATCHDOG, _LEAVE_OUT),
    # kernel/workqueue.c.
    "workqueue.watchdog_thresh": _unless_within(_HUNG, _LEAVE_OUT),
    **_all(
        (
            "rcupdate.rcu_cpu_stall_suppress",
            "rcupdate.rcu_cpu_stall_suppress_at_boot",
        ),
        _when_on(_LEAVE_OUT),
    ),
    # mm/kasan/hw_tags.c, mm/kfence/core.c, kernel/kcsan/core.c, mm/kmemleak.c,
    # kernel/locking/lockdep.c, lib/debugobjects.c, mm/slub.c.
    "kasan": _when_off(_NO_CHECK),
    "kfence.sample_interval": _unless_within(_SAMPLE, _NO_CHECK),
    "kcsan.early_enable": _when_off(_NO_CHECK),
    "kmemleak": _when_off(_NO_CHECK),
    "lockdep.prove_locking": _at_zero(_NO_CHECK),
    "no_debug_objects": _always(_NO_CHECK),
    **_all(("slub_debug", "slab_debug"), _debugger_off),
    # How a guest ends: kernel/panic.c, kernel/reboot.c.
    **_all(("panic", "pause_on_oops"), _always(_AT_PANIC)),
    "reboot": _always(
        "decides how the guest ends, which is the runner's; leave it out"
    ),
    # How it comes up: init/main.c, init/do_mounts.c, init/initramfs.c; and words that
    # busybox's init takes for a wish for a shell (parse_inittab() is then left out).
    **_all(("init", "rdinit"), _always(_OTHER_INIT)),
    **_all(("single", "_s", "1"), _always(_OTHER_INIT)),
    **_all(
        (
            *("root", "rootfstype", "rootflags", "rootdelay", "rootwait", "nfsroot"),
            *("ro", "rw", "noinitrd", "initrd", "initrdmem", "resume", "resumewait"),
        ),
        _always(_NO_ROOT),
    ),
    "bootconfig": _always(
        "looks for settings at the end of the initramfs, where a guest has none; write "
        "them as `arguments`"
    ),
    "boot_delay": _always("makes the boot take longer than the runner waits for it"),
    **_all(("kgdbwait", "kgdboc", "kgdbcon", "ekgdboc"), _always(_DEBUGGER)),
    # What the runner reaches it by: its devices, and their modules.
    **_all(
        ("ip", "nfsaddrs"),
        _always(
            "sets up the interface that the runner reaches the guest by; write "
            "`interfaces`"
        ),
    ),
    "initcall_blacklist": _without_devices,
    "pci": _when("off", "would take the guest's network from it; leave it out"),
    "8250.nr_uarts": _at_zero("would take the guest's console from it; leave it out"),
    **_all(
        ("nomodule", "module_blacklist", "modprobe.blacklist"), _always(_OWN_MODULES)
    ),
    # Its memory.
    "crashkernel": _always(
        f"{_TAKES_MEMORY}, for a second kernel that nothing loads; leave it out, or "
        "write `memory: 512`"
    ),
    "hugetlb_cma": _always(f"{_TAKES_MEMORY}; write `sysctl: {{vm.nr_hugepages: 8}}`"),
    "hugepages": _always(
        f"{_TAKES_MEMORY}; write `sysctl: {{vm.nr_hugepages: 8}}`, which is looked at, "
        "and `memory` for as much"
    ),
    # What keys of the guest say, which are looked at.
    **_all(("mem", "memmap"), _said_by("memory", "memory: 512")),
    **_all(
        (
            *("maxcpus", "nr_cpus", "possible_cpus", "additional_cpus"),
            *("nosmp", "nolapic", "disable_cpu_apicid"),
        ),
        _said_by("cpus", "cpus: {online: 2, possible: 4}"),
    ),
    "lockdown": _said_by("lockdown", "lockdown: integrity"),
    **_all(("lsm", "security"), _said_by("lsm", "lsm: [..., bpf]")),
    **_all(
        (
            *("cgroup_disable", "cgroup_no_v1"),
            "systemd.unified_cgroup_hierarchy",
        ),
        _said_by("cgroup", "cgroup: v2"),
    ),
}

# By their names with dots.
SYSCTLS: Mapping[str, Refusal] = {
    "kernel.printk": _printk,
    **_all(
        (
            *("kernel.watchdog", "kernel.soft_watchdog", "kernel.nmi_watchdog"),
            *("kernel.hung_task_warnings", "kernel.hung_task_check_count"),
        ),
        _at_zero(_LEAVE_OUT),
    ),
    "kernel.watchdog_thresh": _unless_within(_WATCHDOG, _LEAVE_OUT),
    "kernel.hung_task_timeout_secs": _unless_within(_HUNG, _LEAVE_OUT),
    "kernel.panic": _below_zero_only(_AT_PANIC),
    "kernel.panic_on_oops": _at_zero(_AT_PANIC),
    "kernel.bpf_stats_enabled": _at_zero(
        "would keep the kernel from counting how often programs run; leave it out"
    ),
}
