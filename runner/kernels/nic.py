"""Which of QEMU's network cards a kernel has a driver for."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from runner.arch import Architecture

# As QEMU names its devices.
Nic = Literal["virtio-net-pci", "virtio-net-ccw", "e1000"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """A network card, and what drives it."""

    device: Nic
    # As modules call themselves, in the order in which they load.
    modules: tuple[str, ...]
    # Their options, without CONFIG_.
    options: tuple[str, ...]


# In the order in which they are taken. virtio is faster, and is what guests have had
# since 2.6; e1000 is for kernels that were made for bare metal or other hypervisors.
# Which of them an architecture's machine can have is in runner/arch/table.py.
CARDS = (
    Card(
        device="virtio-net-pci",
        modules=("virtio_pci", "virtio_net"),
        options=("VIRTIO_PCI", "VIRTIO_NET"),
    ),
    # The driver of the bus is built in where a kernel is made for guests.
    Card(
        device="virtio-net-ccw",
        modules=("virtio_net",),
        options=("VIRTIO_NET",),
    ),
    Card(device="e1000", modules=("e1000",), options=("E1000",)),
)


def of(architecture: Architecture) -> tuple[Card, ...]:
    """Return the cards that an architecture's machine can have, the best first."""
    return tuple(it for it in CARDS if it.device in architecture.board.cards)


def choose(drivers: Container[str], architecture: Architecture) -> Card | None:
    """Return the first card whose drivers are all there, or None."""
    for card in of(architecture):
        if all(name in drivers for name in card.modules):
            return card
    return None
