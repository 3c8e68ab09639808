"""The log of a search, and going on with it."""

from pathlib import Path

import pytest

from runner.bisect import triallog
from runner.bisect.search import BootState
from runner.bisect.triallog import BisectQuestion, Trial
from runner.errors import UsageError

QUESTION = BisectQuestion(
    case="core::fork", versions=("a@1", "a@2"), suites_sha256="00"
)
GOOD = Trial(kernel="a@1", state=BootState.GOOD, seconds=3.5, reports="boots/01-a@1")
BAD = Trial(
    kernel="a@2", state=BootState.BAD, failure_class="load_refused", message="no"
)


def written(path: Path, *trials: Trial) -> Path:
    log = triallog.begun(path, QUESTION, resume=False)
    for trial in trials:
        log.add(trial)
    return path


def test_boots_of_an_interrupted_search_are_there_again_once_each(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "log", GOOD, BAD, GOOD)
    log = triallog.begun(path, QUESTION, resume=True)
    assert log.next_of("a@1") == GOOD
    assert log.next_of("a@1") == GOOD
    assert log.next_of("a@1") is None
    assert log.next_of("a@2") == BAD
    assert log.next_of("a@3") is None


def test_log_that_is_resumed_keeps_its_boots(tmp_path: Path) -> None:
    path = written(tmp_path / "log", GOOD)
    triallog.begun(path, QUESTION, resume=True).add(BAD)
    assert triallog.read(path) == (QUESTION, [GOOD, BAD])


def test_search_that_is_not_resumed_begins_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "log", GOOD)
    assert triallog.begun(path, QUESTION, resume=False).next_of("a@1") is None


def test_line_that_was_cut_off_loses_that_boot_only(tmp_path: Path) -> None:
    path = written(tmp_path / "log", GOOD, BAD)
    path.write_text(path.read_text()[:-20])
    assert triallog.read(path) == (QUESTION, [GOOD])


def test_versions_may_have_changed_since(tmp_path: Path) -> None:
    path = written(tmp_path / "log", GOOD)
    moved = QUESTION.model_copy(update={"versions": ("a@1", "a@3")})
    assert triallog.begun(path, moved, resume=True).next_of("a@1") == GOOD


@pytest.mark.parametrize(
    ("update", "told"),
    [
        ({"case": "core::exec"}, "is about core::fork, not core::exec"),
        ({"suites_sha256": "01"}, "changed since"),
    ],
)
def test_log_of_another_question_is_refused(
    tmp_path: Path, update: dict[str, str], told: str
) -> None:
    path = written(tmp_path / "log", GOOD)
    with pytest.raises(UsageError, match=told):
        triallog.begun(path, QUESTION.model_copy(update=update), resume=True)


def test_log_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no"):
        triallog.begun(tmp_path / "log", QUESTION, resume=True)


@pytest.mark.parametrize("text", ["", "nonsense\n", "[]\n", "\0\n"])
def test_file_that_is_no_log_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    with pytest.raises(UsageError, match="is not the log of a search"):
        triallog.read(path)


def test_damaged_line_amid_a_log_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "log", GOOD)
    path.write_text(path.read_text() + "{}\n{}\n")
    with pytest.raises(UsageError, match="is not the log of a search"):
        triallog.read(path)
