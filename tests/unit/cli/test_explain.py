"""`explain` on a real run with failures, tests/data/results/failures.json."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

from runner import cli
from runner.files.shipped import ROOT
from runner.matrix.environment import parse
from runner.reports import resultsfile
from runner.results import PlannedCase, Selection
from tests.unit.reports.runs import F, P, case, run

RECORDED = ROOT / "tests/data/results/failures.json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which that run was the last one, and its suites."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "reports/latest").mkdir(parents=True)
    shutil.copy(RECORDED, tmp_path / "reports/latest/results.json")
    shutil.copytree(ROOT / "tests/data/suites", tmp_path / "tests/data/suites")
    return tmp_path


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert cli.main(["explain", *words]) == 0
    return capsys.readouterr().out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["explain", *words]) == 2
    return capsys.readouterr().err


def section(lines: list[str], title: str) -> list[str]:
    """Return the lines below a title that begins like this."""
    start = next(at for at, line in enumerate(lines) if line.startswith(title)) + 1
    end = lines.index("", start) if "" in lines[start:] else len(lines)
    return lines[start:end]


def test_a_refusal_with_its_log_its_source_and_its_cure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = explained(capsys, "renamed::state@6.1")

    assert lines[0] == "✗ renamed::state on 6.1: failed [poison_reachable]"
    assert section(lines, "Source: ")[3].startswith("  >   ")
    log = section(lines, "Log (")
    assert log[0].startswith("  [… ")
    assert any(
        it.startswith("  > failed to resolve CO-RE relocation <byte_off>") for it in log
    )
    assert "task_struct.__state" in "".join(section(lines, "What to do"))
    assert "  the class:      python -m runner explain poison_reachable" in lines


def test_the_command_that_repeats_the_case_can_be_pasted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (
        "  run it again:   python -m runner --kernels 6.1 --suite "
        "tests/data/suites/renamed -k renamed::state"
    ) in explained(capsys, "renamed::state@6.1")


def test_expected_and_observed_stand_below_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = section(
        explained(capsys, "canary::wrong_offset@5.10"), "Expected and observed"
    )
    assert lines[0].startswith("  map ")
    assert lines[1].startswith("    expected  ")
    assert lines[2].startswith("    observed  ")


def test_kernels_on_which_a_case_failed_alike_are_explained_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = explained(capsys, "hostile::not_elf")
    titles = [it for it in lines if it.startswith("✗")]
    assert titles == [
        "✗ hostile::not_elf on 5.14, 5.10, 6.1, 6.12: failed [bad_object]"
    ]


def test_where_a_case_passed_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert "  Passed on 5.10." in explained(capsys, "renamed::state@6.12")


def test_a_passed_case_shows_what_was_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = explained(capsys, "hostile::before@6.12")
    assert lines[0] == "✓ hostile::before on 6.12: passed"
    assert "  1 expectation held." in lines
    assert not any(it.startswith("What to do") for it in lines)


def test_a_kernel_that_did_not_come_up_explains_its_cases(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "\n".join(explained(capsys, "task::state@5.14"))
    assert text.startswith("! task::state on 5.14: infrastructure error")
    assert text.count("this is not a kernel image") == 1


def test_the_console_of_a_panic_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    console = section(explained(capsys, "hostile::panics@6.1"), "Console")
    assert "  > [   25.784427] Kernel panic - not syncing: sysrq triggered crash" in (
        console
    )


@pytest.mark.parametrize(
    ("word", "listed"),
    [
        ("canary::wrong_*@6.1", 4),
        ("state@6.1", 2),
        ("renamed", 0),
        ("*::state@6.*", 4),
    ],
)
def test_several_cases_are_listed_and_one_is_shown(
    capsys: pytest.CaptureFixture[str], word: str, listed: int
) -> None:
    lines = explained(capsys, word)
    assert (lines[0].split() == ["outcome", "case", "class"]) == bool(listed)
    if listed:
        assert len(lines) == listed + 3


def test_without_a_word_failures_are_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = explained(capsys)
    assert "failed   renamed::state@6.1                                poison" in (
        "\n".join(lines)
    )
    assert "passed" not in "\n".join(lines)


def test_a_class_is_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    lines = explained(capsys, "poison_reachable")
    assert lines[0] == "poison_reachable"
    assert section(lines, "What to do")[0].startswith("  guard it with")
    assert "  - failed to resolve CO-RE relocation" in lines
    assert section(lines, "Related")[0].startswith("  relocation_ambiguous: ")
    assert section(lines, "In the last run") == [
        "  renamed::state@6.1",
        "  renamed::state@6.12",
    ]


def test_a_class_needs_no_run(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "reports/latest/results.json").write_text("{}")
    assert explained(capsys, "kernel_panic")[0] == "kernel_panic"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["poisen_reachable"], "did you mean poison_reachable"),
        (["renamed::stat@6.1"], "did you mean renamed::state"),
        (["renamed::state@6.2"], "it ran on 5.14, 5.10, 6.1, 6.12"),
        (["zzz"], "explain lists what failed"),
        (["state", "--reports", "gone"], "there is no gone"),
        (["poisen_reachable", "--reports", "gone"], "the class poison_reachable"),
    ],
)
def test_what_there_is_not_is_a_mistake_with_near_names(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert said in refused(capsys, *words)


def test_json_has_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(explained(capsys, "renamed::state@6.*", "--json"))
    assert [it["kernel"] for it in json.loads(text)] == ["6.1", "6.12"]
    text = "\n".join(explained(capsys, "kernel_panic", "--json"))
    assert json.loads(text)["class"] == "kernel_panic"


def test_a_case_that_never_ran_says_so(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    planned = (PlannedCase(suite="task", case="state", kernels=("6.1", "6.12")),)
    results = run(case("6.1", P), case("6.12", F)).model_copy(
        update={"cases": (case("6.1", P),), "planned": planned}
    )
    resultsfile.write(results, folder / "reports/latest/results.json")

    lines = explained(capsys, "task::state@6.12")
    assert lines[0] == "! task::state on 6.12: did not run"


def test_a_narrow_terminal_wraps_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = explained(capsys, "renamed::state@6.1")
    sentences = [*lines[: lines.index("")], *section(lines, "What to do")]
    assert all(len(it) <= 60 for it in sentences)


def test_kernel_may_be_one_version_of_a_row(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = RECORDED.read_text().replace('"6.1"', '"6.1@6.1.176-1"')
    (folder / "reports/latest/results.json").write_text(text)

    lines = explained(capsys, "renamed::state@6.1@6.1.176-1")

    assert lines[0].startswith("✗ renamed::state on 6.1@6.1.176-1: failed")


def test_the_command_that_repeats_the_case_has_the_guest_of_its_run(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    words = ("cpus=2", "sysctl={kernel.sysrq: 1}")
    environment = {**parse(words).shown, "memory": 512}
    done = run(case("6.1", F, environment=environment))
    asked = Selection(guest=words)
    resultsfile.write(
        done.model_copy(update={"selection": asked}),
        folder / "reports/latest/results.json",
    )

    lines = explained(capsys, "state")

    (line,) = (it for it in lines if "run it again:" in it)
    _, _, text = line.partition(" runner ")
    # What the row, the suite and the case say, they say again.
    assert [it for it in shlex.split(text)[:6] if it != "--guest"] == [
        *("--kernels", "6.1"),
        *words,
    ]


def test_a_shell_is_in_a_guest_like_the_cases(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    words = ["user={uid: 1000, namespace: true}", "sysctl={kernel.printk: 7 4 1 7}"]
    environment = parse([*words, "interfaces=[{name: a, peer: {name: b}}]"])
    failed = case("6.1", F, environment=environment.shown)
    resultsfile.write(run(failed), folder / "reports/latest/results.json")

    lines = explained(capsys, "state")

    (line,) = (it for it in lines if "a shell there:" in it)
    *given, kernel = shlex.split(line.partition(" runner shell ")[2])
    assert kernel == "6.1"
    told = [it for it in given if it != "--guest"]
    assert parse(told) == environment
