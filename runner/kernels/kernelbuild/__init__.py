"""Kernels built from source, as guests need them and no larger."""

from runner.kernels.kernelbuild.build import Built, build, check, missing
from runner.kernels.kernelbuild.recipe import Recipe, load

__all__ = ["Built", "Recipe", "build", "check", "load", "missing"]
