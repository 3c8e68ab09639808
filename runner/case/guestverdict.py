"""What a refusal means in a guest that is not like others: locked down, or not root's.

The kernel's own words are the same as for other reasons: a helper that lockdown takes
away is "unknown" to the verifier. So the guest is asked how it is. A row applies only
if both the words and the guest's state fit.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from runner import timeouts
from runner.errors import RunnerError
from runner.failures.classes import (
    CAPABILITY_MISSING,
    LOCKDOWN,
    MODULE_BTF_INVALID,
    MODULE_MISSING,
    SYSCTL,
    UNPRIVILEGED_DISABLED,
    FailureClass,
)
from runner.failures.classify import Classification
from runner.guest import timely
from runner.guest.guest import Guest
from runner.kernels import modules
from runner.kernels.moduleowners import owners
from runner.matrix.environment import User
from runner.preflight import elsewhere
from runner.preflight.model import Prediction
from runner.text.progress import progress

logger = logging.getLogger(__name__)

_SECURITY = "/sys/kernel/security/lockdown"
_UNPRIVILEGED = "/proc/sys/kernel/unprivileged_bpf_disabled"
_PERF = "/proc/sys/kernel/perf_event_paranoid"
# From which value on Debian, Ubuntu and Android ask for CAP_SYS_ADMIN: their own patch.
_PARANOID = 3


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What words mean in a guest of a kind."""

    failure: FailureClass
    # In the line that shows the failure, or in the log.
    words: re.Pattern[str]
    # What of the guest's state shows it; empty if it is another reason.
    shown: Callable[[Guest], str]
    # What to do about it there; None for what the class says.
    cure: Callable[[Guest], str] | None = None


def _state(guest: Guest, path: str) -> str:
    try:
        text = guest.agent.read(path, timeout=timeouts.ANSWER.seconds)
    except RunnerError:
        return ""
    return text.strip()


def _lockdown(guest: Guest, least: int) -> str:
    levels = ("none", "integrity", "confidentiality")
    found = re.search(r"\[(\w+)\]", _state(guest, _SECURITY))
    if found is None or found[1] not in levels[least:]:
        return ""
    return f"the kernel is locked down for {found[1]}"


def _capabilities(user: User) -> str:
    names = ", ".join(user.capabilities or ()) or "no capabilities"
    if not user.namespace:
        return f"user {user.uid} with {names}"
    if user.capabilities is None:
        names = "all its capabilities"
    token = "a" if user.token is not None else "no"
    return (
        f"user {user.uid} in a user namespace of its own, with {names} and {token} "
        "BPF token"
    )


def _unprivileged(guest: Guest) -> str:
    user = guest.loads_as
    if user is None or user.token is not None:
        return ""
    # Those of a user namespace are none where bpf(2) asks for them.
    if not user.namespace and {"CAP_BPF", "CAP_SYS_ADMIN"}.intersection(
        user.capabilities or ()
    ):
        return ""
    value = _state(guest, _UNPRIVILEGED)
    if value in ("", "0"):
        return ""
    return f"kernel.unprivileged_bpf_disabled is {value}, for {_capabilities(user)}"


def _capability(guest: Guest) -> str:
    return "" if guest.loads_as is None else f"for {_capabilities(guest.loads_as)}"


# What loaders need each for: bpf(2), and the owners of files in tracefs and cgroups.
_USES = {
    "CAP_BPF": "maps and programs, from 5.8 on",
    "CAP_PERFMON": "tracing, from 5.8 on",
    "CAP_NET_ADMIN": "networking",
    "CAP_DAC_READ_SEARCH": "files of tracefs and cgroups that belong to root",
    "CAP_SYS_ADMIN": "everything before 5.8, and what has no capability of its own",
}


_IN_NAMESPACE = (
    "bpf(2) asks for capabilities of the guest's own user namespace; from 6.9 on a BPF "
    "token gives some of them to another one, as far as `token` delegates them"
)


def _other_capabilities(guest: Guest) -> str:
    user = guest.loads_as
    if user is not None and user.namespace:
        return f"{CAPABILITY_MISSING.meaning}: {_IN_NAMESPACE}"
    has = () if user is None else user.capabilities or ()
    lacks = [f"{name} ({use})" for name, use in _USES.items() if name not in has]
    cure = f"give the loader one of {', '.join(lacks)}" if lacks else "see the log"
    return f"{CAPABILITY_MISSING.meaning}: {cure}"


def _paranoid(guest: Guest) -> str:
    user, value = guest.loads_as, _state(guest, _PERF)
    if user is None or not value.isdecimal() or int(value) < _PARANOID:
        return ""
    if "CAP_PERFMON" not in (user.capabilities or ()):
        return ""
    return f"kernel.perf_event_paranoid is {value}, for {_capabilities(user)}"


_NO = r"(Operation not permitted|Permission denied|-EPERM|-EACCES)"
# Helpers that read kernel memory: bpf_tracing_func_proto() in kernel/trace/bpf_trace.c.
_READS = r"bpf_(probe_read(_kernel)?(_str)?|copy_from_user|snprintf_btf|seq_printf_btf)"

# The first one counts.
_RULES = (
    _Rule(
        failure=LOCKDOWN,
        words=re.compile(rf"(unknown func|cannot use helper) {_READS}#\d+"),
        shown=lambda guest: _lockdown(guest, 2),
    ),
    # From 5.14 on (51e1bb9eeaf7), and in stable kernels.
    _Rule(
        failure=LOCKDOWN,
        words=re.compile(r"(unknown func|cannot use helper) bpf_probe_write_user#\d+"),
        shown=lambda guest: _lockdown(guest, 1),
    ),
    # LOCKDOWN_KPROBES and LOCKDOWN_PERF are of confidentiality.
    _Rule(
        failure=LOCKDOWN,
        words=re.compile(rf"perf event: {_NO}|perf_event_open\(\) failed: {_NO}"),
        shown=lambda guest: _lockdown(guest, 2) if guest.loads_as is None else "",
    ),
    _Rule(
        failure=UNPRIVILEGED_DISABLED,
        words=re.compile(
            rf"probe_loading\(\): ?{_NO}|failed to create: {_NO}|load failed: {_NO}"
        ),
        shown=_unprivileged,
    ),
    _Rule(
        failure=SYSCTL,
        words=re.compile(rf"perf_event_open\(\) failed: {_NO}"),
        shown=_paranoid,
    ),
    _Rule(
        failure=CAPABILITY_MISSING,
        words=re.compile(
            rf"{_NO}|prohibited for !root|leaks addr|pointer arithmetic prohibited"
            # libbpf from 1.5 on, with EPERM or EACCES.
            r"|failed \(-(1|13)\) to create BPF token"
        ),
        shown=_capability,
        cure=_other_capabilities,
    ),
)


# What a module may have that the guest has not loaded.
_IN_MODULES = (
    *("kfunc_missing", "extern_missing", "attach_target_missing", "poison_reachable"),
)


def refined(
    found: Classification, log: str, guest: Guest, prediction: Prediction | None = None
) -> Classification:
    """Return what a refusal means in this guest, or what it means everywhere.

    `log` is libbpf's, with the verifier's in it.
    """
    if found.name in _IN_MODULES and prediction is not None:
        found = _in_modules(found, guest, prediction)
    for rule in _RULES:
        if not (rule.words.search(found.line) or rule.words.search(log)):
            continue
        shown = rule.shown(guest)
        if shown:
            return Classification(
                name=rule.failure.name,
                line=f"{found.line} ({shown})",
                cure=rule.cure(guest) if rule.cure else rule.failure.explanation,
            )
    return found


def _in_modules(
    found: Classification, guest: Guest, prediction: Prediction
) -> Classification:
    """Return a failure to find something that a module of the kernel's package has."""
    names = elsewhere.lacking(prediction, certainly=False)
    if not names:
        return found
    try:
        there = owners(guest.kernel, guest.artifact, guest.cache, progress())
    except RunnerError as error:
        # Only the advice is missing.
        logger.info("%s: nobody knows its modules: %s", guest.kernel.id, error.message)
        return found
    in_modules = elsewhere.found_in(names, there)
    loaded = {modules.normal(it) for it in guest.kernel.environment.modules or ()}
    there_already = [it for it in in_modules if loaded.intersection(it.modules)]
    refused = [
        name
        for it in there_already
        for name in it.modules
        if name in loaded and _lost_btf(guest, name)
    ]
    if refused:
        return Classification(
            name=MODULE_BTF_INVALID.name,
            line=f"{found.line} (the kernel did not take the BTF of {refused[0]})",
            cure=MODULE_BTF_INVALID.explanation,
        )
    # What is loaded and not found is no question of loading it.
    missing = [it for it in in_modules if it not in there_already]
    if not missing:
        return found
    return Classification(
        name=MODULE_MISSING.name,
        line=f"{found.line} ({'; '.join(map(str, missing))})",
        cure=missing[0].cure,
    )


def _lost_btf(guest: Guest, module: str) -> bool:
    """Tell whether a module came with BTF that its kernel does not show."""
    if module not in {it.stem for it in guest.module_btfs}:
        return False
    argv = ["test", "-e", f"/sys/kernel/btf/{module}"]
    try:
        return timely.run(guest.agent, argv, timeouts.LOOK).exit != 0
    except RunnerError:
        return False
