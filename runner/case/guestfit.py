"""What a case wants of its guest that it will not get, told before the boot."""

import re
from collections.abc import Iterator

from runner.facts.model import Presence
from runner.guest.environment import EnvironmentUnavailableError
from runner.matrix import interfaces
from runner.matrix.environment import GuestEnvironment, User
from runner.suites.attachplaces import interface_of
from runner.suites.known import KnownKernel
from runner.suites.model import OTHER_LOADERS, Case
from runner.versions import VersionRange

# Those that drivers make by themselves when they are loaded or built in, such as
# sit_init() and dummy_init_module() in the kernel's net/ and drivers/net/.
_OF_DRIVERS = re.compile(
    r"(sit|tunl|ip6tnl|gre|gretap|erspan|ip_vti|ip6_vti|ip6gre|dummy|bond|ifb|teql)\d+"
)

_USER_NS = "CONFIG_USER_NS=y"
_TOKENS_SINCE = "6.9"


def require(case: Case, environment: GuestEnvironment, kernel: KnownKernel) -> None:
    """Refuse a guest that the case can't use, or that can't be used as it is asked for.

    `environment` is what row, suite and case say together. Raises
    EnvironmentUnavailableError.
    """
    _require_user(case, environment, kernel)
    for program, place, name in _interfaces_of(case, kernel):
        _require_interface(f"{program}: {place}", name, environment)


def _require_user(
    case: Case, environment: GuestEnvironment, kernel: KnownKernel
) -> None:
    if environment.loader.is_root:
        return
    _require_namespace(environment.loader, kernel)
    if case.command:
        why = "a `command` runs as the user that its key `as` names"
    elif not case.object:
        why = "loaders in `files` run as root"
    elif (loader := case.loader_on(kernel)) in OTHER_LOADERS:
        why = f"the loader {loader} always loads as root"
    else:
        return
    raise EnvironmentUnavailableError(
        f"guest.user: {why}",
        hint="it works with an `object` and the loaders libbpf and compat; leave it "
        "out here, or skip the case",
    )


def _require_namespace(user: User, kernel: KnownKernel) -> None:
    if user.namespace and kernel.config and _USER_NS not in kernel.config.splitlines():
        raise EnvironmentUnavailableError(
            "guest.user.namespace: the kernel has no user namespaces (CONFIG_USER_NS)",
            hint="use another kernel, or leave it out",
        )
    if user.token is not None and not _has_tokens(kernel):
        raise EnvironmentUnavailableError(
            "guest.user.token: the kernel has no BPF tokens, which were added in "
            f"{_TOKENS_SINCE} (35f96de04127)",
            hint="skip the case there: `needs: {type: struct bpf_token}`",
        )


def _has_tokens(kernel: KnownKernel) -> bool:
    """Whether it has them, or may have."""
    judgement = kernel.judge("type", "struct bpf_token")
    if judgement.is_known:
        return judgement.presence is Presence.PRESENT
    since = VersionRange.parse(f">={_TOKENS_SINCE}")
    return kernel.version is None or since.may_hold(kernel.version)


def _interfaces_of(case: Case, kernel: KnownKernel) -> Iterator[tuple[str, str, str]]:
    """Yield programs, their places, and the interfaces in those."""
    if not case.attach:
        return
    for name, program in case.programs.items():
        place = program.place(kernel)
        if place and (interface := interface_of(place)):
            yield name, place, interface


def _require_interface(what: str, name: str, environment: GuestEnvironment) -> None:
    wanted = environment.interfaces or ()
    there = interfaces.of_own_namespace(wanted)
    # What a module of the user's choice makes by itself, nobody knows.
    if name in there or environment.modules or _OF_DRIVERS.fullmatch(name):
        return
    elsewhere = {end.name: netns for netns, end in interfaces.ends(wanted) if netns}
    if name in elsewhere:
        raise EnvironmentUnavailableError(
            f"{what}: {name} is in the network namespace {elsewhere[name]}, and "
            "programs are attached in the guest's own",
            hint="attach to the other end of the pair, or leave out `netns`",
        )
    raise EnvironmentUnavailableError(
        f"{what}: the guest has no interface {name}; it has {', '.join(there)}",
        hint="correct the name, or add the interface to `guest: {interfaces: …}` "
        "(docs/environment.md)",
    )
