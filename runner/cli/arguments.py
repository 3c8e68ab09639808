"""Arguments that several verbs take."""

import argparse
from pathlib import Path

from runner import timeouts
from runner.kernels import rows
from runner.kernels.rows import KernelChoice
from runner.matrix.selectors import ALL, DEFAULT
from runner.reports.criteria import Criteria
from runner.suites import project

# Which kernels are meant by default, in words.
_DEFAULTS = {
    DEFAULT: "the rows with the tag `default`; all rows, if no row has that tag",
    ALL: "all rows",
}


def add_matrix_arguments(
    parser: argparse.ArgumentParser, default: str = DEFAULT
) -> None:
    """Add what every verb about kernels takes."""
    parser.add_argument(
        "--kernels",
        action="extend",
        nargs="+",
        metavar="SELECTOR",
        help=f"which kernels (default: {_DEFAULTS.get(default, default)})",
    )
    add_matrix_file_arguments(parser)


def add_matrix_file_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what tells which kernels there are."""
    parser.add_argument(
        "--kernel",
        action="append",
        default=[],
        metavar="ID=PATH",
        help="take a row's kernel from a bzImage, a folder that holds one, or a .deb; "
        "may be given again. Unless --kernels is given, only these kernels run",
    )
    parser.add_argument(
        "--locked",
        action="store_true",
        help="take exactly the kernels that matrix.lock pins, and refuse others",
    )
    add_matrix_option(parser)


def choice(arguments: argparse.Namespace, default: str) -> KernelChoice:
    """Return what these arguments say about kernels."""
    found = project.find(arguments.matrix)
    if default == DEFAULT:
        default = found.kernels
    return KernelChoice(
        matrix=found.matrix,
        selectors=rows.selectors_of(arguments.kernels, arguments.kernel, default),
        overrides=tuple(arguments.kernel),
        locked=arguments.locked,
    )


def add_matrix_option(parser: argparse.ArgumentParser) -> None:
    """Add the matrix file's name."""
    parser.add_argument(
        "--matrix",
        type=Path,
        metavar="FILE",
        help=project.MATRIX_HELP,
    )


def add_libbpf_argument(parser: argparse.ArgumentParser) -> None:
    """Add which libbpf is used."""
    parser.add_argument(
        "--libbpf",
        type=Path,
        metavar="DIR",
        help="load and predict with the libbpf of this folder: its source, a kernel's "
        "tree, or one that it is installed in; see docs/libbpf.md (default: the "
        "machine's)",
    )


def add_timeout_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how long the runner waits for guests."""
    parser.add_argument(
        timeouts.BOOT.option,
        type=timeouts.seconds,
        default=timeouts.BOOT.seconds,
        metavar="SECONDS",
        help="how long a kernel may take to boot until it answers (default: "
        f"{timeouts.BOOT.seconds:g})",
    )
    parser.add_argument(
        timeouts.SCALE_OPTION,
        type=timeouts.scale,
        metavar="FACTOR",
        help="multiply all timeouts, also that of the boot; see docs/timeouts.md "
        "(default: 1, and more while this machine is slow)",
    )


def add_timings_argument(parser: argparse.ArgumentParser) -> None:
    """Add what parts of a run are made equal by."""
    parser.add_argument(
        "--timings",
        type=Path,
        metavar="FILE",
        help="balance shards using durations from an earlier results.json, the same "
        "on every machine (default: all kernels count the same)",
    )


def add_terms_arguments(parser: argparse.ArgumentParser, gate: str) -> None:
    """Add what a run is held against; `gate` tells what is done without --gate."""
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="an earlier results.json: reports then show regressions, fixes, new and "
        "vanished cases and slower kernels",
    )
    parser.add_argument(
        "--gate",
        choices=("all", "regressions"),
        help="which failures fail the run: all, or only those that the baseline does "
        f"not have (default: {gate})",
    )
    add_allowance_arguments(parser)
    parser.add_argument(
        "--release",
        metavar="NAME",
        help="also write the compatibility report of this release, such as v1.2",
    )


def terms_of(arguments: argparse.Namespace) -> Criteria:
    """Return what these arguments compare a run with. Raises as Criteria.read does."""
    return Criteria.read(
        baseline=arguments.baseline,
        gate=arguments.gate,
        release=getattr(arguments, "release", None),
        allow_vanished=arguments.allow_vanished,
        allow_new_failures=arguments.allow_new_failures,
    )


def add_allowance_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a gate accepts that it would refuse otherwise."""
    parser.add_argument(
        "--allow-vanished",
        action="store_true",
        help="accept that cases of the baseline did not run, though their kernel did: "
        "they were removed, or left out by -k or --suite",
    )
    parser.add_argument(
        "--allow-new-failures",
        action="store_true",
        help="with --gate regressions, accept failures of cases that the baseline does "
        "not have",
    )
