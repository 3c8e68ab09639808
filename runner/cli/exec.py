"""`exec`: a program of the user's own on every kernel, without a suite."""

import argparse
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner import timeouts
from runner.arch import Architecture
from runner.cli import run
from runner.errors import RunnerError, UsageError
from runner.files import shipped, yamltext
from runner.files.cache import Cache
from runner.guest.image import initramfs
from runner.guest.roots import image as images
from runner.guest.roots import origin
from runner.guest.roots import programs as rootprograms
from runner.guest.roots.contents import SEARCH
from runner.guest.roots.errors import RootError
from runner.guest.roots.origin import RootOrigin
from runner.harness import kinds
from runner.kernels import rows
from runner.programs import prepare
from runner.programs.errors import ProgramError
from runner.reports import folder as reports
from runner.reports.atomic import explained
from runner.run import options
from runner.suites import commandcase
from runner.suites.model import RESULTS, USER
from runner.suites.search import SUITE_FILE, TAG, TAG_TEXT
from runner.text.progress import progress

# Options of a run that are about suites and objects.
_WITHOUT = ("--suite", "--object", "--load-only")
_NAME = re.compile(r"[^A-Za-z0-9_-]")
# What Cargo adds to the name of a binary; it changes with the compiler.
_CARGO_HASH = re.compile(r"-[0-9a-f]{16}$")

EPILOG = """\
A COMMAND with a "/" is a program of this machine. It is copied with its shared
libraries into /run/files of the guest, and starts there. A plain name is a program that
every guest has (sh, cat, bpftool, …), or else one on your PATH. Each kernel gets a
clean guest. Exit status 0 of the command on all kernels is a pass.

With --root, a plain name is a program of the root, and so is a path that is not here.

--results reads what a test program prints: each test is then a case of its own in all
reports, and -k chooses tests.
  gotest      a binary of `go test -c`; use CGO_ENABLED=0 for a static one
  cargo       a binary of `cargo test --no-run` or `rustc --test`
  gtest       a binary that uses GoogleTest
  tap         anything that prints the Test Anything Protocol
  junit=PATH  anything that leaves JUnit's XML in this file of the guest
  auto        finds out which of the first four it is

examples:
  python -m runner exec --kernels 5.10,6.1,6.12 -- ./my-tool --once
  python -m runner exec --kernels @lts --results gotest -- ./loader.test -test.short
  python -m runner exec --kernels 6.1 --results cargo -k maps -- target/debug/deps/t-1f
  python -m runner exec --kernels all --file probe.bpf.o -- ./my-loader probe.bpf.o
  python -m runner exec --kernels 6.1 --as nobody --timeout 30 -- ./needs-no-root
  python -m runner exec --kernels 6.1 -- sh -c 'bpftool prog show; uname -r'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `exec` takes."""
    parser.usage = "%(prog)s [OPTION ...] -- COMMAND [ARGUMENT ...]"
    # What stands here lacks the -- before it.
    parser.add_argument("stray", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument(
        "--results",
        type=_results,
        default=kinds.EXIT,
        metavar="KIND",
        help=f"how to read the results: {', '.join(kinds.WORDS)} (default: exit)",
    )
    parser.add_argument(
        "--isolate",
        action="store_true",
        help="run each test in a guest of its own",
    )
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="PATH[:GUESTPATH]",
        help="copy a file or a folder to /run/files, or to GUESTPATH; may be given "
        "several times",
    )
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="set an environment variable; without a value, to the one that it has "
        "here; may be given several times",
    )
    parser.add_argument(
        "--stdin",
        type=Path,
        metavar="FILE",
        help="the command's standard input (default: empty)",
    )
    parser.add_argument(
        "--timeout",
        type=timeouts.seconds,
        default=timeouts.EXEC.seconds,
        metavar="SECONDS",
        help="how long the command may run (default: 300)",
    )
    parser.add_argument(
        "--as",
        dest="run_as",
        type=_user,
        default="root",
        metavar="USER",
        help="run as root, nobody, UID or UID:GID (default: root)",
    )
    parser.add_argument(
        "--cwd",
        default=str(prepare.FOLDER),
        metavar="GUESTPATH",
        help=f"the working directory (default: {prepare.FOLDER})",
    )
    parser.add_argument(
        "--no-record",
        action="store_true",
        help="do not record what the command loads; for a program that traces others "
        "with ptrace(2)",
    )
    parser.add_argument(
        "--loaded",
        action="store_true",
        help="list what the command loaded on each kernel, also if it passed",
    )
    parser.add_argument(
        "--root",
        metavar="DIR|TAR|OCI",
        help="run the command in a root file system: a folder (debootstrap), a tar "
        "(docker export), an OCI layout, or an image REGISTRY/NAME:TAG",
    )
    parser.add_argument(
        "--headers",
        action="store_true",
        help="give the root the headers of each kernel, which bcc needs",
    )
    flags = (option.flag for option in options.of("cli"))
    options.add(parser, *(flag for flag in flags if flag not in _WITHOUT))


def main(arguments: argparse.Namespace) -> int:
    """Run a command on the kernels and return the exit status.

    Raises UsageError for a program that no guest could start, and for files that are
    missing.
    """
    words = arguments.words
    if arguments.stray:
        raise UsageError(
            f"exec: {arguments.stray[0]!r} stands in front of --",
            hint="write the command behind --: exec --kernels 6.1 -- "
            f"{' '.join(arguments.stray)}",
        )
    if not words:
        raise UsageError(
            "exec: there is no command",
            hint="write it behind --: exec --kernels 6.1 -- ./my-tool --once",
        )
    if arguments.loaded and arguments.no_record:
        raise UsageError(
            "exec: --loaded lists what --no-record does not record",
            hint="remove one of them",
        )
    root = _root(arguments.root)
    if arguments.headers and root is None:
        raise UsageError("exec: --headers needs a --root that they are for")
    program = _program(words[0], root is not None)
    files = [_file(word) for word in arguments.file]
    named = [path for path, _ in files]
    if program is not None:
        named.insert(0, program)
    # Before anything boots.
    _check(arguments, program, root)
    if root is not None and root.path is not None:
        named.append(root.path)
    if arguments.stdin is not None:
        _require_file(arguments.stdin, "--stdin")
        named.append(arguments.stdin)
    suite = _suite(arguments, program, files)
    if root is not None:
        suite["cases"][0] |= {"root": root.word, "headers": arguments.headers}
    arguments.suite, arguments.object, arguments.load_only = [], named, False
    arguments.streams = not arguments.quiet

    def make(given: argparse.Namespace) -> list[Path]:
        links = _links(program, files, given.stdin, root)
        return [_written(given.reports / "exec", suite, links)]

    return run.carry_out(arguments, make)


def _commands() -> frozenset[str]:
    return initramfs.commands(shipped.IMAGES)


@dataclass(frozen=True, kw_only=True)
class _Root:
    """What --root names."""

    origin: RootOrigin
    # As the suite names it.
    word: str

    @property
    def path(self) -> Path | None:
        """Its file or folder of this machine; None for an image in a registry."""
        return self.origin.path


def _root(word: str | None) -> _Root | None:
    if word is None:
        return None
    found = origin.of(word, Path)
    if found.path is None:
        return _Root(origin=found, word=word)
    name = _link_name(found.path)
    if isinstance(found, origin.LayoutOrigin) and found.tag:
        return _Root(origin=found, word=f"{name}:{found.tag}")
    return _Root(origin=found, word=name)


def _link_name(path: Path) -> str:
    return f"root/{path.resolve().name or '_'}"


def _check(
    arguments: argparse.Namespace, program: Path | None, root: _Root | None
) -> None:
    """Refuse a command that no guest could start, and make the disks of its root.

    What guests of one architecture can start, runs: on the others it is their result.
    """
    chosen = rows.choose(options.choice_of(arguments), Cache()).kernels
    refused: list[RunnerError] = []
    architectures = dict.fromkeys(it.architecture for it in chosen)
    for architecture in architectures:
        try:
            _check_on(architecture, arguments, program, root)
        except (ProgramError, RootError) as error:
            refused.append(error)
    if len(refused) == len(architectures):
        raise refused[0]


def _check_on(
    architecture: Architecture,
    arguments: argparse.Namespace,
    program: Path | None,
    root: _Root | None,
) -> None:
    image = (
        None
        if root is None
        else images.obtain(root.origin, Cache(), progress(), architecture)
    )
    if program is not None:
        prepare.prepare(
            program.resolve(),
            architecture=architecture,
            commands=_commands() if image is None else image.contents.programs,
            there=None if image is None else image.contents.paths,
        )
    elif image is not None:
        search = _variables(arguments.env).get("PATH", SEARCH)
        rootprograms.require(image, arguments.words[0], search)


def _program(word: str, has_root: bool) -> Path | None:
    """Return the program of this machine that a command's first word names."""
    if has_root and ("/" not in word or not Path(word).exists()):
        return None
    if "/" in word:
        path = Path(word)
        _require_file(path, "exec")
        return path
    if any(Path(it).name == word for it in _commands()):
        return None
    found = shutil.which(word)
    if found is not None:
        return Path(found)
    here = f"to run the file of this folder: ./{word}" if Path(word).is_file() else ""
    raise UsageError(
        f"exec: no program {word!r} in the guest or on the PATH",
        hint=here or "name a program of this machine by its path",
    )


def _require_file(path: Path, option: str) -> None:
    if path.is_dir():
        raise UsageError(f"{option}: {path} is a folder; name a file in it")
    if not path.is_file():
        raise UsageError(f"{option}: there is no file {path}")


def _file(word: str) -> tuple[Path, str]:
    """Return a file of --file, and its path in the guest; "" is the default."""
    name, target = commandcase.split(word)
    path = Path(name)
    if not path.exists():
        raise UsageError(f"--file {word}: there is no file or folder {name}")
    if ":" in word and not target and not Path(word).exists():
        raise UsageError(
            f"--file {word}: GUESTPATH must be absolute",
            hint=f"--file {name.partition(':')[0]}:/run/files/NAME",
        )
    if target and not commandcase.is_plain(target):
        raise UsageError(f"--file {word}: GUESTPATH must be absolute, without ..")
    return path, target


def _results(text: str) -> str:
    if re.fullmatch(RESULTS, text):
        return text
    raise argparse.ArgumentTypeError(
        f"{text}: must be one of {', '.join(kinds.WORDS)}, with an absolute PATH"
    )


def _user(text: str) -> str:
    if re.fullmatch(USER, text):
        return text
    raise argparse.ArgumentTypeError(f"{text}: must be root, nobody, UID or UID:GID")


def _variables(words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, given, value = word.partition("=")
        if not name or (not given and name not in os.environ):
            raise UsageError(
                f"--env {word}: is not NAME=VALUE, and not set here",
                hint="write --env NAME=VALUE",
            )
        found[name] = value if given else os.environ[name]
    return found


def _suite(
    arguments: argparse.Namespace,
    program: Path | None,
    files: Sequence[tuple[Path, str]],
) -> dict[str, Any]:
    """Return the suite that the arguments describe."""
    first = arguments.words[0] if program is None else f"program/{program.name}"
    case: dict[str, object] = {
        "name": _case_name(arguments.words[0]),
        "command": [first, *arguments.words[1:]],
        "results": arguments.results,
        "timeout": arguments.timeout,
        "as": arguments.run_as,
        "cwd": arguments.cwd,
    }
    if arguments.isolate:
        case["isolate"] = True
    if arguments.no_record:
        case["record"] = False
    if arguments.env:
        case["env"] = _variables(arguments.env)
    if arguments.stdin is not None:
        case["stdin"] = f"stdin/{arguments.stdin.name}"
    if files:
        case["files"] = [
            f"files/{number}/{path.name}" + (f":{target}" if target else "")
            for number, (path, target) in enumerate(files)
        ]
    return {
        "name": "exec",
        "description": "The command of the command line.",
        "cases": [case],
    }


def _case_name(word: str) -> str:
    name = _NAME.sub("_", _CARGO_HASH.sub("", Path(word).name))
    return name if re.match("[A-Za-z_]", name) else f"_{name}"


def _links(
    program: Path | None,
    files: Sequence[tuple[Path, str]],
    stdin: Path | None,
    root: _Root | None,
) -> dict[str, Path]:
    """Return what a suite names, and the files of this machine that these are."""
    links = {
        f"files/{number}/{path.name}": path for number, (path, _) in enumerate(files)
    }
    if program is not None:
        links[f"program/{program.name}"] = program
    if stdin is not None:
        links[f"stdin/{stdin.name}"] = stdin
    if root is not None and root.path is not None:
        links[_link_name(root.path)] = root.path
    return links


def _written(folder: Path, suite: dict[str, Any], links: Mapping[str, Path]) -> Path:
    """Write the suite, with links to what it names, and return its folder."""
    reports.make(folder.parent)
    with explained(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / TAG).write_text(TAG_TEXT)
        for name, path in links.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(path.absolute())
        text = yamltext.text(suite, width=100)
        (folder / SUITE_FILE).write_text(text)
    return folder
