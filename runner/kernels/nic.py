"""Which of QEMU's network cards a kernel has a driver for."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

# As QEMU names its devices.
Nic = Literal["virtio-net-pci", "e1000"]


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
CARDS = (
    Card(
        device="virtio-net-pci",
        modules=("virtio_pci", "virtio_net"),
        options=("VIRTIO_PCI", "VIRTIO_NET"),
    ),
    Card(device="e1000", modules=("e1000",), options=("E1000",)),
)


def choose(drivers: Container[str]) -> Card | None:
    """Return the first card whose drivers are all there, or None."""
    for card in CARDS:
        if all(name in drivers for name in card.modules):
            return card
    return None
