"""How the interfaces of a guest come to be: modules of the kernel's, and ip(8)."""

from collections.abc import Iterator
from dataclasses import dataclass

from runner.guest.asked import Asked, GuestRefusal
from runner.matrix import interfaces
from runner.matrix.environment import GuestEnvironment
from runner.versions import VersionRange


@dataclass(frozen=True, kw_only=True)
class _InterfaceKind:
    """What a kernel needs for interfaces of a type."""

    # Of its configuration.
    option: str
    # Whether it may be a module, which has the name of the type.
    modular: bool = True
    # The version that added it; empty for all.
    since: str = ""
    # Whether it has an address of Ethernet that can be set. netkit has none in its mode
    # L3, the default.
    has_mac: bool = True


_INTERFACES = {
    "veth": _InterfaceKind(option="VETH"),
    "dummy": _InterfaceKind(option="DUMMY"),
    # 35dfaad7188c.
    "netkit": _InterfaceKind(
        option="NETKIT", modular=False, since="6.7", has_mac=False
    ),
}


def _missing(type_: str, asked: Asked) -> str:
    """Return why a kernel has no interfaces of a type; empty where it may have them."""
    kind = _INTERFACES[type_]
    if asked.config is not None:
        # Vendors take features back to older versions.
        built_without = f"the kernel was built without (CONFIG_{kind.option})"
        return "" if kind.option in asked.config else built_without
    since = VersionRange.parse(f">={kind.since}") if kind.since else None
    if since is None or since.may_hold(asked.artifact.version):
        return ""
    return f"was added in {kind.since}"


def refusal(asked: Asked) -> GuestRefusal | None:
    """Return why a kernel can't have interfaces, as far as its files tell."""
    wanted = asked.environment.interfaces or ()
    for each in wanted:
        if why := _missing(each.type, asked):
            return GuestRefusal(
                message=f"{each.name} is of the type {each.type}, which {why}",
                hint="use another type, or skip the case on this kernel",
            )
    spaces = [netns for netns, _ in interfaces.ends(wanted) if netns]
    if spaces and asked.config is not None and "NET_NS" not in asked.config:
        return GuestRefusal(
            message=f"the network namespace {spaces[0]}, but the kernel has none "
            "(CONFIG_NET_NS)",
            hint="leave out `netns`, or use a kernel that has them",
        )
    return None


def calls(asked: Asked) -> Iterator[tuple[str, ...]]:
    """Yield the calls of images/environment that make them."""
    wanted = asked.environment.interfaces or ()
    for each in wanted:
        if each.peer is None:
            yield each.type, each.name
        else:
            space = (each.peer.netns,) if each.peer.netns else ()
            yield "pair", each.type, each.name, each.peer.name, *space
    # The same ones after each boot, so that programs may compare them.
    macs = (f"02:00:00:00:00:{number:02x}" for number in range(1, 256))
    for each in wanted:
        for netns, end in interfaces.ends((each,)):
            mac = next(macs) if _INTERFACES[each.type].has_mac else "-"
            yield "up", end.name, netns or "-", mac, *end.addresses


def modules_of(
    environment: GuestEnvironment, config: dict[str, str] | None
) -> tuple[str, ...]:
    """Return the modules that a guest loads: those it names, and its interfaces'.

    `config` is the kernel's; None when it is unknown.
    """
    found = [*(environment.modules or ())]
    wanted = dict.fromkeys(it.type for it in environment.interfaces or ())
    for type_ in wanted:
        kind = _INTERFACES[type_]
        if kind.modular and (config is None or config.get(kind.option) == "m"):
            found.append(type_)
    return tuple(found)
