"""The command line: verbs, and the one place that prints errors and exits."""

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner import __version__
from runner.cli.called import as_called, program
from runner.errors import ExitStatus, RunnerError, is_out_of_memory
from runner.files import checkout
from runner.process import ending

_DEFAULT_VERB = "run"

_EPILOG = """\
SELECTOR is an id (5.14), a comma list (5.10,6.1), a range ('>=5.4,<6',
'rhel>=9.4'), a tag (@legacy) or all.

exit status: 0 compatible, 1 incompatible or a check failed, 2 usage or
configuration, 3 infrastructure only

If the current folder has a folder 'runner', `python -m` runs that one. The command
bpf-kernel-matrix ignores it.

examples:
  python -m runner --kernels 5.10,6.1,6.12
  python -m runner --kernels '>=5.4' --suite path/to/my/suite -k state
  python -m runner --kernels all --shard 2/5 --timings earlier/results.json
  python -m runner report reports/latest --baseline v1.1.json --gate regressions
  python -m runner kernels
  python -m runner --kernel 4.4=linux-4.4/arch/x86/boot/bzImage
  python -m runner btf 4.4 -o 4.4.btf
  python -m runner check path/to/my/suite --btf kernels
  python -m runner shell 6.12 uname -r
  python -m runner doctor
"""


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    words = _with_verb(argv)
    arguments = _parser(words[0]).parse_args(words)
    try:
        if arguments.needs_checkout:
            checkout.require()
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


def _with_verb(argv: Sequence[str]) -> list[str]:
    # `run` is implied, but for what is about the whole program.
    if argv and (
        not argv[0].startswith("-") or argv[0] in {"-h", "--help", "--version"}
    ):
        return list(argv)
    return [_DEFAULT_VERB, *argv]


@dataclass(frozen=True, kw_only=True)
class _Verb:
    name: str
    summary: str
    # Below runner.cli; imported when it is the one, so that a run starts at once.
    module: str
    add_arguments: str = "add_arguments"
    command: str = "main"
    # Whether it reads files that are next to the package, in a checkout only.
    needs_checkout: bool = True


_VERBS = (
    _Verb(
        name=_DEFAULT_VERB,
        summary="boot kernels and run suites (default command)",
        module="run",
    ),
    _Verb(
        name="kernels",
        summary="list the matrix and what is in the cache",
        module="kernels",
        add_arguments="add_list_arguments",
        command="list_kernels",
    ),
    _Verb(
        name="fetch",
        summary="fill the cache, so that runs need no network",
        module="kernels",
        add_arguments="add_fetch_arguments",
        command="fetch",
    ),
    _Verb(
        name="btf",
        summary="show where a kernel's BTF comes from, and write it to a file",
        module="btf",
    ),
    _Verb(
        name="plan",
        summary="show what would run where, without booting",
        module="plan",
    ),
    _Verb(
        name="merge",
        summary="merge the reports of several shards into one",
        module="merge",
        needs_checkout=False,
    ),
    _Verb(
        name="report",
        summary="regenerate reports, compare with a baseline, and apply a gate",
        module="report",
        needs_checkout=False,
    ),
    _Verb(
        name="check",
        summary="check what relocates on kernels, without booting them",
        module="check",
    ),
    _Verb(
        name="shell",
        summary="open a shell in a guest, or run a command in one",
        module="shell",
    ),
    _Verb(
        name="github",
        summary="report a run to a GitHub workflow",
        module="github",
        needs_checkout=False,
    ),
    _Verb(
        name="lock",
        summary="pin the exact files of the kernels, for runs with --locked",
        module="lock",
    ),
    _Verb(
        name="push",
        summary="push a kernel to a registry, for the source oci",
        module="push",
    ),
    _Verb(
        name="cache",
        summary="show cache usage, or prune least recently used entries",
        module="cache",
        needs_checkout=False,
    ),
    _Verb(
        name="doctor",
        summary="check for missing dependencies and show how to fix them",
        module="doctor",
    ),
)


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program(),
        description="Load BPF objects on real kernels and check what they read.",
        epilog=as_called(_EPILOG),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for verb in _VERBS:
        own = verbs.add_parser(
            verb.name,
            help=verb.summary,
            description=f"{verb.summary[0].upper()}{verb.summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if verb.name == chosen:
            module = importlib.import_module(f"runner.cli.{verb.module}")
            getattr(module, verb.add_arguments)(own)
            epilog = _EPILOG if verb.name == _DEFAULT_VERB else ""
            own.epilog = as_called(getattr(module, "EPILOG", epilog))
            own.add_argument(
                "--debug",
                action="store_true",
                help="show tracebacks of internal errors",
            )
            own.set_defaults(
                command=getattr(module, verb.command),
                needs_checkout=verb.needs_checkout,
            )
    return parser
