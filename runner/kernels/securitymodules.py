"""The security modules (LSMs) that a kernel starts with: its own list, or another one.

A kernel starts those of CONFIG_LSM, in that order, unless `lsm=` on its command line
has others (since 5.1: 13e735c0e953, 79f7865d844c). A program of BPF LSM (5.7) is called
only if bpf is among them: then its functions are hooks as those of any other module are
(security/bpf/hooks.c). It can be attached to them anyway.
"""

from collections.abc import Mapping

from runner.matrix.environment import OWN_LSMS, GuestEnvironment

BPF = "bpf"
_OPTION = "LSM"


def of_config(config: Mapping[str, str] | None) -> tuple[str, ...] | None:
    """Return a kernel's own list; None where its configuration tells none."""
    text = (config or {}).get(_OPTION)
    return None if text is None else _names(text.strip('"'))


def of_environment(
    environment: GuestEnvironment, config: Mapping[str, str] | None
) -> tuple[str, ...] | None:
    """Return those of a guest; None where that is not known."""
    own = of_config(config)
    return own if environment.lsm is None else expanded(environment.lsm, own)


def expanded(
    wanted: tuple[str, ...], own: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """Return a list with the kernel's own in place of "..."; None if it is unknown."""
    if OWN_LSMS not in wanted:
        return wanted
    if own is None:
        return None
    at = wanted.index(OWN_LSMS)
    before, behind = wanted[:at], wanted[at + 1 :]
    named = {*before, *behind}
    return (*before, *(it for it in own if it not in named), *behind)


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))
