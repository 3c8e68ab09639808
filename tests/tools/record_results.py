"""Records a run with failures: python -m tests.tools.record_results.

tests/data/results/failures.json becomes the results of suites of tests/data/suites on
three kernels and on a file that is none. Paths of this machine become those of a
checkout in /src and of a cache in /cache.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

from runner.reports import RESULTS, resultsfile

_ROOT = Path(__file__).resolve().parents[2]
_SUITES = (
    *(
        "tests/data/suites/renamed",
        "tests/data/suites/hostile",
        "tests/data/suites/canary",
    ),
    *("suites/maps", "suites/task"),
)
_CASES = "not _compat and not stacks and not perf_events and not lpm and not queue"
_RECORDED = _ROOT / "tests/data/results/failures.json"


def main() -> None:
    """Run the suites and keep what they come to."""
    with tempfile.TemporaryDirectory() as folder:
        broken = Path(folder) / "bzImage"
        broken.write_bytes(b"no kernel" * 1000)
        reports = Path(folder) / "reports"
        command = [sys.executable, "-m", "runner", "--reports", str(reports)]
        command += ["--kernels", "5.10,5.14,6.1,6.12", "--kernel", f"5.14={broken}"]
        command += ["-k", _CASES]
        for suite in _SUITES:
            command += ["--suite", suite]
        subprocess.run(command, cwd=_ROOT, check=False)
        text = (reports / RESULTS).read_text(encoding="utf-8")
        paths = {
            str(user_cache_path()): "/cache",
            str(_ROOT): "/src",
            folder: "/tmp/run",
        }
        for path, instead in paths.items():
            text = text.replace(path, instead)
        _RECORDED.parent.mkdir(exist_ok=True)
        _RECORDED.write_text(text, encoding="utf-8")
    resultsfile.read(_RECORDED)


if __name__ == "__main__":
    main()
