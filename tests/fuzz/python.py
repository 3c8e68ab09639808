"""`python -m tests.fuzz.python NAME ARGUMENT…`: one parser under atheris.

What comes behind the name is libFuzzer's: a folder with inputs, options.
"""

import sys

import atheris

with atheris.instrument_imports(include=["runner", "elftools"]):
    from tests.fuzz.parsers import PARSERS


def main() -> None:
    """Fuzz until an option ends it, or until a finding does."""
    parser = PARSERS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], parser)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
