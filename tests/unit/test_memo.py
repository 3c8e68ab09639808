import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import JsonValue

from runner.memo import Finding, found_once

LONG_AGO = 1_600_000_000


@dataclass
class Notes:
    """What is kept, in memory."""

    kept: dict[str, JsonValue] = field(default_factory=dict)

    def remember(self, name: str, value: JsonValue, /) -> None:
        self.kept[name] = value

    def recall(self, name: str, /) -> JsonValue:
        return self.kept.get(name)


@dataclass
class Reader:
    """Finds what a file says, and counts how often it was asked."""

    path: Path
    asked: int = 0

    def __call__(self) -> Finding:
        self.asked += 1
        return self.path.read_text(), [self.path]


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    path = tmp_path / "file"
    path.write_text("one")
    # Each file was written long before it is looked at.
    monkeypatch.setattr("runner.memo._changed", lambda _: LONG_AGO)
    return Reader(path)


def ask(notes: Notes, reader: Reader, subject: Iterable[str] = ("it",)) -> str:
    return found_once(notes, "text", subject, reader)


def test_what_is_known_is_not_sought_again(reader: Reader) -> None:
    notes = Notes()

    assert [ask(notes, reader), ask(notes, reader)] == ["one", "one"]
    assert reader.asked == 1


def test_a_file_written_anew_is_read_again(reader: Reader) -> None:
    notes = Notes()
    ask(notes, reader)
    reader.path.write_text("two")

    assert ask(notes, reader) == "two"


def test_a_file_of_the_same_size_and_time_is_another(reader: Reader) -> None:
    notes = Notes()
    ask(notes, reader)
    times = reader.path.stat()
    other = reader.path.with_name("other")
    other.write_text("two")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(reader.path)

    assert ask(notes, reader) == "two"


def test_a_file_that_vanished_is_noticed(reader: Reader) -> None:
    notes = Notes()
    ask(notes, reader)
    reader.path.unlink()

    with pytest.raises(FileNotFoundError):
        ask(notes, reader)


def test_questions_are_told_apart(reader: Reader) -> None:
    notes = Notes()
    ask(notes, reader)
    reader.path.write_text("two")

    assert ask(notes, reader, ("another",)) == "two"
    assert ask(notes, reader, ("an", "other")) == "two"
    assert reader.asked == 3


def test_a_file_that_changed_just_now_is_not_relied_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    notes, reader = Notes(), Reader(tmp_path / "file")

    ask(notes, reader)

    assert notes.kept == {}


@pytest.mark.parametrize(
    "kept", [None, 1, [], {}, {"inputs": {}}, {"inputs": {}, "value": 1}]
)
def test_notes_of_another_shape_do_not_count(reader: Reader, kept: JsonValue) -> None:
    notes = Notes()
    ask(notes, reader)
    (name,) = notes.kept
    notes.kept[name] = kept

    assert ask(notes, reader) == "one"
