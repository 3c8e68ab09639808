"""The command line: verbs, and the one place that prints errors and exits."""

import argparse
import gc
import importlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner import __version__
from runner.cli.called import as_called, program
from runner.errors import ExitStatus, RunnerError, is_out_of_memory
from runner.process import ending

_DEFAULT_VERB = "run"
_SCHEMAS = Path(__file__).parents[1] / "schema"
# Everything behind its -- is a command.
_COMMAND_VERB = "exec"

_EPILOG = """\
SELECTOR is an id (5.14), a comma list (5.10,6.1), a range ('>=5.4,<6',
'rhel>=9.4'), a tag (@legacy), a version of a row's source (6.1@6.1.170-3) or all.

exit status: 0 compatible, 1 incompatible or a check failed, 2 usage or
configuration, 3 infrastructure only

If the current folder has a folder 'runner', `python -m` runs that one. The command
bpf-kernel-matrix ignores it.

examples:
  python -m runner --kernels 5.10,6.1,6.12
  python -m runner --kernels '>=5.4' --suite path/to/my/suite -k state
  python -m runner --kernels all --shard 2/5 --timings earlier/results.json
  python -m runner report reports/latest --baseline v1.1.json --gate regressions
  python -m runner exec --kernels @lts -- ./my-tool --once
  python -m runner replay kernel-matrix.zip
  python -m runner explain task::state@6.1
  python -m runner kernels
  python -m runner --kernel 4.4=linux-4.4/arch/x86/boot/bzImage
  python -m runner btf 4.4 -o 4.4.btf
  python -m runner check path/to/my/suite --btf kernels
  python -m runner bisect --good 6.1@6.1.170-3 --bad 6.1 SUITE::CASE
  python -m runner sweep 6.1 --since 6.1.170
  python -m runner shell 6.12 uname -r
  python -m runner doctor
"""


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    words, command = _with_command(_with_verb(argv))
    with _nothing_is_garbage():
        arguments = _parser(words[0]).parse_args(words)
    if words[0] == _COMMAND_VERB:
        arguments.words = command
    try:
        _tell_of_matrix(arguments)
        return int(arguments.command(arguments))
    except RunnerError as error:
        print(as_called(error.told), file=sys.stderr)
        return int(error.exit_status)
    except KeyboardInterrupt as stop:
        why, status = ended(stop)
        print(why, file=sys.stderr)
        return status
    except Exception as error:
        if arguments.debug:
            raise
        print(f"error: {internal(error)}", file=sys.stderr)
        return ExitStatus.INFRASTRUCTURE


def _tell_of_matrix(arguments: argparse.Namespace) -> None:
    """Say first that the kernels are not the user's, if he did not name them."""
    named = getattr(arguments, "matrix", "") is not None
    if named or not arguments.uses_matrix(arguments):
        return
    # Not before: most of a short run's start are its imports.
    from runner.cli.output import print_note
    from runner.suites import project

    if note := project.find(None).note:
        print_note(note)


@contextmanager
def _nothing_is_garbage() -> Iterator[None]:
    """Look for no garbage while modules are imported, nor among them later: all stays.

    Else that takes a tenth of a short run.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def ended(stop: KeyboardInterrupt) -> tuple[str, int]:
    """Return what ended the program, and the exit status for it."""
    if isinstance(stop, ending.Stopped):
        return stop.why, stop.status
    return "interrupted", ExitStatus.INTERRUPTED


def internal(error: BaseException) -> str:
    """Return a fault of this program in one line."""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        file = Path(frame.filename)
        if "runner" in file.parts:
            place = f" (at {file.parent.name}/{file.name}:{frame.lineno})"
    words = " ".join(f"{type(error).__name__}: {error}".split())
    if is_out_of_memory(error):
        ending.out_of_memory()
        return (
            f"out of memory: {words}{place}\n"
            "  run fewer guests at once (-n 1), or give this process more memory"
        )
    return (
        f"internal error: {words}{place}\n  --debug shows the full traceback; please "
        "report it"
    )


def _with_command(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the words of a verb, and those of the command that it is to run."""
    if words[0] != _COMMAND_VERB or "--" not in words:
        return words, []
    end = words.index("--")
    return words[:end], words[end + 1 :]


def _with_verb(argv: Sequence[str]) -> list[str]:
    # `run` is implied, but for what is about the whole program.
    if argv and (
        not argv[0].startswith("-")
        or argv[0] in {"-h", "--help", "--version", "--schemas"}
    ):
        return list(argv)
    return [_DEFAULT_VERB, *argv]


# Each is a module below runner.cli, which is imported when it is the one, so that a run
# starts at once.
_VERBS = {
    _DEFAULT_VERB: "boot kernels and run suites (default command)",
    _COMMAND_VERB: "run a program of your own, or its tests, on kernels",
    "init": "write a first matrix, suites and a workflow for your objects",
    "watch": "run what each save touches, on one kernel, in about a second",
    "kernels": "list the matrix and what is in the cache",
    "fetch": "fill the cache, so that runs need no network",
    "btf": "show where a kernel's BTF comes from, and write it to a file",
    "plan": "show what would run where, without booting",
    "merge": "merge the reports of several shards into one",
    "report": "regenerate reports, compare with a baseline, and apply a gate",
    "baseline": "in CI, get the results of the last good run on the main branch",
    "replay": "run here what failed in CI, from the artifact of that run",
    "history": "make a site of many runs: what broke when, flaky cases, releases",
    "explain": "show what happened to a case, or what a class of failures means",
    "check": "check what relocates on kernels, without booting them",
    "bisect": "find the kernel version with which a case began to fail",
    "sweep": "run suites over the versions of a kernel that its source offers",
    "shell": "open a shell in a guest, or run a command in one",
    "github": "report a run to a GitHub workflow",
    "lock": "pin the exact files of the kernels, for runs with --locked",
    "push": "push a kernel to a registry, for the source oci",
    "cache": "show cache usage, or prune least recently used entries",
    "doctor": "check for missing dependencies and show how to fix them",
}


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program(),
        description="Load BPF objects on real kernels and check what they read.",
        epilog=as_called(_EPILOG),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--schemas",
        action="version",
        version=str(_SCHEMAS),
        help="print the folder of the JSON schemas, with which editors check "
        "suite.yaml and matrix.yaml",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for verb, summary in _VERBS.items():
        own = verbs.add_parser(
            verb,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if verb == chosen:
            module = importlib.import_module(f"runner.cli.{verb}")
            module.add_arguments(own)
            epilog = _EPILOG if verb == _DEFAULT_VERB else ""
            own.epilog = as_called(getattr(module, "EPILOG", epilog))
            own.add_argument(
                "--debug",
                action="store_true",
                help="show tracebacks of internal errors",
            )
            own.set_defaults(
                command=module.main,
                uses_matrix=getattr(module, "uses_matrix", lambda _: True),
            )
    return parser
