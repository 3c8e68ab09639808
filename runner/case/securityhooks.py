"""Whether programs of BPF LSM were attached in a guest that never calls them."""

from runner.case.attempt import Attempt
from runner.kernels.securitymodules import BPF
from runner.preflight.securityhooks import reason
from runner.suites.checks.text import listing

_TYPE = "lsm"


def uncalled(attempt: Attempt) -> str:
    """Return which programs are attached and never called; empty for none.

    Also where the kernel does not tell which security modules it has.
    """
    states = attempt.states.programs
    hooks = [it.name for it in states if it.attached and it.type == _TYPE]
    modules = attempt.guest.security_modules if hooks else None
    if modules is None or BPF in modules:
        return ""
    return f"{listing(hooks)}: {reason(modules)}"
