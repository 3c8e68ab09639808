"""The command line: verbs, and the one place that prints errors and exits."""

import argparse
import sys
from collections.abc import Sequence

from runner import __version__
from runner.cli import btf, doctor, kernels, lock, run
from runner.errors import ExitStatus, RunnerError

_DEFAULT_VERB = "run"

_EPILOG = """\
SELECTOR is an id (5.14), a comma list (5.10,6.1), a range ('>=5.4,<6'),
a tag (@legacy) or all.

exit status: 0 compatible, 1 incompatible or a check failed, 2 usage or
configuration, 3 infrastructure only

examples:
  python -m runner --kernels 5.10,6.1,6.12
  python -m runner --kernels '>=5.4' --suite path/to/my/suite -k state
  python -m runner kernels
  python -m runner --kernel 4.4=linux-4.4/arch/x86/boot/bzImage
  python -m runner btf 4.4 -o 4.4.btf
  python -m runner doctor
"""


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    arguments = _parser().parse_args(_with_verb(argv))
    try:
        return int(arguments.command(arguments))
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_status)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return int(ExitStatus.INTERRUPTED)


def _with_verb(argv: Sequence[str]) -> list[str]:
    # `run` is implied, but for what is about the whole program.
    if argv and (
        not argv[0].startswith("-") or argv[0] in {"-h", "--help", "--version"}
    ):
        return list(argv)
    return [_DEFAULT_VERB, *argv]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runner",
        description="Load BPF objects on real kernels and check what they read.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name, summary, add_arguments, command in (
        (
            "run",
            "boot kernels and run suites on them (implied)",
            run.add_arguments,
            run.main,
        ),
        (
            "kernels",
            "list the matrix and what is in the cache",
            kernels.add_list_arguments,
            kernels.list_kernels,
        ),
        (
            "fetch",
            "fill the cache, so that runs need no network",
            kernels.add_fetch_arguments,
            kernels.fetch,
        ),
        (
            "btf",
            "tell where a kernel's BTF comes from, and write it out",
            btf.add_arguments,
            btf.main,
        ),
        (
            "lock",
            "pin what the sources stand for, for runs with --locked",
            lock.add_arguments,
            lock.main,
        ),
        (
            "doctor",
            "tell what this machine lacks, and what mends it",
            doctor.add_arguments,
            doctor.main,
        ),
    ):
        verb = verbs.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=_EPILOG if name == "run" else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_arguments(verb)
        verb.set_defaults(command=command)
    return parser
