"""`python -m runner.schema`: writes the schemas and pages, or checks them."""

import argparse
import sys
from pathlib import Path

from runner import schema


def main() -> int:
    """Write what is stale; with --check only say so, and return 1."""
    parser = argparse.ArgumentParser(
        prog="python -m runner.schema", description=__doc__
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    stale = schema.stale()
    for path, text in stale.items():
        shown = (
            path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        )
        print(f"{shown}: {'stale' if arguments.check else 'written'}")
        if not arguments.check:
            path.write_text(text)
    return 1 if stale and arguments.check else 0


sys.exit(main())
