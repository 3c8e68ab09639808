"""BTF of kernels: found, made, verified, cut down."""

from runner.kernels.btf.choose import KERNEL, Chosen, Material, choose, identity, now
from runner.kernels.btf.pinned import PinnedBtf, hold

__all__ = [
    "KERNEL",
    "Chosen",
    "Material",
    "PinnedBtf",
    "choose",
    "hold",
    "identity",
    "now",
]
