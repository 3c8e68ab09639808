"""The judge of runs with a fault sees what must not be."""

import re
from pathlib import Path

import pytest

from runner.reports import resultsfile
from runner.results import Outcome, RunResults
from tests.faults import judge, record, table
from tests.faults.fault import Chance, Fault, Struck
from tests.faults.judge import Judged
from tests.faults.running import Ended
from tests.faults.table import Made, Row
from tests.faults.world import World
from tests.unit.reports.runs import case, run

P, F, E = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR
RIGHT = run(case("a", P), case("wrong", F))


def put(world: World, chance: Chance) -> Struck:
    """Do nothing."""
    raise NotImplementedError


def judged(
    folder: Path,
    found: RunResults | None,
    *,
    status: int = 1,
    output: str = "",
    left: tuple[str, ...] = (),
    loses: bool = True,
) -> Judged:
    world = World(folder=folder, caches=())
    world.reports.mkdir(exist_ok=True)
    world.outside.mkdir(exist_ok=True)
    if found is not None:
        text = resultsfile.dump(found)
        (world.reports / "results.json").write_text(text)
    ended = Ended(status=status, output=output, seconds=1, hung=False, left=left)
    struck = Struck(how="", phase="cases", ended=ended)
    fault = Fault(name="a fault", put=put, loses=loses)
    return judge.judge(fault, struck, world, judge.verdicts(RIGHT))


def test_the_same_verdicts_are_right(tmp_path: Path) -> None:
    assert judged(tmp_path, RIGHT) == Judged(outcome="all verdicts", wrong=())


def test_a_lost_case_is_right_where_the_fault_may_cost_it(tmp_path: Path) -> None:
    found = run(case("a", E), case("wrong", F))

    assert not judged(tmp_path, found, status=3).wrong


def test_a_lost_case_is_wrong_where_another_was_hit(tmp_path: Path) -> None:
    found = run(case("a", E), case("wrong", F))

    (wrong,) = judged(tmp_path, found, status=3, loses=False).wrong
    assert "error, not passed" in wrong


@pytest.mark.parametrize("outcomes", [(P, P), (F, F)])
def test_another_verdict_is_wrong(
    outcomes: tuple[Outcome, ...], tmp_path: Path
) -> None:
    found = run(case("a", outcomes[0]), case("wrong", outcomes[1]))

    assert judged(tmp_path, found, status=int(F in outcomes)).wrong


@pytest.mark.parametrize("status", [0, 4, -6])
def test_another_status_than_the_results_is_wrong(status: int, tmp_path: Path) -> None:
    assert judged(tmp_path, RIGHT, status=status).wrong


def test_a_refusal_is_wrong_where_nothing_was_to_be_refused(tmp_path: Path) -> None:
    assert judged(tmp_path, None, status=2).wrong


def test_a_green_junit_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "reports/6.1").mkdir(parents=True)
    (tmp_path / "reports/6.1/junit.xml").write_text(
        '<testsuites tests="1" errors="0" failures="0"/>'
    )

    assert judged(tmp_path, RIGHT).wrong


def test_what_still_runs_is_wrong(tmp_path: Path) -> None:
    assert judged(tmp_path, RIGHT, left=("qemu (7)",)).wrong


def test_a_traceback_is_wrong(tmp_path: Path) -> None:
    assert judged(tmp_path, RIGHT, output="Traceback (most recent call last):").wrong


def test_a_file_that_was_written_elsewhere_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "outside/etc").mkdir(parents=True)
    (tmp_path / "outside/etc/x").touch()

    assert judged(tmp_path, RIGHT).wrong == ("written: /etc/x",)


def test_results_that_do_not_read_are_wrong(tmp_path: Path) -> None:
    world = World(folder=tmp_path, caches=())
    world.reports.mkdir()
    (world.reports / "results.json").write_text("{")

    assert isinstance(judge.read(world.reports), str)


def a_row(number: int, outcome: str, *wrong: str) -> Row:
    ended = Ended(status=1, output="", seconds=1.23, hung=False, left=())
    struck = Struck(how="how", phase="cases", ended=ended)
    made = Made(seed=3, number=number, fault="a", commit=f"c{number}")
    return table.row(made, struck, Judged(outcome=outcome, wrong=wrong))


def test_a_table_counts_by_fault() -> None:
    rows = [a_row(0, "all verdicts"), a_row(1, "no results", "x")]

    assert table.render(rows, seed=3).splitlines() == [
        "2 runs, seed 3, of c0, c1: 1 wrong.",
        "",
        "| fault | runs | struck in | all verdicts | some without a verdict "
        "| incomplete | no results | wrong |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| a | 2 | cases 2 | 1 |  |  | 1 | 1 |",
    ]


def test_a_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "runs"
    assert record.read(path, 3) == []

    rows = [a_row(0, "all verdicts"), a_row(2, "no results", "x")]
    for row in rows:
        record.append(path, row)

    assert record.read(path, 3) == rows
    assert record.read(path, 4) == []
    assert record.missing(rows, range(4)) == [1, 3]


def test_a_run_says_which_code_it_ran() -> None:
    assert re.fullmatch(r"[0-9a-f]{7,40}\+?|unknown", record.commit())
