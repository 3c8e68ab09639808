"""The bench keeps what it measured, and its limits don't depend on the machine."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as bench
from bench import boots, figures, runs
from bench.boots import Start
from bench.figures import Figure, Samples
from bench.runs import Job
from runner.errors import RunnerError, UsageError
from runner.guest.guest import Origin
from runner.guest.host import Host
from tests.unit.guest.doubles import HELLO, KERNEL, artifact

RELEASE = HELLO.release


class Machine:
    """Stands in for all that is measured. Fails at a step, when it is told to."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.failure: tuple[str, BaseException] | None = None

    def does(self, step: str) -> None:
        self.steps.append(step)
        if self.failure is not None and self.failure[0] == step:
            raise self.failure[1]

    def bare(self, _: object) -> float:
        self.does("bare")
        return 2.0

    def start(self, _: object) -> Start:
        self.does("start")
        return Start(seconds=3.0, resident=100.0)

    def job(self, *_: object, **__: object) -> Job:
        self.does("job")
        return Job(seconds=4.0, cases=(0.5,))

    def further(self, _: object) -> float:
        self.does("further")
        return 0.2


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    origin = Origin(kernel=KERNEL, artifact=artifact(), host=object.__new__(Host))
    monkeypatch.setattr(boots, "origin", lambda _: origin)
    monkeypatch.setattr(boots, "bare", made.bare)
    monkeypatch.setattr(boots, "cold", made.start)
    monkeypatch.setattr(boots, "restored", made.start)
    monkeypatch.setattr(runs, "job", made.job)
    monkeypatch.setattr(runs, "further_object", made.further)
    return made


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "vng"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def measured(path: Path) -> Iterator[tuple[str, Any]]:
    for row in json.loads(path.read_text())["rows"]:
        yield row["what"], row


PART = ["--part", "boots", "--times", "1"]


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (RunnerError("the run ended with 1", hint="no disk"), 3, "no disk"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_was_measured_is_shown_and_written_when_a_later_part_fails(
    failure: BaseException,
    status: int,
    said: str,
    machine: Machine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    machine.failure = ("further", failure)
    written = tmp_path / "figures.json"

    assert bench.main([*PART, "--json", str(written)]) == status

    rows = dict(measured(written))
    assert rows["6.1: bare QEMU boot to the first userspace line"]["values"] == [2.0]
    assert rows["6.1: suite task, command to exit"]["bare_boots"] == 2.0
    assert not any("further" in what for what in rows)
    printed = capsys.readouterr()
    assert "bare QEMU" in printed.out
    assert said in printed.err


def test_a_run_that_fails_is_told_with_all_that_it_printed(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.write_text(
        "#!/bin/sh\necho incomplete: 0 of 10\necho error: why >&2\nexit 3\n"
    )
    monkeypatch.setattr(sys, "executable", str(program))

    with pytest.raises(RunnerError, match=r"the run on 6\.12-s390x ended with 3") as it:
        runs.job("6.12-s390x")

    assert it.value.hint == "incomplete: 0 of 10\nerror: why\n"


def test_a_fault_of_the_bench_loses_nothing(machine: Machine, tmp_path: Path) -> None:
    machine.failure = ("further", ZeroDivisionError())
    written = tmp_path / "figures.json"

    with pytest.raises(ZeroDivisionError):
        bench.main([*PART, "--json", str(written)])

    assert dict(measured(written))


def test_virtme_ng_without_a_kernel_is_refused_before_anything_is_measured(
    machine: Machine,
    program: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = tmp_path / "boot/vmlinuz-6.1.0"

    assert bench.main([*PART, "--vng", str(program), "--vng-image", str(image)]) == 2

    assert machine.steps == []
    said = capsys.readouterr().err
    assert f"{image} does not exist" in said
    assert "--vng-image FOLDER/boot/vmlinuz-6.1.0" in said


def test_virtme_ng_finds_the_installed_kernel(program: Path, tmp_path: Path) -> None:
    for path in (f"boot/vmlinuz-{RELEASE}", f"lib/modules/{RELEASE}/modules.dep"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()

    found = boots.virtme(program, None, RELEASE, tmp_path)

    assert found.image == tmp_path / f"boot/vmlinuz-{RELEASE}"
    (tmp_path / f"lib/modules/{RELEASE}/modules.dep").unlink()
    with pytest.raises(UsageError, match=r"modules\.dep does not exist"):
        boots.virtme(program, None, RELEASE, tmp_path)
    with pytest.raises(UsageError, match="not a program"):
        boots.virtme(tmp_path, None, RELEASE, tmp_path)


def test_a_folder_for_the_figures_that_is_not_there_is_told_first(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main([*PART, "--json", str(tmp_path / "none/figures.json")]) == 2

    assert machine.steps == []
    assert "the folder does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_times_are_a_positive_number(
    number: str, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        bench.main(["--times", number])

    assert "must be a positive number" in capsys.readouterr().err


@pytest.mark.parametrize("slower", [1.0, 2.0, 10.0])
def test_a_slower_machine_has_the_same_verdicts(
    slower: float, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Samples()
    found.add("bare", 2.0 * slower)
    found.add("quick", 1.0 * slower)
    found.add("slow", 7000.0 * slower)

    rows = found.rows(
        [
            Figure(name="quick", what="quick", at_most=0.6),
            Figure(name="slow", what="slow", unit="ms", at_most=3.4),
        ]
    )
    figures.show(rows)

    assert [row.bare_boots for row in rows] == [0.5, 3.5]
    quick, slow = capsys.readouterr().out.splitlines()[-3:-1]
    assert "✓" in quick
    assert "✗" in slow


def test_a_limit_in_bare_boots_is_open_where_none_was_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = Samples()
    found.add("quick", 1.0)

    figures.show(found.rows([Figure(name="quick", what="quick", at_most=0.6)]))

    assert "?" in capsys.readouterr().out
