"""Interfaces that a guest has besides its own, in the words of ip-link(8)."""

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from runner.files.modelfile import FileEntry

# IFNAMSIZ is 16, with the zero at the end (include/uapi/linux/if.h).
_LONGEST = 15
# Those that a guest has: lo of the kernel, eth0 of QEMU.
OWN = ("lo", "eth0")
# Folders of /proc/sys/net/ipv4/conf that mean all interfaces.
_MEANING_ALL = ("all", "default")
# QEMU's network, over which the runner works in a guest.
_QEMU = ipaddress.ip_network("10.0.2.0/24")
_Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def _interface_name(name: str) -> str:
    if len(name) > _LONGEST:
        raise ValueError(
            f"{name!r} has {len(name)} characters, and kernels take {_LONGEST}"
        )
    if name in OWN:
        raise ValueError(f"each guest has {name} already; choose another name")
    if name in (*_MEANING_ALL, ".", ".."):
        raise ValueError(f"no interface can be called {name!r}")
    return name


def _parsed(text: str) -> _Address:
    try:
        return ipaddress.ip_interface(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not an address; write one such as 10.0.0.1/24 or fd00::1/64"
        ) from error


def _with_prefix(text: str) -> str:
    address = _parsed(text)
    if "/" not in text:
        raise ValueError(
            f"{text!r} says nothing of its network; write {text}/"
            f"{24 if address.version == 4 else 64} or another length"
        )
    return text


_Name = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_.-]+$"), AfterValidator(_interface_name)
]
_Addresses = tuple[Annotated[str, AfterValidator(_with_prefix)], ...]


class Peer(FileEntry):
    """The other end of a pair."""

    name: _Name
    """Its name."""

    addresses: _Addresses = ()
    """Its addresses: [10.0.0.2/24]. Without one of IPv6, IPv6 is off."""

    netns: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)] | None = (
        None
    )
    """The network namespace that it is in, which is made and is in
    /run/netns. The default is the guest's own."""


class Interface(FileEntry):
    """An interface of a guest, which is up."""

    name: _Name
    """Its name. Programs are attached to it by that: tc/veth0/ingress."""

    type: Literal["veth", "dummy", "netkit"] = "veth"
    """What it is: `veth`, a pair of Ethernet interfaces; `netkit`, a pair that programs
    are attached to (from 6.7 on); or `dummy`, which drops what is sent."""

    addresses: _Addresses = ()
    """Its addresses: [10.0.0.1/24, "fd00::1/64"]. Without one of IPv6, IPv6 is off."""

    peer: Peer | None = None
    """The other end of a veth or netkit pair."""

    @model_validator(mode="after")
    def _has_both_ends(self) -> "Interface":
        if self.type == "dummy" and self.peer is not None:
            raise ValueError("an interface of the type dummy has no peer")
        if self.type != "dummy" and self.peer is None:
            raise ValueError(
                f"an interface of the type {self.type} has a peer: {{name: …}}"
            )
        return self


# An end, with the name of its namespace; "" is the guest's own.
End = tuple[str, Interface | Peer]


def ends(interfaces: tuple[Interface, ...]) -> Iterator[End]:
    """Yield each end of all interfaces."""
    for each in interfaces:
        yield "", each
        if each.peer is not None:
            yield each.peer.netns or "", each.peer


# Their addresses of Ethernet are numbered by one byte.
_MOST = 64


def fitting(interfaces: tuple[Interface, ...]) -> tuple[Interface, ...]:
    """Return interfaces that can be there together. Raises ValueError otherwise."""
    if len(interfaces) > _MOST:
        raise ValueError(f"a guest has at most {_MOST} interfaces of these")
    names: set[tuple[str, str]] = set()
    addresses: set[tuple[str, str]] = set()
    for netns, end in ends(interfaces):
        if (netns, end.name) in names:
            raise ValueError(f"two interfaces are called {end.name}")
        names.add((netns, end.name))
        for text in end.addresses:
            address = _parsed(text)
            if (netns, str(address.ip)) in addresses:
                raise ValueError(f"two interfaces have the address {address.ip}")
            addresses.add((netns, str(address.ip)))
            if not netns and address.network.overlaps(_QEMU):
                raise ValueError(
                    f"{text}: the runner needs {_QEMU}, QEMU's network, for itself; "
                    "choose another network, or give a peer a netns"
                )
    return interfaces


def of_own_namespace(interfaces: tuple[Interface, ...]) -> tuple[str, ...]:
    """Return the names of all interfaces that programs can be attached to."""
    return (*OWN, *(end.name for netns, end in ends(interfaces) if not netns))
