"""Kernels built from source, as guests need them and no larger."""

from runner.kernels.kernelbuild.build import Built, build, missing
from runner.kernels.kernelbuild.recipe import Recipe, load

__all__ = ["Built", "Recipe", "build", "load", "missing"]
