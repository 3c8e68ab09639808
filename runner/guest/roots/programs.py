"""The program of a command that runs in a root."""

from runner.failures.classes import PROGRAM_BAD
from runner.guest.roots.image import RootImage
from runner.programs.errors import ProgramError
from runner.text.nearest import did_you_mean


def require(root: RootImage, name: str, search: str) -> None:
    """Refuse a command that a root does not have.

    A name without "/" is looked up in the folders of `search`, joined by ":". Raises
    ProgramError.
    """
    contents = root.contents
    if "/" in name:
        if contents.is_program(name):
            return
    elif contents.program(name, search) is not None:
        return
    instead = did_you_mean(name.rpartition("/")[2], contents.names)
    raise ProgramError(
        f"the root {root.name} has no program {name!r}",
        failure_class=PROGRAM_BAD.name,
        hint=instead or "install it into the root, or name a file of this machine",
    )
