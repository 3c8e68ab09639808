"""Fetch SARIF's JSON schema, which an npm package of Microsoft's carries.

Usage: fetch_sarif_schema.py FILE

Does nothing when FILE is there. Fetches through npm, and so from the registry that the
machine is set up with. The schema is never committed.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

_PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"
_MEMBER = "package/lib/schemas/sarif-2.1.0-rtm.5.json"
# Seconds.
_TIMEOUT = 120


def fetch(target: Path) -> None:
    """Put the schema at `target`, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        subprocess.run(
            ["npm", "pack", "--silent", "--ignore-scripts", _PACKAGE],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=_TIMEOUT,
        )
        (packed,) = Path(folder).glob("*.tgz")
        with tarfile.open(packed) as archive:
            member = archive.extractfile(_MEMBER)
            if member is None:
                raise SystemExit(f"{_MEMBER} is no file")
            whole = Path(folder) / "whole"
            whole.write_bytes(member.read())
        whole.replace(target)


if __name__ == "__main__":
    if not Path(sys.argv[1]).exists():
        fetch(Path(sys.argv[1]))
