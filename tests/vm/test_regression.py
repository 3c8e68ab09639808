"""A regression from its first run to its fix, by the command line, on real kernels.

task_struct.state is __state from 5.14 on; tests/data/objects/renamed.bpf.c reads it
without a guard.
"""

import shutil
from pathlib import Path

import pytest

from runner.results import Outcome
from tests.vm.conftest import DATA, Finished, run

pytestmark = pytest.mark.vm

SOURCE = DATA / "objects/renamed.bpf.c"
UNGUARDED = "\tbpf_core_read(&state, sizeof(state), &task->state);\n"
# The same, where there is such a field, else by its later name.
GUARDED = """\
	struct task_struct___new *new = (void *)task;
	if (bpf_core_field_exists(task->state))
		bpf_core_read(&state, sizeof(task->state), &task->state);
	else
		bpf_core_read(&state, sizeof(new->__state), &new->__state);
"""
FLAVOR = """\
struct task_struct___new {
	unsigned int __state;
} __attribute__((preserve_access_index));

struct {
"""
SUITE = """\
description: New tasks are seen.
cases:
  - name: state
    object: mine.bpf.c
    trigger: [{fork: sleeper}]
    expect: [{map: states, key: "${child.pid}", between: [0, 4096]}]
"""
# What it did before: it read no state.
EARLIER = ""
KERNELS = ("--kernels", "5.10,6.12")


def suite(folder: Path, read: str) -> Path:
    """Write the suite, with a program that reads the field like this."""
    text = SOURCE.read_text()
    assert UNGUARDED in text
    text = text.replace(UNGUARDED, read)
    if "___new" in read:
        text = text.replace("\nstruct {\n", f"\n{FLAVOR}")
    own = folder / "mine"
    own.mkdir(exist_ok=True)
    (own / "mine.bpf.c").write_text(text)
    (own / "suite.yaml").write_text(SUITE)
    return own


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("regression")


@pytest.fixture(scope="module")
def before(folder: Path) -> Finished:
    """A run that the regression is held against."""
    return run(*KERNELS, "--suite", suite(folder, EARLIER), reports=folder / "before")


@pytest.fixture(scope="module")
def broken(folder: Path, before: Finished) -> Finished:
    """A run of the program that reads the renamed field, as a workflow's step."""
    done = run(
        *(*KERNELS, "--suite", suite(folder, UNGUARDED)),
        *("--baseline", before.reports / "results.json", "--gate", "regressions"),
        reports=folder / "broken",
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(folder / "summary.md"),
        GITHUB_OUTPUT=str(folder / "output"),
    )
    shutil.copy(folder / "mine/mine.bpf.c", folder / "broken.bpf.c")
    return done


def line_of(source: Path, text: str) -> int:
    lines = source.read_text().splitlines()
    return 1 + next(at for at, line in enumerate(lines) if text in line)


def test_the_run_before_it_is_compatible(before: Finished) -> None:
    assert before.status == 0, before.output + before.errors


def test_the_gate_fails(broken: Finished) -> None:
    assert broken.status == 1, broken.output + broken.errors


def test_only_the_newer_kernel_is_affected(broken: Finished) -> None:
    found = {it.kernel: it.outcome for it in broken.results.cases}

    assert found == {"5.10": Outcome.PASSED, "6.12": Outcome.FAILED}
    assert "6.12 (regression): mine::state" in broken.output
    assert "1 regression" in broken.output


def test_the_annotation_is_at_the_line_that_reads_the_field(
    broken: Finished, folder: Path
) -> None:
    line = line_of(folder / "broken.bpf.c", "&task->state")
    (found,) = [
        it for it in broken.output.splitlines() if it.startswith("::error file=")
    ]

    assert f"mine/mine.bpf.c,line={line}," in found
    assert "(regression on 6.12)" in found


def test_every_report_shows_it(broken: Finished, folder: Path) -> None:
    step = (folder / "summary.md").read_text()
    assert "**regression** on `6.12`" in step
    assert "__state" in step

    for name in ("summary.md", "report.html", "results.sarif"):
        text = (broken.reports / name).read_text()
        assert "mine" in text
        assert "6.12" in text
        assert "regression" in text or '"baselineState": "new"' in text


def test_report_says_the_same_of_it_later(
    broken: Finished, before: Finished, folder: Path
) -> None:
    def report(*words: str | Path) -> Finished:
        return run(
            *("report", broken.reports, *words),
            reports=folder / "later",
            option="--out",
        )

    baseline = ("--baseline", before.reports / "results.json")
    assert report(*baseline, "--gate", "regressions").status == 1
    assert report("--gate", "all").status == 1
    # Held against itself, nothing is worse.
    itself = ("--baseline", broken.reports / "results.json")
    assert report(*itself, "--gate", "regressions").status == 0
    assert report().status == 0


def test_after_the_fix_the_gate_passes(
    broken: Finished, before: Finished, folder: Path
) -> None:
    done = run(
        *(*KERNELS, "--suite", suite(folder, GUARDED)),
        *("--baseline", broken.reports / "results.json", "--gate", "all"),
        *("--release", "v1.2"),
        reports=folder / "fixed",
    )

    assert done.status == 0, done.output + done.errors
    assert "1 fix" in done.output
    notes = (done.reports / "release.md").read_text()
    assert "- Fixed: " in notes
    assert "**Works on:** `5.10 – 6.12`" in notes  # noqa: RUF001
