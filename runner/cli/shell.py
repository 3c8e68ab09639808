"""`shell`: a guest to look around in."""

import argparse
import contextlib
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner import timeouts
from runner.cli import onekernel
from runner.cli.called import program
from runner.errors import UsageError, file_errors
from runner.files.cache import Cache
from runner.guest import firstwords, guest, host, terminal
from runner.guest.guest import Guest, Origin
from runner.guest.life import Life, Starts
from runner.kernels import fetch
from runner.run import options
from runner.text import progress

_USAGE = "%(prog)s [OPTION ...] KERNEL [OPTION ...] [COMMAND ...]"
# Where copied files go.
_FOLDER = "/run/agent"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.usage = _USAGE
    _add_words(parser)
    _add_options(parser)


def _add_words(parser: argparse.ArgumentParser) -> None:
    # One for both: argparse would drop a -- that stands behind KERNEL.
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="KERNEL [COMMAND ...]",
        help="an id of the matrix, and a command to run instead of a shell, as with "
        "ssh; the exit status is the command's. Everything after its first word "
        "goes to the guest; write -- before a command that begins with a dash",
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--put",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help=f"copy a file to {_FOLDER} first, such as an object or a program; may be "
        "given several times",
    )
    options.add(parser, "--accel", *options.TIMEOUTS)
    options.add_as(parser, "--cold", "boot, without the kernel's snapshot")
    options.add(parser, *options.KERNEL_FILES, "--guest")


def with_options(arguments: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments with the kernel, and the options that stand behind it.

    Ends the program, as argparse does, for anything that is not an option.
    """
    parser = argparse.ArgumentParser(
        prog=f"{program()} shell", usage=_USAGE, add_help=False, allow_abbrev=False
    )
    _add_words(parser)
    _add_options(parser)
    if not arguments.words:
        parser.error("the following arguments are required: KERNEL")
    arguments.selector, *behind = arguments.words
    arguments.words = []
    parser.parse_args(behind, arguments)
    if arguments.words[:1] == ["--"]:
        del arguments.words[0]
    return arguments


@dataclass(frozen=True, kw_only=True)
class CopiedFile:
    """A file that goes to the guest."""

    name: str
    content: bytes
    # Of its permissions.
    mode: int


def main(arguments: argparse.Namespace) -> int:
    """Give a shell in a new guest, and end the guest with it.

    Raises UsageError for a kernel that the matrix lacks or a file that can't be read,
    ArtifactError or GuestError when there is no guest to be had.
    """
    arguments = with_options(arguments)
    cache = Cache()
    kernel = onekernel.find(arguments, cache)
    files = [copied(path) for path in arguments.put]
    _require_distinct(files)
    found = fetch.obtain(kernel, cache, progress.progress())
    machine = host.inspect(
        cache,
        accelerator=arguments.accel,
        boot_timeout=arguments.boot_timeout,
        timeout_scale=arguments.timeout_scale,
        cold=arguments.cold,
    )
    origin = Origin(kernel=kernel, artifact=found, host=machine)
    origin.require()
    life = Life(Starts(kernel=kernel.id))
    with (
        contextlib.closing(machine.snapshots),
        tempfile.TemporaryDirectory(prefix="bpf-kernel-matrix-") as folder,
        guest.start(origin, Path(folder) / "console.log", life) as up,
    ):
        firstwords.note(up.first_words, (kernel.splats,), life.starts)
        for file in files:
            with up.doing(f"copying {file.name}"):
                up.agent.put(
                    f"{_FOLDER}/{file.name}",
                    file.content,
                    mode=file.mode,
                    timeout=timeouts.TRANSFER.seconds,
                )
        return _attend(up, arguments.words)


def copied(path: Path) -> CopiedFile:
    """Return a file as it goes to the guest. Raises UsageError for no file."""
    with file_errors(UsageError, f"--put {path}"):
        return CopiedFile(
            name=path.name,
            content=path.read_bytes(),
            mode=path.stat().st_mode & 0o777,
        )


def _require_distinct(files: Sequence[CopiedFile]) -> None:
    names = [it.name for it in files]
    twice = next((it for it in names if names.count(it) > 1), None)
    if twice is not None:
        raise UsageError(
            f"--put: two files are called {twice}",
            hint=f"both would be copied to {_FOLDER}/{twice}: rename one",
        )


def _attend(up: Guest, words: list[str]) -> int:
    """Run a command, or a shell when there are no words; return its exit status."""
    # One word is a line for the shell, as with ssh; several are what they are.
    command = words[0] if len(words) == 1 else shlex.join(words)
    if not words and sys.stdin.isatty():
        print(
            f"{up.hello.release}, root; files of --put are in {_FOLDER}, bpftool is "
            "on the PATH; `exit` ends the guest",
            file=sys.stderr,
        )
    status = terminal.attend(up.ssh, command)
    if status is None:
        raise up.vm.lost(f"running {command or 'a shell'}")
    return status
