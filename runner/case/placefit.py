"""Places of programs that their guest is known not to have as they are wanted.

Only what the guest is asked to be tells before the boot; what else a place must have,
the kernel says when the program is attached (runner/failures/attachrefusals.py).
"""

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from runner.failures.classes import (
    ATTACH_PLACE_UNFIT,
    CGROUP_VERSION,
    USER_TARGET_MISSING,
    XDP_MODE_UNSUPPORTED,
    FailureClass,
)
from runner.matrix import interfaces
from runner.matrix.environment import GuestEnvironment
from runner.text.nearest import near

_NETNS = re.compile(r"/*(?:var/)?run/netns/([^/]+)")
_GROUPS = "/sys/fs/cgroup"
_UNIFIED = "unified"
# Controllers that have a folder each in version 1 (Documentation/admin-guide/cgroup-v1
# and rstat of kernel/cgroup/cgroup-v1.c).
_CONTROLLERS = frozenset(
    {
        *("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb"),
        *("memory", "misc", "net_cls", "net_prio", "perf_event", "pids", "rdma"),
    }
)
# Types whose drivers have no ndo_bpf(): drivers/net/loopback.c and dummy.c.
_GENERIC_ONLY = ("loopback", "dummy")


@dataclass(frozen=True, kw_only=True)
class PlaceMisfit:
    """Why a program can't be attached to a place, as attaching it would find."""

    failure: FailureClass
    what: str
    hint: str
    # What a command would name that makes the place; empty where none helps.
    makeable: str = ""


def misfit(place: str, environment: GuestEnvironment) -> PlaceMisfit | None:
    """Return why a guest's place takes no program; None where it may."""
    kind, _, rest = place.partition("/")
    find = _KINDS.get(kind)
    return None if find is None or "${" in rest else find(rest, environment)


def _types(environment: GuestEnvironment) -> Mapping[str, str]:
    """Return the type of each interface that the guest is asked to have."""
    made = {
        end.name: it.type
        for it in environment.interfaces or ()
        for netns, end in interfaces.ends((it,))
        if not netns
    }
    return {"lo": "loopback", "eth0": "Ethernet", **made}


def _netkit(rest: str, environment: GuestEnvironment) -> PlaceMisfit | None:
    name = rest.partition("/")[0]
    type_ = _types(environment).get(name)
    if type_ not in (None, "netkit"):
        return PlaceMisfit(
            failure=ATTACH_PLACE_UNFIT,
            what=f"{name} is of the type {type_}, not netkit",
            hint="attach to it with tcx/… or tc/…, or give it `type: netkit`",
        )
    for it in environment.interfaces or ():
        # netkit_dev_fetch() in drivers/net/netkit.c: -EACCES.
        if it.type == "netkit" and it.peer is not None and it.peer.name == name:
            return PlaceMisfit(
                failure=ATTACH_PLACE_UNFIT,
                what=f"{name} is the peer of {it.name}, and programs of both ends are "
                "attached to the first",
                hint=f"write netkit/{it.name}/peer",
            )
    return None


def _xdp(rest: str, environment: GuestEnvironment) -> PlaceMisfit | None:
    name, _, mode = rest.partition("/")
    type_ = _types(environment).get(name)
    if mode != "native" or type_ not in _GENERIC_ONLY:
        return None
    return PlaceMisfit(
        failure=XDP_MODE_UNSUPPORTED,
        what=f"interfaces of the type {type_} run no XDP programs in native mode",
        hint=f"write xdp/{name}/generic, or attach to a veth pair, which has both",
    )


def _netns(rest: str, environment: GuestEnvironment) -> PlaceMisfit | None:
    named = _NETNS.fullmatch(rest)
    there = {netns for netns, _ in interfaces.ends(environment.interfaces or ())} - {""}
    if named is None or named[1] in there:
        return None
    return PlaceMisfit(
        failure=ATTACH_PLACE_UNFIT,
        what=f"nobody makes the network namespace {named[1]}{near(named[1], there)}",
        hint="put the peer of an interface into it: `peer: {name: …, netns: "
        f"{named[1]}}}` (docs/environment.md)",
        makeable=named[1],
    )


def _cgroup(rest: str, environment: GuestEnvironment) -> PlaceMisfit | None:
    path = posixpath.normpath(f"/{rest.lstrip('/')}")
    own = any(f"{path}/".startswith(f"{it.path}/") for it in environment.mounts or ())
    if own or not f"{path}/".startswith(f"{_GROUPS}/"):
        return None
    below = PurePosixPath(path).relative_to(_GROUPS).parts
    version = environment.cgroup or "v2"
    if version == "v2":
        return _group_of(_GROUPS, below)
    if version == "hybrid" and below[:1] == (_UNIFIED,):
        return _group_of(f"{_GROUPS}/{_UNIFIED}", below[1:])
    return PlaceMisfit(
        failure=CGROUP_VERSION,
        what=f"programs are attached to groups of version 2, and with cgroup {version} "
        "that folder has none",
        hint=f"write cgroup{_GROUPS}/{_UNIFIED} with `guest: {{cgroup: hybrid}}`, or "
        f"cgroup{_GROUPS} with v2",
    )


def _group_of(root: str, below: tuple[str, ...]) -> PlaceMisfit | None:
    """Return what is wrong with a folder below the root of version 2's hierarchy."""
    if not below:
        return None
    folder = f"{root}/{below[0]}"
    if root == _GROUPS and below[0] in (*_CONTROLLERS, _UNIFIED):
        return PlaceMisfit(
            failure=USER_TARGET_MISSING,
            what=f"{folder} is a folder of cgroup v1 or hybrid, and the guest has "
            "cgroup v2",
            hint=f"write cgroup{_GROUPS}, or `guest: {{cgroup: hybrid}}`",
            makeable=below[0],
        )
    return PlaceMisfit(
        failure=USER_TARGET_MISSING,
        what=f"nobody makes the control group {folder}",
        hint=f"write cgroup{root}, which each guest has; groups that an earlier case "
        "makes with mkdir are there with `reuse: suite`",
        makeable=below[0],
    )


_KINDS: Mapping[str, Callable[[str, GuestEnvironment], PlaceMisfit | None]] = {
    "netkit": _netkit,
    "xdp": _xdp,
    "netns": _netns,
    "sk_lookup": _netns,
    "flow_dissector": _netns,
    "cgroup": _cgroup,
}
