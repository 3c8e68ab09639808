"""What a run imports before its first guest starts: it is paid for by every run."""

import subprocess
import sys

# Also what is locked is looked at.
CHOICE = """
import sys
import runner.run.run
from pathlib import Path
from runner.files.cache import Cache
from runner.kernels import rows
rows.choose(rows.KernelChoice(matrix=Path("matrix.yaml"), selectors=("6.1",)), Cache())
print(*sys.modules)
"""


def test_a_run_of_cached_kernels_imports_nothing_that_talks_to_servers() -> None:
    said = subprocess.run(
        [sys.executable, "-c", CHOICE],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert "runner.run.run" in said
    assert not {"requests", "debian", "oras"} & set(said)
