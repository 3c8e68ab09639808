"""The tests that a program lists, asked for on this machine before anything boots.

A program under test is not trusted with this machine: it runs without privileges, in an
empty folder, with limits and a deadline. One that can't list its tests so is asked in
its guest.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from runner.arch import native
from runner.harness import kinds
from runner.harness.model import Harness
from runner.harness.tests import MOST_TESTS, clean_name
from runner.process.privileges import dropped
from runner.programs import prepare
from runner.programs.errors import ProgramError
from runner.suites import commandcase
from runner.suites.commandcase import Find
from runner.suites.model import Case

# Seconds; a list takes a tenth of one.
_PATIENCE = 20
_MOST_OUTPUT = 16 << 20


def tests_of(case: Case, find: Find) -> tuple[str, ...] | None:
    """Return the tests of a case's program; None when they can't be known here.

    Never raises: what is wrong with a program is found when it is to run.
    """
    source = commandcase.program(case, find)
    if source is None:
        return None
    try:
        kind = kinds.harness(case.results, source)
        listing = None if kind is None else kind.listing(case.command[1:])
        if kind is None or listing is None:
            return None
        own = native()
        if own is None:
            return None
        if not prepare.prepare(source.resolve(), architecture=own).is_native:
            return None
        return _asked(kind, source, listing)
    except (OSError, ProgramError, subprocess.SubprocessError):
        return None


def _asked(
    kind: Harness, program: Path, listing: Sequence[str]
) -> tuple[str, ...] | None:
    with tempfile.TemporaryDirectory(prefix="bpf-kernel-matrix-list-") as folder:
        os.chmod(folder, 0o755)
        # Another user may not reach the program where it is.
        copy = Path(folder) / prepare.guest_name(program)
        shutil.copyfile(program, copy)
        copy.chmod(0o755)
        empty = Path(folder) / "empty"
        empty.mkdir(mode=0o777)
        with (Path(folder) / "list").open("w+b") as output:
            done = subprocess.run(
                [*_confined(), str(copy), *listing],
                cwd=empty,
                env={"PATH": "/usr/bin:/bin", "HOME": str(empty)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                timeout=_PATIENCE,
                start_new_session=True,
            )
            output.seek(0)
            text = output.read(_MOST_OUTPUT).decode("utf-8", "replace")
    if done.returncode != 0:
        return None
    try:
        names = kind.names(text)
    except ValueError:
        return None
    if (
        not names
        or len(names) > MOST_TESTS
        or any(it != clean_name(it) for it in names)
    ):
        return None
    return names


def _confined() -> list[str]:
    """Return the command, of util-linux, that starts a program without privileges."""
    limiting = shutil.which("prlimit") or "prlimit"
    return [
        *("setpriv", *dropped(Path(limiting)), limiting),
        *("--core=0", f"--fsize={_MOST_OUTPUT}", f"--cpu={_PATIENCE}"),
    ]
