"""BTF of kernels: found, made, verified, cut down."""

from runner.artifacts.btf.choose import KERNEL, Chosen, Material, choose, identity

__all__ = ["KERNEL", "Chosen", "Material", "choose", "identity"]
