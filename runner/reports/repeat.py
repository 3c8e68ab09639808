"""The command that runs a case again."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from runner.results import CaseResult

_SUITE_FILE = "suite.yaml"


@dataclass(frozen=True, kw_only=True)
class RepeatCommand:
    """A command without the kernel, which comes between its parts."""

    program: str
    selection: str

    def on(self, kernel: str) -> str:
        """Return the whole command, to be pasted into a shell."""
        return f"{self.program} --kernels {shlex.quote(kernel)} {self.selection}"


def command(case: CaseResult, guest: Sequence[str] = ()) -> RepeatCommand:
    """Return what runs a case again in the folder where the run was started.

    `guest` is what the run had for --guest.
    """
    file, _, _ = case.nodeid.partition("::")
    path = PurePosixPath(file)
    name = f"{case.suite}::{case.case}"
    # What lies elsewhere was made for the run, as for --object.
    is_below = bool(file) and not path.is_absolute() and ".." not in path.parts
    if is_below and path.suffix == ".py":
        test, _, _ = case.case.rpartition("::")[2].partition("[")
        words = ["python", "-m", "pytest"], [file, "-k", test]
    elif is_below and path.name == _SUITE_FILE:
        words = ["bpf-kernel-matrix"], ["--suite", str(path.parent), "-k", name]
    else:
        words = ["bpf-kernel-matrix"], ["-k", name]
    asked = [word for setting in guest for word in ("--guest", setting)]
    selection = [*asked, *words[1]]
    return RepeatCommand(program=shlex.join(words[0]), selection=shlex.join(selection))
