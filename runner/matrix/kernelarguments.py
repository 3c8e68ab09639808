"""Words of a kernel's command line, and sysctls, that a guest may not have.

They are read as kernels read them (next_arg() and parse_args() of kernel/params.c): a -
is _ in a name, and a value may stand in quotes.
"""

import re
from collections.abc import Mapping

from runner.matrix import argumentrefusals as refusals


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


def harmless_sysctls(values: Mapping[str, int | str] | None) -> None:
    """Refuse sysctls that hide what a run looks at, with a ValueError."""
    for name, value in (values or {}).items():
        refuse = refusals.SYSCTLS.get(".".join(sysctl_parts(name)))
        why = None if refuse is None else refuse(str(value))
        if why is not None:
            raise ValueError(f"sysctl: {name} {str(value).strip()} {why}")


def allowed(word: str) -> str:
    """Refuse a word that a guest can't do with, or that a key says.

    Such are those with which it does not come up, or hides what its kernel reports.
    Raises ValueError that names what to write instead.
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
    refuse = refusals.ARGUMENTS.get(name)
    why = refusals.by_form(name) if refuse is None else refuse(value)
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
