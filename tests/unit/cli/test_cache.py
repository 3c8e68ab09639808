"""`cache`: what a user sees of it, and how he makes room."""

import json
from pathlib import Path

import pytest

from runner import cli
from runner.files.cache import Cache


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    made = Cache()
    for key in ("a", "b"):
        made.entry("snapshots", key, lambda folder: {"kernel": "6.1.0"})
    return made


def test_kinds_and_the_limit_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "--limit", "1G"]) == 0

    shown = capsys.readouterr().out
    assert "snapshots  " in shown
    assert "of 1073.7 MB in" in shown


def test_pruning_removes_and_tells(
    cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["cache", "prune", "--limit", "0"]) == 0

    assert "removed 2" in capsys.readouterr().out
    assert cache.held() == []


def test_a_dry_run_names_what_pruning_would_remove_and_removes_nothing(
    cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["cache", "prune", "--dry-run", "--limit", "0"]
    assert cli.main(words) == 0

    said = capsys.readouterr().out
    assert "snapshots a, " in said
    assert "snapshots b, " in said
    assert "would remove 2, " in said
    assert len(cache.held()) == 2

    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["would_remove"]) == len(told["entries"]) == 2
    assert told["removed"] == []

    assert cli.main(["cache", "--dry-run"]) == 2
    assert "--dry-run does nothing without prune" in capsys.readouterr().err


def test_json_has_every_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert [it["about"] for it in told["entries"]] == ["6.1.0", "6.1.0"]
    assert told["removed"] == []


def test_a_limit_that_is_none_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "prune", "--limit", "much"]) == 2

    assert "invalid cache size 'much'" in capsys.readouterr().err
