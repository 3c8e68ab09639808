"""What a case wants of its guest that it will not get, told before the boot."""

import re
from collections.abc import Iterator

from runner.guest.environment import EnvironmentUnavailableError
from runner.matrix import interfaces
from runner.matrix.environment import GuestEnvironment
from runner.suites.attachplaces import interface_of
from runner.suites.known import KnownKernel
from runner.suites.model import OTHER_LOADERS, Case

# Those that drivers make by themselves when they are loaded or built in, such as
# sit_init() and dummy_init_module() in the kernel's net/ and drivers/net/.
_OF_DRIVERS = re.compile(
    r"(sit|tunl|ip6tnl|gre|gretap|erspan|ip_vti|ip6_vti|ip6gre|dummy|bond|ifb|teql)\d+"
)


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
