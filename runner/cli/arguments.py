"""Arguments that several verbs take."""

import argparse
from pathlib import Path

from runner import timeouts
from runner.artifacts import rows
from runner.artifacts.rows import Choice
from runner.selectors import DEFAULT


def add_matrix_arguments(
    parser: argparse.ArgumentParser, default: str = DEFAULT
) -> None:
    """Add what every verb about kernels takes."""
    parser.add_argument(
        "--kernels",
        action="append",
        metavar="SELECTOR",
        help=f"which kernels (default: {default})",
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
        "may be given again; without --kernels just these run",
    )
    parser.add_argument(
        "--locked",
        action="store_true",
        help="take exactly the kernels that matrix.lock pins, and refuse others",
    )
    add_matrix_option(parser)


def choice(arguments: argparse.Namespace, default: str) -> Choice:
    """Return what these arguments say about kernels."""
    return Choice(
        matrix=arguments.matrix,
        selectors=rows.selectors_of(arguments.kernels, arguments.kernel, default),
        overrides=tuple(arguments.kernel),
        locked=arguments.locked,
    )


def add_matrix_option(parser: argparse.ArgumentParser) -> None:
    """Add the matrix file's name."""
    parser.add_argument(
        "--matrix",
        type=Path,
        default=Path("matrix.yaml"),
        metavar="FILE",
        help="the kernels there are (default: matrix.yaml)",
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
        help="an earlier results.json, by whose seconds parts are made equally long; "
        "the same on every machine (default: all kernels count the same)",
    )


def add_terms_arguments(parser: argparse.ArgumentParser, gate: str) -> None:
    """Add what a run is held against; `gate` tells what is done without --gate."""
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="an earlier results.json: tells regressions, fixes, new and vanished "
        "cases and slower kernels",
    )
    parser.add_argument(
        "--gate",
        choices=("all", "regressions"),
        help="which failures are held against the run: all, or only those that the "
        f"baseline does not have (default: {gate})",
    )
    parser.add_argument(
        "--release",
        metavar="NAME",
        help="also write the compatibility report of this release, such as v1.2",
    )
