"""Fetch Jenkins' JUnit schema, which pytest's source distribution carries.

Usage: fetch_junit_schema.py FILE

Does nothing when FILE is there. Fetches through pip, and so from the index that the
machine is set up with. The schema is never committed.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

_RELEASE = "8.3.4"
_MEMBER = f"pytest-{_RELEASE}/testing/example_scripts/junit-10.xsd"
# Seconds.
_TIMEOUT = 120


def fetch(target: Path) -> None:
    """Put the schema at `target`, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        # pip builds its metadata, and gets what that needs into a place of its own.
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet"),
                *("--no-deps", "--no-binary", "pytest", "--dest", folder),
                f"pytest=={_RELEASE}",
            ],
            check=True,
            timeout=_TIMEOUT,
        )
        with tarfile.open(Path(folder) / f"pytest-{_RELEASE}.tar.gz") as archive:
            member = archive.extractfile(_MEMBER)
            if member is None:
                raise SystemExit(f"{_MEMBER} is no file")
            whole = Path(folder) / "whole"
            whole.write_bytes(member.read())
        whole.replace(target)


if __name__ == "__main__":
    if not Path(sys.argv[1]).exists():
        fetch(Path(sys.argv[1]))
