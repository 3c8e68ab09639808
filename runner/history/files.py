"""The files that a history is made of: found, read, and told of if they are no run."""

import gc
import glob
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RunnerError, UsageError
from runner.history import digest
from runner.history.digest import RunDigest
from runner.history.leanresults import LeanResults
from runner.reports import RESULTS, merging, releasepages, resultsfile
from runner.reports.merging import FoundRun
from runner.reports.text import one_line
from runner.results import RunResults, Shard

# What other commands write next to a results.json.
_OTHERS = frozenset({releasepages.JSON, "sweep.json", "bisect.json"})

# Fewer files are read sooner than processes start.
_WORTH_PROCESSES = 24


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A file that is no run, and why."""

    # As the user named it, or the folder that it was found in.
    path: Path
    why: str


@dataclass(frozen=True, kw_only=True)
class ReadFiles:
    """What was read: runs, and what was left out."""

    digests: tuple[RunDigest, ...]
    left_out: tuple[LeftOut, ...]
    # Files that the store knows already.
    known: int


def find(given: Iterable[Path], but: Path) -> list[Path]:
    """Return the files that words of the command line mean, each once, by their names.

    A folder means its *.json but those of other commands, and each results.json below
    it; a pattern, what it matches. Nothing below `but`, the site itself, is one.
    Raises UsageError for a word that means no file.
    """
    found: dict[Path, None] = {}
    for word in given:
        below = list(_meant(word, but.resolve()))
        if not below:
            raise UsageError(
                f"{word}: there is no {RESULTS} in it"
                if word.is_dir()
                else f"{word}: no such file or folder",
                hint="give files or folders with the results.json of runs, or a "
                "pattern of them in quotes",
            )
        found |= dict.fromkeys(below)
    return list(found)


def _meant(word: Path, but: Path) -> Iterator[Path]:
    if word.is_dir():
        direct = {
            path
            for path in word.glob("*.json")
            if path.is_file() and path.name not in _OTHERS
        }
        below = {path for path in word.rglob(RESULTS) if path.is_file()}
        for path in sorted(direct | below):
            if not path.resolve().is_relative_to(but):
                yield path
    elif word.exists():
        yield word
    elif glob.has_magic(str(word)):
        for name in sorted(glob.glob(str(word), recursive=True)):
            yield from _meant(Path(name), but)


@dataclass(frozen=True, kw_only=True)
class _RunFile:
    """A file that is to be read."""

    path: Path
    # Empty if it can't be read.
    sha256: str


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A part of a run that several machines did."""

    path: Path
    sha256: str
    results: RunResults
    shard: Shard


def read(paths: Sequence[Path], known: Set[str]) -> ReadFiles:
    """Read files whose SHA-256 is not known yet; parts of a run are merged."""
    sums = {path: _sha256(path) for path in paths}
    news: dict[str, Path] = {}
    for path, sha256 in sums.items():
        if sha256 is None or sha256 not in known:
            news.setdefault(sha256 or str(path), path)
    digests, left_out, parts = [], [], []
    for it in _contents(
        [_RunFile(path=it, sha256=sums[it] or "") for it in news.values()]
    ):
        match it:
            case RunDigest():
                digests.append(it)
            case LeftOut():
                left_out.append(it)
            case _Part():
                parts.append(it)
    for group in _groups(parts):
        made = _merged(group)
        if isinstance(made, RunDigest):
            digests.append(made)
        else:
            left_out += [LeftOut(path=it.path, why=made) for it in group]
    return ReadFiles(
        digests=tuple(digests),
        left_out=tuple(left_out),
        known=len(paths) - len(news),
    )


def _sha256(path: Path) -> str | None:
    """Return a file's SHA-256; None if it can't be read, which reading it reports."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _contents(files: Sequence[_RunFile]) -> Iterator[RunDigest | _Part | LeftOut]:
    workers = min(4, len(os.sched_getaffinity(0)))
    if len(files) < _WORTH_PROCESSES or workers < 2:
        yield from map(_content, files)
        return
    # A file's values live as long as it is read: there is no garbage to look for.
    with ProcessPoolExecutor(workers, initializer=gc.disable) as pool:
        yield from pool.map(_ready_content, files, chunksize=8)


def _ready_content(file: _RunFile) -> RunDigest | _Part | LeftOut:
    """Return the same with what the store will ask for, which a process computes."""
    found = _content(file)
    if isinstance(found, RunDigest):
        # A digest keeps both, and takes them along to the process that asked.
        _ = found.id, found.packed
    return found


def _content(file: _RunFile) -> RunDigest | _Part | LeftOut:
    """Return what is in a file: a whole run, a part of one, or why it is neither."""
    path, sha256 = file.path, file.sha256
    try:
        results = resultsfile.read(path, LeanResults)
        merging.refuse_names(FoundRun(folder=path, results=results))
        digest.begin(results.started)
        if results.shard is None:
            return digest.of(results, [sha256])
        return _Part(path=path, sha256=sha256, results=results, shard=results.shard)
    except RunnerError as error:
        # Its name stands before it.
        why = error.message.removeprefix(str(path)).lstrip(": ")
    except (ValueError, OverflowError) as error:
        why = f"the time of its start: {error}"
    return LeftOut(path=path, why=one_line(why))


def _groups(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Put the parts of each run together: those of the same plan, in order of time.

    A part with a number that a run has already begins the next run.
    """
    plans: defaultdict[object, list[_Part]] = defaultdict(list)
    for part in sorted(parts, key=lambda it: it.results.started):
        results, tested = part.results, part.results.provenance
        plan = part.shard.count, part.shard.planned, results.selection, results.runner
        plans[plan, tested.commit, tested.ci_run].append(part)
    for found in plans.values():
        groups: list[dict[int, _Part]] = []
        for part in found:
            index = part.shard.index
            free = next((it for it in groups if index not in it), None)
            if free is None:
                free = {}
                groups.append(free)
            free[index] = part
        for group in groups:
            yield [group[index] for index in sorted(group)]


def _merged(group: Sequence[_Part]) -> RunDigest | str:
    """Return the run of some parts, without a verdict if one is missing."""
    parts = [FoundRun(folder=it.path, results=it.results) for it in group]
    try:
        whole = merging.merge(parts, allow_missing=True)
        return digest.of(whole, [it.sha256 for it in group])
    except RunnerError as error:
        return one_line(f"a part of a run that can't be merged: {error.message}")
