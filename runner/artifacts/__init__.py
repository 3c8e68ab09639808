"""Kernels and all their files: fetched, verified, kept."""

from runner.artifacts.artifact import Artifact
from runner.artifacts.fetch import cached, obtain, pinned, version_of

__all__ = ["Artifact", "cached", "obtain", "pinned", "version_of"]
