"""The runs that a site knows: a compressed file for each, next to its pages."""

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from runner.errors import UsageError
from runner.files import whole
from runner.history import digest
from runner.history.digest import RunDigest
from runner.history.files import LeftOut
from runner.reports.atomic import explained
from runner.reports.text import one_line

# Below the site.
RUNS = Path("data/runs")
_SUFFIX = ".json.gz"
# Bytes of a digest, unpacked: ten times that of 50,000 cases.
_MOST = 1 << 28


@dataclass(frozen=True, kw_only=True)
class StoredRuns:
    """The runs of a site, in order of time, and files that hold none."""

    runs: tuple[RunDigest, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def sources(self) -> frozenset[str]:
        """The SHA-256 of every file that was read for them."""
        return frozenset(sha256 for it in self.runs for sha256 in it.sources)


def require_own(site: Path) -> None:
    """Refuse a folder that holds something else: pages of a site are replaced.

    Raises UsageError.
    """
    if site.exists() and not site.is_dir():
        raise UsageError(f"--out {site}: it is not a folder", hint="use another name")
    if site.is_dir() and any(site.iterdir()) and not (site / RUNS).is_dir():
        raise UsageError(
            f"--out {site}: the folder is neither empty nor a site of this command",
            hint="use a new folder, or one that `history` has written",
        )


def load(site: Path) -> StoredRuns:
    """Read the runs of a site; a broken one and one of the future are left out."""
    runs, left_out = [], []
    for path in sorted((site / RUNS).glob(f"*{_SUFFIX}")):
        try:
            with gzip.open(path, "rb") as file:
                text = file.read(_MOST + 1)
            if len(text) > _MOST:
                raise ValueError("it is larger than any run's")
            run = RunDigest.model_validate_json(text)
            digest.refuse_ahead(run.started)
            runs.append(run)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            why = one_line(f"{where}: {fault['msg']}")
            left_out.append(LeftOut(path=path, why=why))
        except (OSError, EOFError, ValueError, zlib.error) as error:
            left_out.append(LeftOut(path=path, why=one_line(str(error))))
    return StoredRuns(runs=_each_once(runs), left_out=tuple(left_out))


def add(site: Path, stored: StoredRuns, digests: Iterable[RunDigest]) -> StoredRuns:
    """Write the runs that are new, each file whole or not at all.

    Raises InfrastructureError.
    """
    known = {it.id for it in stored.runs}
    folder = site / RUNS
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    new = [it for it in _each_once(digests) if it.id not in known]
    for it in new:
        path = folder / f"{it.started:%Y%m%dT%H%M%S}-{it.id}{_SUFFIX}"
        with explained(path):
            whole.write(path, it.packed, mode=0o644)
    return StoredRuns(runs=_each_once([*stored.runs, *new]), left_out=stored.left_out)


def _each_once(runs: Iterable[RunDigest]) -> tuple[RunDigest, ...]:
    found = {it.id: it for it in runs}
    return tuple(sorted(found.values(), key=lambda it: (it.started, it.id)))
