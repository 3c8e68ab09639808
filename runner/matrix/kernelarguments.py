"""Words of a kernel's command line that a guest may not have, and what says it instead.

They are read as kernels read them (next_arg() and parse_args() of kernel/params.c,
get_option() of lib/cmdline.c): - is _ in a name, a value may stand in quotes, and a
number may be octal or hexadecimal.
"""

import re
from collections.abc import Callable, Iterable, Mapping

# The console shows what is more urgent than this: warnings and errors, which is what
# images/splats.yaml is about.
CONSOLE_LEVEL = 5

_NUMBER = re.compile(r"\s*(-?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_PRINTK = ("kernel", "printk")


def number(text: str) -> int | None:
    """Return the number that a text begins with, as C reads it; None for none."""
    found = _NUMBER.match(text)
    if found is None:
        return None
    sign, digits = found.groups()
    leading = digits[:2].lower()
    base = 16 if leading == "0x" else 8 if leading.startswith("0") else 10
    return int(digits, base) * (-1 if sign else 1)


def sysctl_parts(name: str) -> tuple[str, ...]:
    """Return the folders and the file of a sysctl below /proc/sys.

    As in sysctl(8), the first separator separates, and the other one is of a name:
    net.ipv4.conf.eth0/100.forwarding, net/ipv4/conf/eth0.100/forwarding.
    """
    first = re.search(r"[./]", name)
    if first is None or first[0] == "/":
        return tuple(name.split("/"))
    return tuple(it.replace("/", ".") for it in name.split("."))


def sysctl_name(name: str) -> str:
    """Refuse a sysctl's name that no file can have, with a ValueError."""
    for part in sysctl_parts(name):
        if part.strip(".") == "":
            raise ValueError(f"{name!r} has an empty part; write kernel.panic")
    return name


def loud_sysctls(values: Mapping[str, int | str] | None) -> None:
    """Refuse sysctls that make the console quiet, with a ValueError."""
    for name, value in (values or {}).items():
        level = number(str(value))
        if sysctl_parts(name) == _PRINTK and level is not None:
            if level >= CONSOLE_LEVEL:
                continue
            raise ValueError(
                f"sysctl: {name} {level} would hide what the kernel reports of itself; "
                f"its first number must be at least {CONSOLE_LEVEL}"
            )


def allowed(word: str) -> str:
    """Refuse a word that hides what the kernel reports, or that a key says.

    Raises ValueError.
    """
    if word.count('"') % 2:
        raise ValueError(f"{word} opens a quotation that nothing closes")
    name, value = _parameter(word)
    if word == "--":
        raise ValueError("-- hides all words behind it from the kernel")
    if re.match(r"sysctl[./]", name):
        key = ".".join(sysctl_parts(name[len("sysctl.") :]))
        raise ValueError(
            f"nobody sees whether {word} was done; write `sysctl: {{{key}: "
            f"{value or '…'}}}`, which is looked at"
        )
    refuse = _REFUSALS.get(name)
    why = None if refuse is None else refuse(value)
    if why is not None:
        raise ValueError(f"{word} {why}")
    return word


def _parameter(word: str) -> tuple[str, str | None]:
    """Return a parameter's name and its value; None for one without `=`."""
    if word.startswith('"'):
        word = word[1:].removesuffix('"')
    name, equals, value = word.partition("=")
    if not equals:
        return _underscored(name), None
    if value.startswith('"'):
        value = value[1:].removesuffix('"')
    return _underscored(name), value


def _underscored(name: str) -> str:
    return name.replace("-", "_")


_Refusal = Callable[[str | None], str | None]
_HIDES = "would hide what the kernel reports of itself"


def _level(value: str | None) -> str | None:
    level = number(value or "")
    if level is None:
        return f"is not a level; write loglevel=8, or another from {CONSOLE_LEVEL} on"
    return _HIDES if level < CONSOLE_LEVEL else None


def _hidden(_: str | None) -> str:
    return _HIDES


def _on(value: str | None) -> str | None:
    # As kstrtobool() reads it.
    on = value is None or value[:1] in ("y", "Y", "t", "T", "1") or value[:2] == "on"
    return _HIDES if on else None


def _format(value: str | None) -> str | None:
    # console_msg_format_setup() in kernel/printk/printk.c.
    return None if value == "default" else "puts a level before each console line"


def _console(_: str | None) -> str:
    return "is not for a guest, whose console the runner reads; leave it out"


def _said_by(key: str, instead: str) -> _Refusal:
    return lambda _: f"contradicts `{key}`, which says the same; write `{instead}`"


def _all(names: Iterable[str], refusal: _Refusal) -> dict[str, _Refusal]:
    return dict.fromkeys(names, refusal)


_REFUSALS: Mapping[str, _Refusal] = {
    # Source: early_param(), __setup() and module_param() of kernel/printk/printk.c of
    # 6.12, with `printk.` for those of the file.
    "loglevel": _level,
    "quiet": _hidden,
    "printk.console_no_auto_verbose": _on,
    "console_msg_format": _format,
    "console": _console,
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
