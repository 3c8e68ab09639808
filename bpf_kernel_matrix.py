"""The console command `bpf-kernel-matrix`: finds our `runner` before any other.

A top-level module, because a folder `runner` on the user's PYTHONPATH comes before the
installed package.
"""

import os
import sys


def main() -> int:
    """Run the program, and return its exit status."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from runner import __main__ as program

    del sys.path[0]
    return program.main()
