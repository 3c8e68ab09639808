"""What a case wants of its guest that it will not get, told before the boot."""

import re
from collections.abc import Iterable, Iterator, Sequence

from runner.case import placefit
from runner.facts.model import Presence
from runner.guest.environment import EnvironmentUnavailableError
from runner.matrix import interfaces
from runner.matrix.environment import GuestEnvironment, User
from runner.suites.attachplaces import interface_of
from runner.suites.known import KnownKernel
from runner.suites.model import OTHER_LOADERS, Case, Command, CommandTruth
from runner.versions import VersionRange

# Those that drivers make by themselves when they are loaded or built in, such as
# sit_init() and dummy_init_module() in the kernel's net/ and drivers/net/.
_OF_DRIVERS = re.compile(
    r"(sit|tunl|ip6tnl|gre|gretap|erspan|ip_vti|ip6_vti|ip6gre|dummy|bond|ifb|teql)\d+"
)

_USER_NS = "CONFIG_USER_NS=y"
_TOKENS_SINCE = "6.9"


def require(
    case: Case,
    environment: GuestEnvironment,
    kernel: KnownKernel,
    suite: Sequence[Case] = (),
) -> None:
    """Refuse a guest that the case can't use, or that can't be used as it is asked for.

    `environment` is what row, suite and case say together, and `suite` has the cases
    that may have used the guest before. Raises EnvironmentUnavailableError.
    """
    _require_user(case, environment, kernel)
    for program, place in _places_of(case, kernel):
        name = interface_of(place)
        if name:
            _require_interface(program, place, name, environment)
        found = placefit.misfit(place, environment)
        if found is None or _is_made(found, (case, *suite)):
            continue
        declared = case.failure_on(kernel)
        # What the suite expects of the kernel, the kernel is to say.
        if declared is None or found.failure.name not in declared.classes:
            raise EnvironmentUnavailableError(
                f"{program}: {place}: {found.what}",
                hint=found.hint,
                name=found.failure.name,
                where=("programs", program, "attach"),
            )


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
        where=("guest", "user"),
    )


def _require_namespace(user: User, kernel: KnownKernel) -> None:
    if user.namespace and kernel.config and _USER_NS not in kernel.config.splitlines():
        raise EnvironmentUnavailableError(
            "guest.user.namespace: the kernel has no user namespaces (CONFIG_USER_NS)",
            hint="use another kernel, or leave it out",
            where=("guest", "user"),
        )
    if user.token is not None and not _has_tokens(kernel):
        raise EnvironmentUnavailableError(
            "guest.user.token: the kernel has no BPF tokens, which were added in "
            f"{_TOKENS_SINCE} (35f96de04127)",
            hint="skip the case there: `needs: {type: struct bpf_token}`",
            where=("guest", "user"),
        )


def _has_tokens(kernel: KnownKernel) -> bool:
    """Whether it has them, or may have."""
    judgement = kernel.judge("type", "struct bpf_token")
    if judgement.is_known:
        return judgement.presence is Presence.PRESENT
    since = VersionRange.parse(f">={_TOKENS_SINCE}")
    return kernel.version is None or since.may_hold(kernel.version)


def _places_of(case: Case, kernel: KnownKernel) -> Iterator[tuple[str, str]]:
    """Yield programs, and where each is attached, as far as the suite says."""
    if not case.attach:
        return
    for name, program in case.programs.items():
        place = program.place(kernel)
        if place:
            yield name, place


def _is_made(found: placefit.PlaceMisfit, cases: Iterable[Case]) -> bool:
    """Whether a command may make the place."""
    return bool(found.makeable) and any(
        # What a program of the suite's own makes, nobody knows.
        case.files
        or case.command
        or any(found.makeable in word for it in _commands(case) for word in it)
        for case in cases
    )


def _commands(case: Case) -> Iterator[Sequence[str]]:
    for it in (*case.trigger, *case.truth.values()):
        if isinstance(it, Command | CommandTruth):
            yield it.command


def _require_interface(
    program: str, place: str, name: str, environment: GuestEnvironment
) -> None:
    what, where = f"{program}: {place}", ("programs", program, "attach")
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
            where=where,
        )
    raise EnvironmentUnavailableError(
        f"{what}: the guest has no interface {name}; it has {', '.join(there)}",
        hint="correct the name, or add the interface to `guest: {interfaces: …}` "
        "(docs/environment.md)",
        where=where,
    )
