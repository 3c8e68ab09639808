"""Files of runs: found, read once, merged, or told of by name."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.history import digest, files, store
from runner.history.digest import RunDigest
from runner.history.files import ReadFiles
from runner.reports import merging, resultsfile
from runner.reports.merging import FoundRun
from runner.results import PlannedCase, RunResults, Shard
from tests.unit.history.nights import case, night
from tests.unit.reports.runs import P

ON = ("5.10", "6.1")
ROOT = Path(__file__).parents[3]


def put(path: Path, results: RunResults) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    resultsfile.write(results, path)
    return path


def read(*paths: Path) -> ReadFiles:
    return files.read(paths, known=frozenset())


def parts(number: int) -> list[RunResults]:
    whole = night(number, *(case(P, kernel=it) for it in ON))
    return [
        night(
            number,
            case(P, kernel=it),
            planned=PlannedCase.of([case(P, kernel=it).key]),
            shard=Shard(index=n, count=2, planned=ON, own=(it,)),
            provenance=whole.provenance,
        )
        for n, it in enumerate(ON, 1)
    ]


def test_a_folder_means_its_files_and_all_results_below(tmp_path: Path) -> None:
    for path in ("a.json", "deep/er/results.json", "deep/other.json"):
        put(tmp_path / path, night(0, case(P)))

    found = files.find([tmp_path], but=tmp_path / "site")

    assert [str(it.relative_to(tmp_path)) for it in found] == [
        "a.json",
        "deep/er/results.json",
    ]


def test_a_quoted_pattern_is_expanded(tmp_path: Path) -> None:
    put(tmp_path / "one/results.json", night(0, case(P)))

    assert files.find([tmp_path / "*/results.json"], but=tmp_path / "s")


def test_the_site_itself_is_no_input(tmp_path: Path) -> None:
    put(tmp_path / "results.json", night(0, case(P)))
    put(tmp_path / "site/old/results.json", night(1, case(P)))

    assert len(files.find([tmp_path], but=tmp_path / "site")) == 1


@pytest.mark.parametrize("word", ["none.json", "*.json", "empty"])
def test_a_word_that_means_no_file_is_a_mistake(tmp_path: Path, word: str) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(UsageError, match=word.replace("*", r"\*")):
        files.find([tmp_path / word], but=tmp_path / "site")


def test_what_is_no_run_is_left_out_by_name(tmp_path: Path) -> None:
    good = put(tmp_path / "good.json", night(0, case(P)))
    texts = {
        "cut.json": good.read_text()[:100],
        "foreign.json": "{}",
        "newer.json": json.dumps({"schema_version": 99}),
        "timeless.json": good.read_text().replace("2026-03-01T02", "then"),
        "binary.json": "\0\1",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)

    found = read(*sorted(tmp_path.iterdir()))

    assert len(found.digests) == 1
    why = {it.path.name: it.why for it in found.left_out}
    assert why.keys() == texts.keys()
    assert "schema version 99" in why["newer.json"]
    assert all(str(tmp_path) not in it for it in why.values())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_left_out(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", night(0, case(P)))
    path.chmod(0)

    assert len(read(path).left_out) == 1


def test_many_files_are_read_as_few_are(tmp_path: Path) -> None:
    paths = [put(tmp_path / f"{n}.json", night(n, case(P))) for n in range(40)]

    found = read(*paths)

    assert [it.id for it in found.digests] == [
        it.id for path in paths for it in read(path).digests
    ]


def test_a_history_keeps_the_same_of_a_file_as_of_the_whole_run() -> None:
    """It passes over the evidence of cases, which it does not keep."""
    path = ROOT / "reports/0.2/results.json"
    whole = resultsfile.read(path)
    assert any(it.matches and it.programs for it in whole.cases)

    (found,) = read(path).digests

    assert found == digest.of(whole, found.sources)


def test_a_run_that_was_edited_is_left_out_with_the_reason(tmp_path: Path) -> None:
    path = put(tmp_path / "1.json", night(0, case(P)))
    text = path.read_text()
    path.write_text(text.replace('"outcome": "passed"', '"outcome": "fine"'))

    (left,) = read(path).left_out
    assert left.why.startswith("cases.0.outcome: ")

    # What it does not say is not taken for granted.
    lines = [it for it in text.splitlines(True) if '"complete"' not in it]
    path.write_text("".join(lines).replace('"planned"', '"no_plan"'))
    assert not read(path).digests or not read(path).digests[0].complete


def test_processes_return_what_one_would_in_the_same_order() -> None:
    """In a process of its own: a fork is for one without threads."""
    code = (
        "from runner.history import forked\n"
        "given = list(map(str, range(forked.WORTH_PROCESSES + 1)))\n"
        "extra = 'known without being sent'\n"
        "found = list(forked.mapped(lambda it: it + extra, given))\n"
        "assert found == [it + extra for it in given], found\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True)


def test_parts_are_one_run_as_if_they_had_been_merged(tmp_path: Path) -> None:
    both = parts(0)
    paths = [put(tmp_path / f"{n}.json", it) for n, it in enumerate(both)]
    whole = merging.merge([FoundRun(folder=tmp_path, results=it) for it in both])
    merged = put(tmp_path / "merged.json", whole)

    (of_parts,) = read(*paths).digests
    (of_merged,) = read(merged).digests

    assert of_parts.complete
    assert of_parts.id == of_merged.id


def test_parts_of_two_nights_are_two_runs(tmp_path: Path) -> None:
    paths = [
        put(tmp_path / f"{n}-{number}.json", it)
        for number in range(2)
        for n, it in enumerate(parts(number))
    ]

    found = read(*paths).digests

    assert len(found) == 2
    assert all(it.complete and len(it.kernels) == 2 for it in found)


def test_a_run_that_lacks_a_part_is_not_complete(tmp_path: Path) -> None:
    (found,) = read(put(tmp_path / "1.json", parts(0)[0])).digests

    assert not found.complete
    assert [it.id for it in found.kernels if it.error] == ["6.1"]


def test_a_run_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    first = put(tmp_path / "in/1.json", night(0, case(P)))
    shutil.copy(first, tmp_path / "in/2.json")
    site = tmp_path / "site"
    paths = sorted((tmp_path / "in").iterdir())

    stored = store.add(site, store.load(site), read(*paths).digests)

    assert len(stored.runs) == 1
    again = store.load(site)
    assert again.runs == stored.runs
    assert not files.read(paths, known=again.sources).digests


def test_a_broken_file_of_the_store_is_told_of(tmp_path: Path) -> None:
    digests = read(put(tmp_path / "a.json", night(0, case(P)))).digests
    store.add(tmp_path / "site", store.load(tmp_path), digests)
    (path,) = (tmp_path / "site" / store.RUNS).iterdir()
    whole = path.read_bytes()

    for data in (whole[:50], b"junk", b""):
        path.write_bytes(data)
        found = store.load(tmp_path / "site")
        assert not found.runs
        assert [it.path for it in found.left_out] == [path]


def test_a_digest_with_places_that_are_none_is_refused() -> None:
    good = digest.of(night(0, case(P)), [])
    text = good.model_dump_json()

    assert RunDigest.model_validate_json(text) == good
    with pytest.raises(ValueError, match="no such state"):
        RunDigest.model_validate_json(text.replace('"states":[0]', '"states":[7]'))
