"""Arguments that several verbs take."""

import argparse
from pathlib import Path

from runner.plugin.state import DEFAULT_KERNELS


def add_matrix_arguments(
    parser: argparse.ArgumentParser, default: str = DEFAULT_KERNELS
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
        "may be given again",
    )
    parser.add_argument(
        "--matrix",
        type=Path,
        default=Path("matrix.yaml"),
        metavar="FILE",
        help="the kernels there are (default: matrix.yaml)",
    )
