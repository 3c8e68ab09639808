"""`python -m runner`, and the console command `bpf-kernel-matrix`."""

import sys

from runner import startup


def main() -> int:
    """Run the program, and return its exit status."""
    startup.protect()
    # Not before: the current folder may hold a module of the same name.
    from runner import cli, streams

    return streams.concluded(lambda: cli.main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
