"""`python -m runner`, and the console command `bpf-kernel-matrix`."""

import sys

from runner.process import ending, startup


def main() -> int:
    """Run the program, and return its exit status."""
    return ending.left(_main())


def _main() -> int:
    startup.protect()
    ending.watch_signals()
    try:
        # Not before: the current folder may hold a module of the same name.
        from runner import cli
        from runner.process import streams

        return streams.concluded(lambda: cli.main(sys.argv[1:]))
    except ending.Stopped as stopped:
        # While modules were imported, or at the very end.
        print(stopped.why, file=sys.stderr)
        return stopped.status
    except Exception as error:
        # While modules were imported: one is missing, or there is no memory for it.
        if "--debug" in sys.argv:
            raise
        print(f"error: {type(error).__name__}: {error}\n  {_hint()}", file=sys.stderr)
        # ExitStatus.INFRASTRUCTURE, which may be what could not be imported.
        return 3
    finally:
        # The status is known. Python puts back what signals do by default while it
        # ends, so that a second SIGTERM would turn 143 into a process that was killed.
        ending.ignore_signals()


def _hint() -> str:
    package = sys.modules.get("runner")
    if getattr(package, "__file__", None) is None:
        return (
            "a folder 'runner' of the current folder hides parts of this program; the "
            "command bpf-kernel-matrix does not look there"
        )
    return "install the package again; --debug shows where this was"


if __name__ == "__main__":
    sys.exit(main())
