"""`shell`: a guest to look around in."""

import argparse
import contextlib
import shlex
import sys
import tempfile
from pathlib import Path

from runner import artifacts, timeouts
from runner.artifacts import progress, rows
from runner.artifacts.cache import Cache
from runner.cli.arguments import (
    add_matrix_file_arguments,
    add_timeout_arguments,
    choice,
)
from runner.errors import UsageError
from runner.session import console, guest, host
from runner.session.guest import Guest, Origin, Starts

# Where copied files go.
_FOLDER = "/run/agent"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("selector", metavar="KERNEL", help="an id of the matrix")
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="what to run in place of a shell, as ssh does; its exit status becomes "
        "this one's",
    )
    parser.add_argument(
        "--put",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help=f"copy a file to {_FOLDER} first, such as an object; may be given again",
    )
    parser.add_argument(
        "--accel", choices=("auto", "kvm", "tcg"), default="auto", help="default: auto"
    )
    add_timeout_arguments(parser)
    parser.add_argument(
        "--cold", action="store_true", help="boot, without the kernel's snapshot"
    )
    add_matrix_file_arguments(parser)


def main(arguments: argparse.Namespace) -> int:
    """Give a shell in a new guest, and end the guest with it.

    Raises UsageError for a kernel that the matrix lacks or a file that can't be read,
    ArtifactError or GuestError when there is no guest to be had.
    """
    cache = Cache()
    arguments.kernels = [arguments.selector]
    kernels = rows.choose(choice(arguments, ""), cache).kernels
    if len(kernels) != 1:
        raise UsageError(
            f"{arguments.selector} means {len(kernels)} kernels", hint="name one id"
        )
    files = {path.name: _content(path) for path in arguments.put}
    found = artifacts.obtain(kernels[0], cache, progress.progress())
    machine = host.inspect(
        cache,
        accelerator=arguments.accel,
        boot_timeout=arguments.boot_timeout,
        timeout_scale=arguments.timeout_scale,
        cold=arguments.cold,
    )
    origin = Origin(kernel=kernels[0], artifact=found, host=machine)
    with (
        contextlib.closing(machine.snapshots),
        tempfile.TemporaryDirectory(prefix="bpf-kernel-matrix-") as folder,
        guest.start(origin, Path(folder) / "console.log", Starts()) as up,
    ):
        for name, data in files.items():
            with up.doing(f"copying {name}"):
                up.agent.put(
                    f"{_FOLDER}/{name}", data, timeout=timeouts.TRANSFER.seconds
                )
        return _attend(up, arguments.words)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"--put {path}: {error.strerror}") from error


def _attend(up: Guest, words: list[str]) -> int:
    """Run a command, or a shell when there are no words; return its exit status."""
    # One word is a line for the shell, as with ssh; several are what they are.
    command = words[0] if len(words) == 1 else shlex.join(words)
    if not words and sys.stdin.isatty():
        print(
            f"{up.hello.release}, root; what --put copied is in {_FOLDER}, bpftool is "
            "on the PATH; `exit` ends the guest",
            file=sys.stderr,
        )
    status = console.attend(up.ssh, command)
    if status is None:
        raise up.vm.lost(f"running {command or 'a shell'}")
    return status
