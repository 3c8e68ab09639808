"""What a run imports before its first guest starts: it is paid for by every run."""

import subprocess
import sys


def test_a_run_of_cached_kernels_imports_nothing_that_talks_to_servers() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, runner.run.run; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert "runner.run.run" in said
    assert not {"requests", "debian", "oras"} & set(said)
