"""What only a guest says of the environment that is asked of it: classes and cures."""

from dataclasses import dataclass

from runner.failures.classes import (
    MODULE_BTF_INVALID,
    MODULE_MISSING,
    SYSCTL,
    FailureClass,
)


@dataclass(frozen=True, kw_only=True)
class SaidByGuest:
    """What only a guest says of a key, known by its words."""

    key: str
    # One of these is among those of images/environment; empty for all others.
    words: tuple[str, ...] = ()
    failure: FailureClass
    # What to do; empty for what is to be done of all failures of the class.
    own_cure: str = ""

    @property
    def cure(self) -> str:
        """What to do."""
        return self.own_cure or self.failure.cure

    def is_said_in(self, why: str) -> bool:
        """Whether it is what a guest said."""
        return not self.words or any(it in why for it in self.words)


_TABLE = (
    SaidByGuest(key="sysctl", failure=SYSCTL),
    # btf_module_notify() in kernel/bpf/btf.c.
    SaidByGuest(
        key="modules", words=("failed to validate module",), failure=MODULE_BTF_INVALID
    ),
    # moderror() of busybox's modutils.c: ENODEV; ENOEXEC, ESRCH and ENOENT.
    SaidByGuest(
        key="modules",
        words=("No such device",),
        failure=MODULE_MISSING,
        own_cure="take the module out of `modules`, or skip the case on this kernel. "
        "The kernel has the module, and it drives nothing that the guest has; under "
        "KVM, a guest has the host's processor",
    ),
    SaidByGuest(
        key="modules",
        words=("invalid module format", "wrong symbol version", "unknown symbol"),
        failure=MODULE_MISSING,
        own_cure="use the modules of this kernel's own package or build: the module "
        "was made for another one, as the message says",
    ),
    SaidByGuest(
        key="modules",
        failure=MODULE_MISSING,
        own_cure="take the module out of `modules`, give the guest what it needs, or "
        "skip the case on this kernel. The kernel has the module, and refuses it for "
        "the reason in the message",
    ),
)


def known(key: str, why: str) -> SaidByGuest | None:
    """Return what is known of a guest's words on a key of `guest`; None for nothing."""
    return next((it for it in _TABLE if it.key == key and it.is_said_in(why)), None)
