"""The plugin in processes of pytest, with guests that are not there."""

import importlib
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.errors import ExitStatus
from runner.reports import resultsfile
from runner.results import CaseResult, Outcome, RunResults
from tests.unit.plugin.faked import install

pytest_plugins = ["pytester"]

# pytester forgets what a run imported. rich must not be there twice.
for module in ("rich.console", "rich.table", "rich.progress", "runner.reports.summary"):
    importlib.import_module(module)

ROOT = Path(__file__).resolve().parents[3]
MATRIX = """\
kernels:
  - {id: "6.1", source: {type: path, image: none}}
  - {id: "6.12", source: {type: path, image: none}}
  - {id: sid, source: {type: path, image: none}}
"""
CASE = """
  - name: %s
    files: [tool]
    trigger: [{command: [tool]}]
    expect: [{value: "${command.stdout}", equals: x}]
"""
CONFTEST = """
from dataclasses import asdict
from tests.unit.plugin.faked import install, note
import json, os
def pytest_kernel_matrix_step(step):
    with open("steps", "a") as stream:
        stream.write(json.dumps({"pid": os.getpid(), **asdict(step)}) + "\\n")
def pytest_sessionstart(session):
    note("session", hasattr(session.config, "workerinput"), os.getpid())
"""


class Project:
    """A folder with a suite, in which pytest runs."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.folder = pytester.path

    def run(
        self, *words: str, kernels: str = "6.1", workers: bool = False
    ) -> pytest.RunResult:
        """Run pytest; where it starts workers, in a process of its own."""
        words = ("--matrix=matrix.yaml", "--reports=reports", *words, "mine")
        words = (f"--kernels={kernels}", *words)
        self._pytester.makeconftest(CONFTEST + ("install()\n" if workers else ""))
        if workers:
            return self._pytester.runpytest_subprocess(*words, timeout=300)
        return self._pytester.runpytest_inprocess(*words)

    def suite(self, *cases: str) -> None:
        text = "".join(CASE % name for name in cases)
        (self.folder / "mine/suite.yaml").write_text(
            f"description: Mine.\ncases:{text}"
        )

    @property
    def events(self) -> list[str]:
        return (self.folder / "events").read_text().splitlines()

    @property
    def results(self) -> RunResults:
        return resultsfile.read(self.folder / "reports/results.json")

    @property
    def cases(self) -> dict[str, CaseResult]:
        return {f"{it.case}[{it.kernel}]": it for it in self.results.cases}


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_CACHE_HOME", str(pytester.path / "cache"))
    install(monkeypatch.setattr)
    (pytester.path / "matrix.yaml").write_text(MATRIX)
    (pytester.path / "mine").mkdir()
    # Not a kernel, which nobody finds out here.
    for name in ("none", "mine/tool"):
        (pytester.path / name).touch()
    return Project(pytester)


@pytest.mark.parametrize("lanes", ["1", "2"])
def test_a_case_whose_guest_is_lost_runs_again_in_a_clean_one(
    project: Project, lanes: str
) -> None:
    project.suite("lost", "passes")

    done = project.run("--lanes", lanes)

    assert done.ret == ExitStatus.COMPATIBLE, done.stdout.str()
    assert project.events.count("run lost 6.1") == 2
    assert project.cases["lost[6.1]"].outcome is Outcome.PASSED
    assert project.cases["lost[6.1]"].flaky == "lost ended so"
    assert project.cases["passes[6.1]"].flaky == ""


def test_x_ends_the_guests_of_the_other_workers(project: Project) -> None:
    project.suite("x", "passes")

    done = project.run("-x", "--lanes=2", kernels="6.1,6.12")

    assert done.ret == ExitStatus.INCOMPATIBLE, done.stdout.str()
    assert "killed True" in project.events
    assert project.cases["x[6.1]"].outcome is Outcome.FAILED
    assert not project.results.complete


@pytest.mark.parametrize("parallel", ["--lanes=1", "-n1"])
def test_x_goes_on_after_a_known_flaky_failure(project: Project, parallel: str) -> None:
    project.suite("fails", "passes", "fails_too", "last")
    day = datetime.now(UTC).date()
    (project.folder / "flaky.yaml").write_text(
        f"flaky:\n- {{case: 'mine::fails', owner: '@ada', until: {day}}}\n"
    )

    words = ("-x", parallel, "--flaky=flaky.yaml")
    project.run(*words, workers=parallel.startswith("-n"))

    assert project.cases["fails[6.1]"].is_excused
    assert project.cases["passes[6.1]"].outcome is Outcome.PASSED
    assert project.cases["fails_too[6.1]"].outcome is Outcome.FAILED
    assert not project.results.complete


def test_lf_selects_what_failed(project: Project) -> None:
    project.suite("passes", "fails", "fails_too")
    assert project.run("--lanes=2").ret == ExitStatus.INCOMPATIBLE

    project.run("--lf")

    ran = Counter(it for it in project.events if it.startswith("run"))
    assert ran == {"run passes 6.1": 1, "run fails 6.1": 2, "run fails_too 6.1": 2}
    assert set(project.cases) == {"fails[6.1]", "fails_too[6.1]"}


def test_workers_of_xdist_get_the_run_and_send_their_steps(project: Project) -> None:
    project.suite("passes", "lost")

    done = project.run("-n2", "--dist=loadgroup", kernels="6.1,6.12,sid", workers=True)

    assert done.ret == ExitStatus.INFRASTRUCTURE, done.stdout.str()
    # What can't be had is looked for once.
    assert len([it for it in project.events if it.startswith("obtain sid")]) == 1
    assert {it.id for it in project.results.kernels if it.error} == {"sid"}
    assert project.cases["lost[6.12]"].flaky == "lost ended so"
    (first,) = [it for it in project.events if it.startswith("session False")]
    steps = [
        json.loads(it) for it in (project.folder / "steps").read_text().splitlines()
    ]
    # They came to the process that has the display.
    assert {it["pid"] for it in steps} == {int(first.split()[-1])}
    for kernel in ("6.1", "6.12"):
        texts = [it["text"] for it in steps if it["kernel"] == kernel]
        assert "starting from the snapshot" in texts
        assert "running passes" in texts
        assert "lost: trying again in a clean guest" in texts


def test_reports_that_can_not_be_written_at_the_end_are_no_success(
    project: Project,
) -> None:
    project.suite("passes", "breaks_reports")

    done = project.run()

    assert done.ret == ExitStatus.INFRASTRUCTURE, done.stdout.str()
    assert "error: " in done.stdout.str()
    assert "INTERNALERROR" not in done.stdout.str()


def test_one_worker_uses_the_guest_that_was_prepared(project: Project) -> None:
    project.suite("passes")

    assert project.run().ret == ExitStatus.COMPATIBLE

    (kernel,) = project.results.kernels
    assert len(kernel.restores) == 1
    assert project.events.count("end 6.1") == 1


TWO = "6.1,6.12"


def test_kernels_are_compared_at_the_end_and_lf_runs_all_of_them_again(
    project: Project,
) -> None:
    project.suite("agrees", "differs", "passes")

    done = project.run("--lanes=2", kernels=TWO)

    assert done.ret == ExitStatus.INCOMPATIBLE, done.stdout.str()
    classes = {it.failure_class for it in project.results.cases if it.case == "differs"}
    assert classes == {"kernels_disagree"}
    assert project.cases["agrees[6.1]"].checked == 2
    before = project.events.count("run differs 6.1")
    project.run("--lf", "--lanes=2", kernels=TWO)
    assert set(project.cases) == {"differs[6.1]", "differs[6.12]"}
    assert project.events.count("run differs 6.1") == before + 1


@pytest.mark.parametrize("workers", [False, True])
def test_update_writes_what_kernels_agree_about_and_nothing_else(
    project: Project, workers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    record = project.folder / "mine/rows.yaml"
    words = ("-n2", "--dist=loadgroup") if workers else ()
    project.suite("differs")

    done = project.run("--update", *words, kernels=TWO, workers=workers)

    assert done.ret == ExitStatus.INCOMPATIBLE, done.stdout.str()
    assert not record.exists()
    assert "not written: mine/rows.yaml: the kernels do not agree" in done.stdout.str()
    project.suite("agrees", "fails")
    done = project.run("--update", *words, kernels=TWO, workers=workers)
    assert "value: same" in record.read_text()
    assert "new: mine/rows.yaml: 1 row from 6.1 and 6.12" in done.stdout.str()
    # What else fails, fails.
    assert done.ret == ExitStatus.INCOMPATIBLE


def test_update_is_refused_in_ci(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    project.suite("agrees")

    done = project.run("--update")

    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "--update does not work in CI" in done.stderr.str()


WARNED = """
import pytest
from runner.case import kernelreport
from runner.case import run as case_run
from runner.guest.aftermath import Aftermath
from runner.results import CaseResult, Outcome

KASAN = "[    1.0] BUG: KASAN: use-after-free in f"


@pytest.fixture(autouse=True)
def cases(monkeypatch):
    # Each case makes the kernel report something, if its name says so.
    def run(job, up):
        tells = job.case.trigger[0].command[1] == "tells"
        found = kernelreport.found(up, Aftermath(logged=KASAN if tells else ""))
        outcome = Outcome.FAILED if found else Outcome.PASSED
        if found and job.case.expect_failure:
            outcome = Outcome.SKIPPED
        return CaseResult(
            kernel=up.kernel.id, suite=job.suite, case="c", outcome=outcome
        )
    monkeypatch.setattr(case_run, "run", run)


def case(word, **more):
    return dict(
        files=["tool"],
        trigger=[{"command": ["tool", word]}],
        expect=[{"value": "${command.stdout}", "equals": "x"}],
        **more,
    )


def test_ignores_it(bpf):
    bpf.run(**case("tells"))


def test_expects_it_by_hand(bpf):
    assert bpf.run(**case("tells")).outcome == "failed"


def test_ends_clean(bpf):
    bpf.run(**case("tells"))
    assert bpf.run(**case("quiet")).outcome == "passed"


@pytest.mark.xfail(reason="known")
def test_xfails(bpf):
    assert bpf.run(**case("tells")).outcome == "passed"


def test_skips(bpf):
    bpf.run(**case("tells"))
    pytest.skip("no")


def test_fails_otherwise(bpf):
    bpf.run(**case("tells"))
    assert 1 == 2


def test_declares_it(bpf):
    declared = {"class": "kernel_warned", "kernels": ">=2.6", "reason": "known"}
    assert bpf.run(**case("tells", expect_failure=declared)).outcome == "skipped"


def test_is_clean(bpf):
    assert bpf.run(**case("quiet")).outcome == "passed"
"""


def test_what_the_kernel_reports_in_a_case_fails_the_python_test(
    project: Project,
) -> None:
    (project.folder / "mine/test_warned.py").write_text(WARNED)

    done = project.run()

    assert done.ret == ExitStatus.INCOMPATIBLE, done.stdout.str()
    found = {name: (it.outcome, it.failure_class) for name, it in project.cases.items()}
    warned, passed = (Outcome.FAILED, "kernel_warned"), (Outcome.PASSED, "")
    assert found == {
        "test_ignores_it[6.1]": warned,
        "test_expects_it_by_hand[6.1]": warned,
        "test_ends_clean[6.1]": warned,
        "test_xfails[6.1]": warned,
        "test_skips[6.1]": warned,
        "test_fails_otherwise[6.1]": (Outcome.FAILED, ""),
        "test_declares_it[6.1]": passed,
        "test_is_clean[6.1]": passed,
    }
    message = project.cases["test_xfails[6.1]"].message
    assert "BUG: KASAN: use-after-free in f" in message
    other = project.cases["test_fails_otherwise[6.1]"]
    assert other.message.startswith("assert 1 == 2")
    assert "the kernel also reported: BUG: KASAN" in other.message
    assert "BUG: KASAN" in other.console
    # pytest itself counts it as an error, too.
    done.assert_outcomes(passed=5, failed=1, skipped=1, xfailed=1, errors=6)


LOST = """
import pytest
from runner.guest import aftermath


@pytest.fixture(autouse=True)
def lost(request, monkeypatch):
    def of(up):
        up.lost_log = "loses" in request.node.name
        return aftermath.Aftermath(incomplete=up.lost_log)
    monkeypatch.setattr(aftermath, "of", of)


def test_loses_lines(guest):
    pass


def test_loses_lines_and_fails(guest):
    assert False


def test_is_clean(guest):
    pass
"""


def test_a_python_test_whose_log_lost_lines_says_so(project: Project) -> None:
    (project.folder / "mine/test_lost.py").write_text(LOST)

    project.run()

    found = {
        name: (it.outcome, it.log_incomplete) for name, it in project.cases.items()
    }
    assert found == {
        "test_loses_lines[6.1]": (Outcome.PASSED, True),
        "test_loses_lines_and_fails[6.1]": (Outcome.FAILED, True),
        "test_is_clean[6.1]": (Outcome.PASSED, False),
    }
