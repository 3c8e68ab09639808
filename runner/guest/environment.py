"""How a guest comes to be what a suite wants it to be: one row for each key.

A key is done by the machine's processors or memory, by the kernel's command line, by
calls of images/environment in the guest before its state is saved, or by the agent when
it loads an object. Each of them is looked at afterwards: a guest that is otherwise than
asked serves no case.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pydantic import JsonValue

from runner import arch, timeouts
from runner.errors import UsageError
from runner.failures.classes import (
    ENVIRONMENT_UNAVAILABLE,
)
from runner.files.modelfile import Where
from runner.guest import guestinterfaces, saidbyguest, timely
from runner.guest.agent import AgentSession
from runner.guest.asked import Asked, GuestRefusal, config_of
from runner.guest.image import initramfs
from runner.guest.qemu.machine import Machine
from runner.kernels import securitymodules
from runner.kernels.artifact import Artifact
from runner.kernels.modulefiles import NONE, ChosenModules
from runner.matrix.environment import OWN_LSMS, GuestEnvironment
from runner.matrix.kernelarguments import sysctl_parts
from runner.matrix.matrix import Kernel
from runner.text.nearest import near
from runner.versions import VersionRange

# Kernels that stand still while they bring up a second processor, and why.
_ONE_CPU_UNDER_TCG: tuple[tuple[str, str], ...] = (
    (
        ">=5.11,<5.14",
        "it hangs when it brings up a second processor under TCG, QEMU's emulation",
    ),
)


class EnvironmentUnavailableError(UsageError):
    """A guest can't be what was asked for."""

    def __init__(
        self, message: str, *, hint: str = "", name: str = "", where: Where = ()
    ) -> None:
        super().__init__(message, hint=hint)
        # Of a failure class.
        self.failure_class = name or ENVIRONMENT_UNAVAILABLE.name
        # What asks for it, from a case or a row on: ("guest", "cpus").
        self.where = where


def _nothing(_: Asked) -> tuple[str, ...]:
    return ()


def _no_call(_: Asked) -> Iterator[tuple[str, ...]]:
    return iter(())


def _no_refusal(_: Asked) -> GuestRefusal | None:
    return None


def _unchanged(machine: Machine, _: Asked) -> Machine:
    return machine


@dataclass(frozen=True, kw_only=True)
class Means:
    """How a key is done."""

    key: str
    # What is said of it in docs/environment.md.
    by: str
    # Another machine.
    machine: Callable[[Machine, Asked], Machine] = _unchanged
    # Words of the kernel's command line.
    arguments: Callable[[Asked], tuple[str, ...]] = _nothing
    # Calls of images/environment, in the guest.
    calls: Callable[[Asked], Iterator[tuple[str, ...]]] = _no_call
    # What is known before the boot.
    refusal: Callable[[Asked], GuestRefusal | None] = _no_refusal


# ------------------------------------------------------------------------- processors


def _with_cpus(machine: Machine, asked: Asked) -> Machine:
    # All that are possible: from 6.9 on a kernel that recognises no hypervisor counts
    # none that are to come (topology_register_apic() and acpi_is_processor_usable()).
    return replace(machine, cpus=asked.environment.processors.all)


def _cpu_arguments(asked: Asked) -> tuple[str, ...]:
    cpus = asked.environment.processors
    return (f"maxcpus={cpus.started}",) if cpus.all > cpus.started else ()


def _cpu_calls(asked: Asked) -> Iterator[tuple[str, ...]]:
    cpus = asked.environment.processors
    if asked.environment.cpus is not None:
        yield "cpus", ",".join(map(str, cpus.numbers)), str(cpus.all)


def _cpu_refusal(asked: Asked) -> GuestRefusal | None:
    most = asked.environment.processors.all
    config = asked.config
    board = arch.named(asked.artifact.architecture).board
    if most > board.most_cpus:
        return GuestRefusal(
            message=f"{most} possible processors, but QEMU's machine {board.machine} "
            f"has at most {board.most_cpus}",
            hint=f"use at most {board.most_cpus}",
        )
    if most == 1 or config is None:
        return None
    if config.get("SMP") != "y":
        return GuestRefusal(
            message=f"{most} processors, but the kernel was built for one (CONFIG_SMP)",
            hint="use a kernel with CONFIG_SMP=y, or `cpus: 1`",
        )
    built_for = int(config.get("NR_CPUS", "1"))
    if most > built_for:
        return GuestRefusal(
            message=f"{most} possible processors, but the kernel was built for "
            f"{built_for} (CONFIG_NR_CPUS)",
            hint=f"use at most {built_for}, or build the kernel with a larger "
            "CONFIG_NR_CPUS",
        )
    return None


# ----------------------------------------------------------------- security modules


def _lsms(asked: Asked) -> tuple[str, ...] | None:
    """Return those that were asked for; None for the kernel's own."""
    wanted = asked.environment.lsm
    own = securitymodules.of_config(asked.config)
    return None if wanted is None else securitymodules.expanded(wanted, own)


def _lsm_arguments(asked: Asked) -> tuple[str, ...]:
    names = _lsms(asked)
    if names is None or _are_own(asked):
        return ()
    # The last one on the command line counts.
    return (f"lsm={','.join(names)}",)


def _are_own(asked: Asked) -> bool:
    """Whether a guest is asked to start what its kernel starts by itself."""
    return _lsms(asked) == securitymodules.of_config(asked.config)


def _lsm_calls(asked: Asked) -> Iterator[tuple[str, ...]]:
    names = _lsms(asked)
    if names:
        # Those of the kernel's own list that it was built without are not started.
        yield "lsm", *(it for it in names if it in (asked.environment.lsm or ()))


def _lsm_refusal(asked: Asked) -> GuestRefusal | None:
    if asked.config is None:
        return None
    wanted = asked.environment.lsm or ()
    if OWN_LSMS in wanted and securitymodules.of_config(asked.config) is None:
        return GuestRefusal(
            message=f"{OWN_LSMS} means the kernel's own security modules, and its "
            "configuration names none (CONFIG_LSM, from 5.1 on)",
            hint="name them: [landlock, bpf]",
        )
    for name in wanted:
        if name == OWN_LSMS:
            continue
        options = _LSM_OPTIONS.get(name, f"SECURITY_{name.upper()}")
        if asked.config.get(options) != "y":
            return GuestRefusal(
                message=f"the security module {name}, but the kernel has none "
                f"(CONFIG_{options})",
                hint="take it out of `lsm`, or use a kernel that has it",
            )
    return None


# Where the option is not SECURITY_NAME.
_LSM_OPTIONS = {
    "bpf": "BPF_LSM",
    "lockdown": "SECURITY_LOCKDOWN_LSM",
    "integrity": "INTEGRITY",
    "capability": "SECURITY",
}


def _lockdown_arguments(asked: Asked) -> tuple[str, ...]:
    wanted, config = asked.environment.lockdown, asked.config
    if wanted is None or asked.environment.lsm is not None:
        return ()
    if config is not None and config.get("SECURITY_LOCKDOWN_LSM_EARLY") == "y":
        # It is there before the command line is read.
        return ()
    own = securitymodules.of_config(config)
    if own is not None and "lockdown" in own:
        return ()
    return (f"lsm={','.join(('lockdown', *(own or ())))}",)


def _lockdown_calls(asked: Asked) -> Iterator[tuple[str, ...]]:
    if asked.environment.lockdown is not None:
        yield "lockdown", asked.environment.lockdown


def _lockdown_refusal(asked: Asked) -> GuestRefusal | None:
    if asked.environment.lockdown in (None, "none"):
        return None
    hint = "use a kernel with CONFIG_SECURITY_LOCKDOWN_LSM=y, or drop `lockdown`"
    if not VersionRange.parse(">=5.4").may_hold(asked.artifact.version):
        return GuestRefusal(
            message="the kernel has none, which was added in 5.4 (000d388ed3bb)",
            hint=hint,
        )
    if asked.config is not None and "SECURITY_LOCKDOWN_LSM" not in asked.config:
        return GuestRefusal(
            message="the kernel was built without it (CONFIG_SECURITY_LOCKDOWN_LSM)",
            hint=hint,
        )
    return None


# ------------------------------------------------------------------------- the rest


def _with_memory(machine: Machine, asked: Asked) -> Machine:
    memory = asked.environment.memory
    return machine if memory is None else replace(machine, memory=memory)


def _own_arguments(asked: Asked) -> tuple[str, ...]:
    return asked.environment.arguments or ()


def _cgroup_calls(asked: Asked) -> Iterator[tuple[str, ...]]:
    if asked.environment.cgroup is not None:
        yield "cgroup", asked.environment.cgroup


def _cgroup_refusal(asked: Asked) -> GuestRefusal | None:
    if asked.environment.cgroup is None or asked.config is None:
        return None
    if asked.config.get("CGROUPS") == "y":
        return None
    return GuestRefusal(
        message="control groups, but the kernel has none (CONFIG_CGROUPS)"
    )


def _module_calls(asked: Asked) -> Iterator[tuple[str, ...]]:
    if asked.modules.needed:
        yield "loaded", *asked.modules.needed


def _mount_calls(asked: Asked) -> Iterator[tuple[str, ...]]:
    for it in asked.environment.mounts or ():
        how = "bind" if it.is_bind else "mount"
        options = ",".join(it.options) or "-"
        yield how, it.type, it.source, it.path, options, *it.flags


def _sysctl_calls(asked: Asked) -> Iterator[tuple[str, ...]]:
    for name, value in (asked.environment.sysctl or {}).items():
        yield "sysctl", name, f"/proc/sys/{'/'.join(sysctl_parts(name))}", str(value)


# In the order of the calls: what comes last may forbid what comes first.
MEANS = (
    Means(
        key="cpus",
        by="QEMU's -smp for those that are possible, the kernel's maxcpus= for those "
        "that start; gaps are taken offline through /sys/devices/system/cpu",
        machine=_with_cpus,
        arguments=_cpu_arguments,
        calls=_cpu_calls,
        refusal=_cpu_refusal,
    ),
    Means(key="memory", by="QEMU's -m", machine=_with_memory),
    Means(
        key="arguments",
        by="the kernel's command line, behind the runner's own",
        arguments=_own_arguments,
    ),
    Means(
        key="lsm",
        by="the kernel's lsm=; /sys/kernel/security/lsm must have them",
        arguments=_lsm_arguments,
        calls=_lsm_calls,
        refusal=_lsm_refusal,
    ),
    Means(
        key="modules",
        by="files of the kernel's package in the initramfs, which the agent loads in "
        "order",
        calls=_module_calls,
    ),
    Means(
        key="interfaces",
        by="ip(8) in the guest; modules of their types are loaded from the kernel's "
        "package",
        calls=guestinterfaces.calls,
        refusal=guestinterfaces.refusal,
    ),
    Means(
        key="mounts",
        by="mount(8) in the guest; /proc/mounts must show the options that are flags",
        calls=_mount_calls,
    ),
    Means(
        key="cgroup",
        by="mounts in /sys/fs/cgroup, one for each controller of /proc/cgroups",
        calls=_cgroup_calls,
        refusal=_cgroup_refusal,
    ),
    Means(
        key="user",
        by="the agent's effective user, group and capabilities while it loads and "
        "attaches; in a user namespace, a process that shares its memory",
    ),
    Means(
        key="sysctl",
        by="/proc/sys, which must show the value afterwards",
        calls=_sysctl_calls,
    ),
    Means(
        key="lockdown",
        by="/sys/kernel/security/lockdown, when all else is there",
        arguments=_lockdown_arguments,
        calls=_lockdown_calls,
        refusal=_lockdown_refusal,
    ),
)


def asked_of(
    kernel: Kernel, artifact: Artifact, modules: ChosenModules = NONE
) -> Asked:
    """Return what a row asks for, with what its kernel says of itself."""
    return Asked(
        environment=kernel.environment,
        artifact=artifact,
        config=config_of(artifact),
        modules=modules,
    )


def saved(asked: Asked) -> GuestEnvironment:
    """Return what makes saved guests differ: not who loads, nor what is so anyway."""
    ignored: dict[str, object] = {"user": None}
    if _are_own(asked):
        ignored["lsm"] = None
    return asked.environment.model_copy(update=ignored)


def set_up_after_boot(asked: Asked) -> dict[str, JsonValue]:
    """Return what is done to a guest that has booted, as files have it, by its keys."""
    shown = asked.environment.shown
    done = [it.key for it in MEANS if next(it.calls(asked), None) is not None]
    return {key: shown[key] for key in done if key in shown}


def require(asked: Asked) -> None:
    """Refuse what a kernel can't have, as far as its files tell.

    Raises EnvironmentUnavailableError.
    """
    for means in MEANS:
        found = means.refusal(asked)
        if found is not None:
            raise EnvironmentUnavailableError(
                f"{asked.artifact.release} can't have the guest that was asked for: "
                f"{means.key}: {found.message}",
                hint=found.hint,
                name=found.name,
                where=("guest", means.key),
            )


def machine_of(plain: Machine, asked: Asked) -> Machine:
    """Return the machine that a guest needs.

    Raises EnvironmentUnavailableError for what an accelerator can't do.
    """
    _require_cpus(plain, asked)
    for means in MEANS:
        plain = means.machine(plain, asked)
    words = (it for means in MEANS for it in means.arguments(asked))
    # What is asked for counts more than what the machine has already.
    return replace(plain, arguments=(*plain.arguments, *words))


def _require_cpus(machine: Machine, asked: Asked) -> None:
    if machine.accelerator != "tcg" or asked.environment.processors.all == 1:
        return
    for range_, why in _ONE_CPU_UNDER_TCG:
        if VersionRange.parse(range_).may_hold(asked.artifact.version):
            raise EnvironmentUnavailableError(
                f"{asked.artifact.release} can't have the guest that was asked for: "
                f"cpus: {why}",
                hint="use KVM, one processor, or another version",
                where=("guest", "cpus"),
            )


def set_up(agent: AgentSession, asked: Asked) -> None:
    """Make a guest that has booted what was asked for, and look whether it is.

    Raises EnvironmentUnavailableError that says what it can't be, and GuestError.
    """
    for means in MEANS:
        for words in means.calls(asked):
            _call(agent, means, words)


def _call(agent: AgentSession, means: Means, words: tuple[str, ...]) -> None:
    argv = [initramfs.ENVIRONMENT, *words]
    said = timely.run(agent, argv, timeouts.LOOK)
    if said.exit == 0:
        return
    why = re.sub(r"\s*\n\s*", "; ", (said.stderr or said.stdout).strip())
    known = saidbyguest.known(means.key, why)
    if why.startswith(_NO_SUCH_SYSCTL):
        why += near(".".join(sysctl_parts(words[1])), _sysctls(agent), "")
    raise EnvironmentUnavailableError(
        f"the guest can't be what was asked for: {means.key}: {why}",
        hint=known.cure if known else "docs/environment.md says how each key is done",
        name=known.failure.name if known else "",
        where=("guest", means.key),
    )


def _sysctls(agent: AgentSession) -> list[str]:
    """Return the names of the guest's sysctls, with dots."""
    root = "/proc/sys"
    said = timely.run(agent, ["find", root, "-type", "f"], timeouts.LOOK)
    paths = said.stdout.split()
    return [it.removeprefix(f"{root}/").replace("/", ".") for it in paths]


# What images/environment says.
_NO_SUCH_SYSCTL = "no such sysctl: "
