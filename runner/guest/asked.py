"""What is asked of a guest, and why a kernel can't have it."""

from dataclasses import dataclass

from runner.kernels import guestconfig
from runner.kernels.artifact import Artifact
from runner.kernels.modulefiles import NONE, ChosenModules
from runner.matrix.environment import GuestEnvironment


@dataclass(frozen=True, kw_only=True)
class GuestRefusal:
    """Why a kernel can't have what was asked for, as its files say before a boot."""

    message: str
    hint: str = ""
    # Of a failure class; empty for the usual one.
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked for, and the kernel that is to have it."""

    environment: GuestEnvironment
    artifact: Artifact
    # The options of its configuration; None when it is unknown.
    config: dict[str, str] | None
    # Its modules that were asked for, with those that they need.
    modules: ChosenModules = NONE


def config_of(artifact: Artifact) -> dict[str, str] | None:
    """Return the options of a kernel's configuration; None when it is unknown."""
    text = artifact.config_text()
    return None if text is None else guestconfig.parse(text)
