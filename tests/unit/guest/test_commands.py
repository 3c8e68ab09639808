"""What commands printed: records with both ends, and whole files."""

from pathlib import Path

import pytest

from runner import reports
from runner.guest.commands import KEPT, Commands, Place
from runner.guest.replies import CommandOutput


def output(**more: object) -> CommandOutput:
    given: dict[str, object] = {
        "pid": 1,
        "exit": 0,
        "signal": None,
        "timed_out": False,
        "stdout": "",
        "stderr": "",
        "truncated": False,
        "duration_ms": 1,
    }
    return CommandOutput.model_validate({**given, **more})


def test_both_ends_are_kept_and_the_whole_is_in_a_file(tmp_path: Path) -> None:
    text = "begin\n" + "é" * 100_000 + "\nend\n"
    commands = Commands(Place.of(tmp_path, "6.1", "suite.case"))

    record = commands.add("tool", ["tool", "-v"], output(stdout=text, exit=3))

    file = "6.1/output/suite.case/tool.stdout"
    left = len(text) - 2 * KEPT
    note = f"\n[… {left} characters are left out; {file} has all of it …]\n"
    assert record.stdout == text[:KEPT] + note + text[-KEPT:]
    assert (record.stdout_file, record.stderr_file) == (file, "")
    assert (tmp_path / file).read_text() == text
    assert record.ending == "exit status 3"


def test_short_output_is_whole_everywhere(tmp_path: Path) -> None:
    commands = Commands(Place.of(tmp_path, "6.1", "suite.case"))

    record = commands.add("tool", ["tool"], output(stderr="no\r\n"))

    assert record.stderr == "no\r\n"
    assert (tmp_path / record.stderr_file).read_bytes() == b"no\r\n"


def test_names_never_leave_the_folder_nor_meet(tmp_path: Path) -> None:
    place = Place.of(tmp_path, "6.1", "../../etc.a/b")
    commands = Commands(place)
    names = ["../x", "..", ".", "", "a b", "a_b", "a" * 300, "a" * 301, "-rf", "tool"]

    for name in [*names, "tool"]:
        commands.add(name, ["x"], output(stdout=name + "!"))

    files = [it.stdout_file for it in commands.since()]
    assert len(set(files)) == len(names) + 1
    for file in files:
        path = (tmp_path / file).resolve()
        assert path.is_file()
        assert path.parent.parent == tmp_path / "6.1/output"
        assert not path.name.startswith((".", "-"))


def test_a_file_that_can_not_be_written_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "6.1").write_text("a file")
    commands = Commands(Place.of(tmp_path, "6.1", "suite.case"))

    record = commands.add("tool", ["tool"], output(stdout="x" * 100_000))

    assert record.stdout_file == ""
    assert "characters are left out …" in record.stdout


def test_a_hundred_commands_are_kept_the_last_ones() -> None:
    commands = Commands()
    for number in range(300):
        commands.add("tool", [str(number)], output())

    assert [it.argv[0] for it in commands.since()] == [
        str(it) for it in range(200, 300)
    ]
    assert [it.argv[0] for it in commands.since(298)] == ["298", "299"]


@pytest.mark.parametrize(
    ("how", "ending"),
    [
        ({"exit": 0}, "exit status 0"),
        ({"exit": 139}, "exit status 139 (SIGSEGV)"),
        ({"exit": None, "signal": "SIGKILL"}, "killed by SIGKILL"),
        (
            {"exit": None, "signal": "SIGKILL", "timed_out": True},
            "killed because of its timeout",
        ),
    ],
)
def test_an_ending_is_told_in_words(how: dict[str, object], ending: str) -> None:
    assert Commands().add("x", ["x"], output(**how)).ending == ending


def test_files_go_with_an_earlier_runs_reports(tmp_path: Path) -> None:
    commands = Commands(Place.of(tmp_path, "6.1", "suite.case"))
    commands.add("tool", ["tool"], output(stdout="x", stderr="y"))
    mine = tmp_path / "6.1/output/mine.txt"
    mine.write_text("keep")

    reports.clear(tmp_path)

    assert [it for it in tmp_path.rglob("*") if it.is_file()] == [mine]
    mine.unlink()
    reports.clear(tmp_path)
    assert not any(tmp_path.iterdir())
