"""`python -m runner`."""

import sys

from runner.ending import Stopped, watch_signals

watch_signals()
try:
    from runner.cli import main

    status = main(sys.argv[1:])
except Stopped as stopped:
    # While modules were imported.
    print(stopped.why, file=sys.stderr)
    status = stopped.status
sys.exit(status)
