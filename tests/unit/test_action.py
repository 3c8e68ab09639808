"""The scripts of the action and of the workflows, each run for real, and their use."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runner.reports import resultsfile
from runner.results import (
    CaseResult,
    KernelRun,
    Outcome,
    PlannedCase,
    RunResults,
    Shard,
)
from tests import github, workflow
from tests.workflow import ROOT, Machine, program

SCRIPTS = ROOT / ".github/scripts"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTION = workflow.load(ROOT / "action.yml")
INPUTS = {name: it["default"] for name, it in ACTION["inputs"].items()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    folders = {
        name: tmp_path / name for name in ("workspace", "artifacts", "temp", "action")
    }
    for folder in folders.values():
        folder.mkdir()
    workflow.checkout(folders["action"])
    return Machine(
        **folders, environment={"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": "/h"}
    )


def step(machine: Machine, id_: str, **inputs: str) -> workflow.Done:
    """Run one step of the action, with what steps before it would have told."""
    (found,) = [it for it in ACTION["runs"]["steps"] if it.get("id") == id_]
    known: dict[str, Any] = {"inputs": {**INPUTS, **inputs}}
    told = {"matrix": str(machine.action / "matrix.yaml"), "report-dir": "reports"}
    text = json.dumps(found)
    for name, value in told.items():
        text = text.replace(f"${{{{ steps.prepare.outputs.{name} }}}}", value)
    return workflow.run_steps(machine, [json.loads(text)], known)


def every_step() -> list[tuple[str, Any]]:
    steps = [("action.yml", it) for it in ACTION["runs"]["steps"]]
    for path in WORKFLOWS:
        for job in workflow.load(path)["jobs"].values():
            steps += [(path.name, it) for it in job["steps"]]
    return steps


def test_actions_of_others_are_pinned_by_digest_with_their_version() -> None:
    text = "\n".join(path.read_text() for path in [ROOT / "action.yml", *WORKFLOWS])
    uses = re.findall(r"uses: (\S+)(.*)", text)

    assert uses
    for name, comment in uses:
        if not name.startswith("./"):
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name), name
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), name


def test_inputs_and_outputs_are_explained() -> None:
    page = (ROOT / "docs/ci.md").read_text()

    for name in (*ACTION["inputs"], *ACTION["outputs"]):
        assert f"`{name}`" in page, name


def test_an_action_is_the_same_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for _, it in every_step():
        name, at, digest = it.get("uses", "").partition("@")
        if at:
            pins.setdefault(name, set()).add(digest)

    assert all(len(digests) == 1 for digests in pins.values()), pins


def test_every_step_runs_a_script_that_is_a_file() -> None:
    for where, it in every_step():
        if "run" not in it or where == "ci.yml":
            continue
        words = it["run"].replace('"', "").split()
        path = re.sub(r"^(\$GITHUB_ACTION_PATH|\.kernel-matrix|\.)/", "", words[0])
        assert (ROOT / path).is_file(), f"{where}: {it['run']}"
        assert (ROOT / path).stat().st_mode & 0o111


def test_every_script_is_used() -> None:
    used = "\n".join(it.get("run", "") for _, it in every_step())

    assert [
        it.name for it in SCRIPTS.iterdir() if f"scripts/{it.name}" not in used
    ] == []


def test_no_step_writes_expressions_into_a_shell() -> None:
    assert not [it["run"] for _, it in every_step() if "${{" in it.get("run", "")]


def test_jobs_have_the_permissions_that_they_name_and_no_others() -> None:
    wanted = {
        "comment": {"pull-requests"},
        "scan": {"security-events"},
        "build": {"packages"},
        "stale": {"issues"},
        "pages": {"pages", "id-token"},
        "image": {"packages", "id-token", "attestations"},
        "publish": {"contents", "id-token", "attestations"},
    }
    for path in WORKFLOWS:
        found = workflow.load(path)
        assert found["permissions"] == {}, path
        for name, job in found["jobs"].items():
            writes = {key for key, to in job["permissions"].items() if to == "write"}
            assert writes == wanted.get(name, set()), f"{path}: {name}"
            assert "timeout-minutes" in job


def test_ci_runs_all_parts_of_the_tests() -> None:
    (parts,) = re.findall(r"set -- (lint .*)$", (ROOT / "dev").read_text(), re.M)
    job = workflow.load(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]

    # A kernel that checks itself takes too long to build for each local test.
    assert job["strategy"]["matrix"]["part"] == [*parts.split(), "debug"]


# ---------------------------------------------------------------------- prepare


def test_defaults_are_enough(machine: Machine) -> None:
    done = step(machine, "prepare")

    assert not done.failed, done.said
    told = done.outputs["prepare"]
    assert told["matrix"] == str(machine.action / "matrix.yaml")
    assert told["report-dir"] == "kernel-matrix-report"
    assert told["cache-dir"].endswith("/cache/bpf-kernel-matrix")
    assert told["cache-key"].startswith(told["cache-prefix"])
    assert told["artifact"] == "kernel-matrix"


def test_a_repositorys_own_matrix_is_the_default(machine: Machine) -> None:
    (machine.workspace / "matrix.yaml").write_text("kernels: []\n")

    done = step(machine, "prepare")

    assert done.outputs["prepare"]["matrix"] == "matrix.yaml"


def test_the_actions_matrix_of_vendors_has_a_name(machine: Machine) -> None:
    done = step(machine, "prepare", matrix="vendors")

    found = done.outputs["prepare"]["matrix"]
    assert found == str(machine.action / "matrices/vendors.yaml")
    (machine.workspace / "vendors").write_text("kernels: []\n")
    done = step(machine, "prepare", matrix="vendors")
    assert done.outputs["prepare"]["matrix"] == "vendors"


def test_the_actions_own_suites_have_a_name(machine: Machine) -> None:
    assert not step(machine, "prepare", suites="builtin").failed
    assert not step(machine, "prepare", suites="builtin/task").failed


def test_what_is_locked_is_cached_by_the_lock(machine: Machine) -> None:
    matrix = machine.workspace / "mine.yaml"
    matrix.write_text("kernels: []\n")

    def key(**inputs: str) -> str:
        done = step(machine, "prepare", matrix="mine.yaml", **inputs)
        return done.outputs["prepare"]["cache-key"]

    unlocked = key()
    (machine.workspace / "mine.lock").write_text("kernels: {}\n")
    locked = key()
    assert locked != unlocked
    assert key() == locked
    (machine.workspace / "mine.lock").write_text("kernels: {a: b}\n")
    assert key() != locked
    assert key(shard="1/2") != key(shard="2/2")


def test_a_shard_has_a_name_without_a_slash(machine: Machine) -> None:
    done = step(machine, "prepare", shard="2/12", gate="none")

    assert done.outputs["prepare"]["artifact"] == "kernel-matrix.2-of-12"


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"gate": "some"}, "gate: 'some' is not one of all, regressions, cost,"),
        ({"gate": "regressions"}, "gate: regressions needs a baseline"),
        ({"allow-vanished": "yes"}, "allow-vanished: 'yes' must be true or false"),
        (
            {"allow-new-failures": ""},
            "allow-new-failures: '' must be true or false",
        ),
        ({"accel": "hvf"}, "accel: 'hvf' is not one of auto, kvm, tcg"),
        ({"shard": "2"}, "shard: '2' is not K/N"),
        ({"shard": "1/2; rm"}, "is not K/N"),
        ({"matrix": "none.yaml"}, "matrix: there is no file none.yaml"),
        ({"suites": "suites\n  none\n"}, "suites: there is no file or folder none"),
        ({"objects": "none.o"}, "objects: there is no file none.o"),
        ({"report-dir": ""}, "report-dir: it is empty"),
        ({"name": "a.b"}, "name: 'a.b' may only have letters"),
        ({"kernel": "6.1"}, "kernel: '6.1' is not ID=PATH"),
        ({"kernel": "6.1=none"}, "kernel: there is no file none"),
    ],
)
def test_a_mistake_is_an_annotation_before_anything_is_installed(
    machine: Machine, inputs: dict[str, str], told: str
) -> None:
    (machine.workspace / "suites").mkdir()

    done, _ = workflow.run_action(machine, inputs)

    assert done.failed
    assert "::error title=bpf-kernel-matrix::" in done.said["prepare"]
    assert told in done.said["prepare"]
    assert done.ran == ["prepare"]


def test_a_first_run_has_no_baseline_and_is_warned(machine: Machine) -> None:
    done = step(machine, "prepare", gate="regressions", baseline="none.json")

    assert not done.failed
    assert "::warning" in done.said["prepare"]


# -------------------------------------------------------------------------- run


def arguments(machine: Machine, **inputs: str) -> list[str]:
    """Return what the runner is started with."""
    program(
        machine.action / ".venv/bin/python",
        'printf "<%s>\\n" "$@"; mkdir -p reports; echo >reports/results.json',
    )
    done = step(machine, "run", **inputs)
    assert not done.failed, done.said
    said = done.said["run"].splitlines()
    assert said[0] == f"::stop-commands::{said[-1].strip(':')}"
    return [line.strip("<>") for line in said[1:-1]]


def test_inputs_become_arguments_word_by_word(machine: Machine) -> None:
    words = arguments(
        machine,
        kernels=">=5.4, @lts",
        suites="\n  my suites/one \n\nother\n",
        objects="a b.o",
        shard="1/2",
        libbpf="my libbpf",
        kernel=" 6.1=my build/bzImage\n\n5.10=x.deb",
    )

    assert words[:3] == ["-m", "runner", "run"]
    assert "--kernels=>=5.4, @lts" in words
    assert [words[at + 1] for at, it in enumerate(words) if it == "--suite"] == [
        "my suites/one",
        "other",
    ]
    assert words[words.index("--object") + 1] == "a b.o"
    assert [words[at + 1] for at, it in enumerate(words) if it == "--kernel"] == [
        "6.1=my build/bzImage",
        "5.10=x.deb",
    ]
    assert words[words.index("--shard") + 1] == "1/2"
    assert words[words.index("--libbpf") + 1] == "my libbpf"
    assert "--timings" not in words
    assert "--load-only" not in words


def test_objects_may_have_to_load_only(machine: Machine) -> None:
    given = {"objects": "a.o", "load-only": "true"}

    assert arguments(machine, **given)[-3:] == ["--object", "a.o", "--load-only"]
    assert "--load-only" not in arguments(machine, **{"load-only": "true"})


def test_a_shell_runs_nothing_of_an_input(machine: Machine) -> None:
    words = arguments(machine, kernels="$(touch bad)", suites="`touch bad`; touch bad")

    assert "--kernels=$(touch bad)" in words
    assert "`touch bad`; touch bad" in words
    assert not (machine.workspace / "bad").exists()


@pytest.mark.parametrize(("status", "failed"), [(0, False), (1, False), (3, False)])
def test_what_a_run_finds_is_left_to_the_report(
    machine: Machine, status: int, failed: bool
) -> None:
    program(
        machine.action / ".venv/bin/python",
        f"mkdir -p reports; echo >reports/results.json; exit {status}",
    )
    done = step(machine, "run")

    assert done.failed == failed
    assert done.outputs["run"] == {"status": str(status)}


@pytest.mark.parametrize("status", [1, 2, 3, 130])
def test_a_run_that_leaves_nothing_fails_at_once(machine: Machine, status: int) -> None:
    program(machine.action / ".venv/bin/python", f"exit {status}")

    assert step(machine, "run").failed


@pytest.mark.parametrize("status", [0, 1, 3])
def test_what_an_earlier_run_left_is_not_this_runs(
    machine: Machine, status: int
) -> None:
    left = machine.workspace / "reports/results.json"
    resultsfile.write(results_of("6.1"), left)
    os.utime(left, (1, 1))
    program(machine.action / ".venv/bin/python", f"exit {status}")

    done = step(machine, "run")

    assert done.failed
    assert "the run wrote no results.json" in done.said["run"]


REPORT = {
    "REPORT_DIR": "reports",
    "BASELINE": "",
    "ALLOW_VANISHED": "false",
    "ALLOW_NEW_FAILURES": "false",
}


def results_of(kernel: str) -> RunResults:
    return RunResults(
        runner="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration=1.0,
        planned=(PlannedCase(suite="s", case="c", kernels=(kernel,)),),
        kernels=(KernelRun(id=kernel, release=kernel),),
        cases=(CaseResult(kernel=kernel, suite="s", case="c", outcome=Outcome.PASSED),),
    )


@pytest.mark.parametrize(
    ("status", "gate", "failed"),
    [
        *(("0", "all", False), ("1", "all", True), ("3", "all", True)),
        *(("130", "all", True), ("3", "none", True), ("1", "none", True)),
        # There is no baseline yet.
        *(("1", "regressions", True), ("1", "cost", True), ("3", "regressions", True)),
        *(("0", "none", False), ("0", "regressions", False)),
    ],
)
def test_a_run_that_ended_for_another_reason_never_passes(
    machine: Machine, status: str, gate: str, failed: bool
) -> None:
    """What was found is compatible, as the results have it."""
    meant = {"ALLOW_NEW_FAILURES": "true"}
    resultsfile.write(results_of("6.1"), machine.workspace / "reports/results.json")

    done = script(
        machine,
        "report",
        **REPORT,
        GATE=gate,
        STATUS=status,
    )

    assert done.failed is failed, done.said
    assert ("::error" in done.said["report"]) is (status != "0")
    again = script(machine, "report", **REPORT | meant, GATE=gate, STATUS=status)
    assert again.failed is failed, again.said


@pytest.mark.parametrize(
    ("status", "kind"), [("1", Outcome.FAILED), ("3", Outcome.ERROR)]
)
def test_what_a_part_found_is_left_to_the_job_that_judges(
    machine: Machine, status: str, kind: Outcome
) -> None:
    results = results_of("6.1")
    case = results.cases[0].model_copy(update={"outcome": kind, "message": "no"})
    results = results.model_copy(update={"cases": (case,)})
    resultsfile.write(results, machine.workspace / "reports/results.json")

    done = script(machine, "report", **REPORT, GATE="none", STATUS=status)

    assert not done.failed, done.said
    assert "do not show" not in done.said["report"]


def test_an_incomplete_run_never_passes(machine: Machine) -> None:
    planned = (PlannedCase(suite="s", case="c", kernels=("6.1", "6.12")),)
    results = results_of("6.1").model_copy(update={"planned": planned})
    resultsfile.write(results, machine.workspace / "reports/results.json")

    done = script(machine, "report", **REPORT, GATE="all", STATUS="0")

    assert done.failed
    assert "incomplete%3A 1 of 2" in done.said["report"]
    assert done.outputs["report"]["complete"] == "false"


def test_a_mistake_of_the_real_runner_is_told(machine: Machine) -> None:
    # A folder of the user's that is named like the runner's package.
    (machine.workspace / "runner").mkdir()
    (machine.workspace / "runner/__init__.py").write_text("raise SystemExit(0)\n")

    done = step(machine, "run", kernels="9.99", suites="builtin")

    assert done.failed
    assert "there is no kernel '9.99'" in done.said["run"]


@pytest.mark.parametrize("own", [True, False])
def test_a_repository_without_suites_runs_none_of_the_action(
    machine: Machine, own: bool
) -> None:
    if own:
        row = '- {id: "6.1", source: {type: unavailable, reason: none}}'
        (machine.workspace / "matrix.yaml").write_text(f"kernels: [{row[2:]}]\n")
    matrix = "matrix.yaml" if own else str(machine.action / "matrix.yaml")

    found = [it for it in ACTION["runs"]["steps"] if it.get("id") == "run"]
    text = json.dumps(found).replace("${{ steps.prepare.outputs.matrix }}", matrix)
    inputs = {**INPUTS, "kernels": "6.1", "report-dir": "reports"}
    done = workflow.run_steps(machine, json.loads(text), {"inputs": inputs})

    assert done.failed
    assert "there is no suite.yaml below" in done.said["run"]
    assert "--suite" in done.said["run"]


# ------------------------------------------------------------------------ setup


def run_setup(machine: Machine, path: Path) -> str:
    return subprocess.run(
        [str(SCRIPTS / "setup")],
        env={
            "PATH": f"{path}:/usr/bin:/bin",
            "GITHUB_ACTION_PATH": str(machine.action),
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_set_up_is_that_of_the_checkout(machine: Machine, tmp_path: Path) -> None:
    assert run_setup(machine, tmp_path).splitlines()[-1] == "dev setup"


# What makes this machine look like Ubuntu, for the script alone.
AS_UBUNTU = """\
mount --bind "$1/apt" /etc/apt
mount --bind "$1/os-release" /etc/os-release
exec "$2"
"""


needs_namespace = pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0,
    reason="needs a mount namespace, so root",
)


def set_up_on_ubuntu(folder: Path, machine: Machine, mirror: str) -> list[str]:
    """Run the set-up where the system says that it is Ubuntu; return its lines."""
    for name in ("sources.list.d", "preferences.d"):
        (folder / "apt" / name).mkdir(parents=True)
    (folder / "os-release").write_text("ID=ubuntu\n")
    program(folder / "bin/apt-get", 'echo "apt-get $*"')
    program(folder / "as-ubuntu", AS_UBUNTU)
    as_ubuntu = ["unshare", "-m", "sh", "-e", f"{folder}/as-ubuntu", str(folder)]
    done = subprocess.run(
        [*as_ubuntu, str(SCRIPTS / "setup")],
        env={
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin:/usr/sbin:/sbin",
            "GITHUB_ACTION_PATH": str(machine.action),
            "DEBIAN_MIRROR": mirror,
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


@needs_namespace
def test_on_ubuntu_apt_learns_of_debian_and_prefers_it_never(
    machine: Machine, tmp_path: Path
) -> None:
    said = set_up_on_ubuntu(tmp_path, machine, "http://mirror.example.org/debian")

    assert said[-2].endswith(" debian-archive-keyring")
    assert said[-1] == "dev setup"
    sources = (tmp_path / "apt/sources.list.d/bpf-kernel-matrix.sources").read_text()
    assert "URIs: http://mirror.example.org/debian\n" in sources
    pins = (tmp_path / "apt/preferences.d/bpf-kernel-matrix").read_text()
    assert pins.splitlines() == [
        "Package: *",
        "Pin: release o=Debian",
        "Pin-Priority: 1",
    ]


@needs_namespace
def test_on_ubuntu_without_a_mirror_the_input_is_named(
    machine: Machine, tmp_path: Path
) -> None:
    said = set_up_on_ubuntu(tmp_path, machine, "")

    assert "debian-mirror" in said[-2]
    assert said[-1] == "dev setup"
    assert not list((tmp_path / "apt/sources.list.d").iterdir())


# --------------------------------------------------------------- plan and merge


def script(machine: Machine, name: str, **environment: str) -> workflow.Done:
    found = {
        "name": name,
        "id": name,
        "run": f"{machine.action}/.github/scripts/{name}",
    }
    return workflow.run_steps(machine, [{**found, "env": environment}], {})


def test_a_plan_is_a_jobs_matrix(machine: Machine) -> None:
    done = script(
        machine,
        "plan",
        KERNELS="5.10,6.1,6.12",
        MATRIX="",
        SHARDS="2",
        TIMINGS="",
        OWN_KERNELS="",
    )

    assert not done.failed, done.said
    include = json.loads(done.outputs["plan"]["matrix"])["include"]
    assert [it["shard"] for it in include] == ["1/2", "2/2"]
    assert {it["kernels"] for it in include} == {"5.10,6.1,6.12"}
    # Nothing is installed but the libraries.
    assert done.said["plan"].splitlines()[0] == "dev python"


def write_part(folder: Path, index: int, *own: str) -> None:
    results = RunResults(
        runner="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration=1.0,
        kernels=tuple(KernelRun(id=id_, release=id_) for id_ in own),
        cases=tuple(
            CaseResult(kernel=id_, suite="s", case="c", outcome=Outcome.PASSED)
            for id_ in own
        ),
        shard=Shard(index=index, count=2, planned=("5.10", "6.1"), own=own),
    )
    resultsfile.write(results, folder / "results.json")


def test_parts_are_merged_and_a_missing_one_is_told(machine: Machine) -> None:
    write_part(machine.temp / "parts/kernel-matrix.1-of-2", 1, "5.10")

    done = script(
        machine, "merge", PARTS=str(machine.temp / "parts"), REPORT_DIR="report"
    )

    assert not done.failed, done.said
    assert "its part of the run is missing" in done.said["merge"]
    merged = resultsfile.read(machine.workspace / "report/results.json")
    assert [it.id for it in merged.kernels] == ["5.10", "6.1"]


# --------------------------------------------------------------------- baseline


def baseline(machine: Machine, **environment: str) -> workflow.Done:
    given = {"NAME": "kernel-matrix", "BRANCH": "trunk", "GH_TOKEN": "t"}
    return script(
        machine, "baseline", **given, GITHUB_REPOSITORY="me/it", **environment
    )


def test_the_word_main_means_what_its_last_good_run_found(
    machine: Machine, tmp_path: Path
) -> None:
    resultsfile.write(results_of("6.1"), tmp_path / "good/results.json")
    with github.serving(
        tmp_path / "good", name="kernel-matrix", branch="trunk"
    ) as address:
        done = baseline(machine, BASELINE="main", GITHUB_API_URL=address)

    assert not done.failed, done.said
    path = done.outputs["baseline"]["baseline"]
    assert resultsfile.read(machine.workspace / path) == results_of("6.1")
    assert "the baseline is artifact kernel-matrix of run 7" in done.said["baseline"]


def test_a_main_without_a_good_run_is_told_and_no_mistake(machine: Machine) -> None:
    with github.serving(None, name="kernel-matrix", branch="trunk") as address:
        done = baseline(machine, BASELINE="main", GITHUB_API_URL=address)

    assert not done.failed, done.said
    assert done.outputs["baseline"] == {"baseline": ""}
    assert "there is no baseline yet" in done.said["baseline"]


@pytest.mark.parametrize("path", ["", "old.json", "main"])
def test_a_baseline_of_the_caller_is_handed_on(machine: Machine, path: str) -> None:
    if path:
        (machine.workspace / path).write_text("{}")
    done = baseline(machine, BASELINE=path, GITHUB_API_URL="http://192.0.2.1")

    assert done.outputs["baseline"] == {"baseline": path}


@pytest.mark.parametrize(
    ("given", "device", "options"),
    [
        ("auto", "null", "--device /dev/kvm"),
        ("auto", "none", ""),
        ("--cpus 2", "none", "--cpus 2"),
        ("", "null", ""),
    ],
)
def test_a_container_gets_kvm_only_where_it_is(
    machine: Machine, given: str, device: str, options: str
) -> None:
    done = script(machine, "kvm", CONTAINER_OPTIONS=given, KVM_DEVICE=f"/dev/{device}")

    assert done.outputs["kvm"] == {"options": options}
    told = "guests run without it" in done.said["kvm"]
    assert told is (given == "auto" and not options)


@pytest.mark.parametrize(
    ("own_runner", "kvm", "given", "planned", "options"),
    [
        # The machines that planned have it, and those that run are the same.
        (False, False, "auto", "--device /dev/kvm", "--device /dev/kvm"),
        (False, False, "auto", "", ""),
        # Of other machines the label says it.
        (True, True, "auto", "", "--device /dev/kvm"),
        (True, False, "auto", "--device /dev/kvm", " "),
        # What the caller says counts for all.
        (True, True, "--cpus 2", "--cpus 2", "--cpus 2"),
        (True, True, "", "", ""),
    ],
)
def test_a_container_has_the_options_that_its_machine_can_fulfil(
    own_runner: bool, kvm: bool, given: str, planned: str, options: str
) -> None:
    gate = workflow.load(ROOT / ".github/workflows/gate.yml")
    expression = gate["jobs"]["run"]["container"]["options"]
    values = {
        "matrix.own-runner": own_runner,
        "matrix.kvm": kvm,
        "inputs.container-options": given,
        "needs.plan.outputs.container-options": planned,
    }

    # GitHub's operators give one of their operands, as Python's do.
    text = expression.removeprefix("${{").removesuffix("}}").strip()
    text = text.replace("&&", "and").replace("||", "or")
    for name, value in values.items():
        text = text.replace(name, repr(value))
    assert eval(text, {"__builtins__": {}}) == options


def test_each_part_runs_on_the_machines_that_the_plan_names() -> None:
    gate = workflow.load(ROOT / ".github/workflows/gate.yml")

    assert gate["jobs"]["run"]["runs-on"] == "${{ matrix.runs-on }}"
    (plan,) = (it for it in gate["jobs"]["plan"]["steps"] if it.get("id") == "plan")
    assert plan["env"]["RUNS_ON"] == "${{ inputs.runs-on }}"
    assert plan["env"]["RUNS_ON_ARCH"] == "${{ inputs.runs-on-arch }}"


def test_labels_of_machines_are_handed_to_the_plan(machine: Machine) -> None:
    given = {"MATRIX": "", "SHARDS": "2", "TIMINGS": "", "OWN_KERNELS": ""}

    done = script(
        machine,
        "plan",
        **given,
        KERNELS="6.1,6.1-arm64",
        RUNS_ON='["self-hosted", "big"]',
        RUNS_ON_ARCH="\n  arm64=ubuntu-24.04-arm kvm\n\n",
    )

    assert not done.failed, done.said
    include = json.loads(done.outputs["plan"]["matrix"])["include"]
    assert [(it["runs-on"], it["kvm"]) for it in include] == [
        (["self-hosted", "big"], False),
        ("ubuntu-24.04-arm", True),
    ]


def test_two_calls_of_the_workflow_share_no_name() -> None:
    gate = workflow.load(ROOT / ".github/workflows/gate.yml")
    names = [
        it["with"].get("name", it["with"].get("pattern"))
        for job in gate["jobs"].values()
        for it in job["steps"]
        if "artifact@" in it.get("uses", "")
    ]

    assert names
    for name in names:
        assert name.startswith("${{ inputs.name }}") or "objects-artifact" in name
    # A dot, which no name has: "a" does not match the parts of "a-b".
    assert "${{ inputs.name }}.*-of-*" in names


def test_every_input_of_the_workflow_is_used_and_explained() -> None:
    text = (ROOT / ".github/workflows/gate.yml").read_text()
    page = (ROOT / "docs/ci.md").read_text()
    gate = workflow.load(ROOT / ".github/workflows/gate.yml")

    for name in gate["on"]["workflow_call"]["inputs"]:
        assert f"inputs.{name}" in text.partition("\njobs:")[2], name
        assert f"`{name}`" in page, name


# ----------------------------------------------------------------------- report


def write_run(path: Path, **outcomes: Outcome) -> None:
    results = RunResults(
        runner="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration=1.0,
        kernels=(KernelRun(id="6.1", release="6.1.7"),),
        cases=tuple(
            CaseResult(kernel="6.1", suite="s", case=name, outcome=outcome)
            for name, outcome in outcomes.items()
        ),
    )
    resultsfile.write(results, path)


@pytest.mark.parametrize("gate", ["all", "regressions"])
def test_a_vanished_case_fails_the_step_unless_that_is_meant(
    machine: Machine, gate: str
) -> None:
    write_run(machine.workspace / "old.json", a=Outcome.PASSED, b=Outcome.PASSED)
    write_run(machine.workspace / "reports/results.json", a=Outcome.PASSED)

    done = step(machine, "report", gate=gate, baseline="old.json")
    assert done.failed
    assert "::error title=1 baseline case vanished::6.1 s::b" in done.said["report"]
    assert "1 baseline case vanished" in done.summary

    meant = {"baseline": "old.json", "allow-vanished": "true"}
    assert not step(machine, "report", gate=gate, **meant).failed


def test_a_new_failure_fails_the_step_unless_that_is_meant(machine: Machine) -> None:
    write_run(machine.workspace / "old.json", a=Outcome.PASSED)
    write_run(
        machine.workspace / "reports/results.json", a=Outcome.PASSED, b=Outcome.FAILED
    )

    inputs = {"gate": "regressions", "baseline": "old.json"}
    assert step(machine, "report", **inputs).failed
    inputs["allow-new-failures"] = "true"
    assert not step(machine, "report", **inputs).failed


def test_without_its_baseline_a_gate_for_regressions_passes_no_failure(
    machine: Machine,
) -> None:
    write_run(machine.workspace / "reports/results.json", a=Outcome.FAILED)

    # A first run, or a name that is mistyped.
    assert step(machine, "report", gate="regressions", baseline="none.json").failed


# ---------------------------------------------------------------------- comment

GH = """\
echo "$*" >>"$CALLS"
case "$*" in
*--paginate*) cat "$EARLIER" ;;
*) for word; do case $word in body=@*) cat "${word#body=@}" >>"$CALLS" ;; esac; done ;;
esac"""


@pytest.mark.parametrize(
    ("earlier", "call"),
    [
        ("", "--method POST repos/me/it/issues/7/comments"),
        ("41\n42\n", "--method PATCH repos/me/it/issues/comments/42"),
    ],
)
@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("kernel-matrix", "<!-- mark -->\n## Kernel matrix: compatible\n"),
        ("two", "<!-- mark: two -->\n## Kernel matrix (two): compatible\n"),
    ],
)
def test_a_pull_request_has_one_comment_for_each_name(
    machine: Machine, tmp_path: Path, earlier: str, call: str, name: str, begin: str
) -> None:
    program(tmp_path / "bin/gh", GH)
    (tmp_path / "earlier").write_text(earlier)
    (machine.workspace / "body.md").write_text(
        "<!-- mark -->\n## Kernel matrix: compatible\n"
    )

    subprocess.run(
        [str(SCRIPTS / "comment"), "body.md"],
        cwd=machine.workspace,
        env={
            "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
            "CALLS": str(tmp_path / "calls"),
            "EARLIER": str(tmp_path / "earlier"),
            "GITHUB_REPOSITORY": "me/it",
            "PULL_REQUEST": "7",
            "NAME": name,
        },
        check=True,
        timeout=60,
    )

    said = (tmp_path / "calls").read_text()
    assert call in said
    assert begin in said


FORK = """\
echo "$*" >>"$CALLS"
case "$*" in
*/pulls*) cat "$PULLS" ;;
*--paginate*) ;;
*) for word; do case $word in body=@*) cat "${word#body=@}" >>"$CALLS" ;; esac; done ;;
esac"""


@pytest.mark.parametrize("number", ["12", ""])
def test_a_fork_gets_a_comment_that_is_made_of_the_results_alone(
    machine: Machine, tmp_path: Path, number: str
) -> None:
    program(tmp_path / "bin/gh", FORK)
    (tmp_path / "pulls").write_text(f"{number}\n" if number else "")
    write_run(machine.workspace / "old.json", a=Outcome.PASSED)
    write_run(machine.workspace / "reports/results.json", a=Outcome.FAILED)
    # What a stranger may have put there.
    for name in ("comment.md", "summary.md"):
        (machine.workspace / "reports" / name).write_text("@everybody [x](http://y)")

    done = script(
        machine,
        "fork-comment",
        REPORT_DIR="reports",
        BASELINE="old.json",
        NAME="kernel-matrix",
        HEAD_OWNER="them",
        HEAD_BRANCH="a;b",
        HEAD_SHA="ab12",
        GITHUB_REPOSITORY="me/it",
        CALLS=str(tmp_path / "calls"),
        PULLS=str(tmp_path / "pulls"),
        PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    )

    assert not done.failed, done.said
    said = (tmp_path / "calls").read_text()
    assert "--raw-field head=them:a;b" in said
    assert ("POST repos/me/it/issues/12/comments" in said) is bool(number)
    assert ("**Regressions**: `6.1 s::a`" in said) is bool(number)
    assert "everybody" not in said


# ------------------------------------------------------------------- push-image


def test_a_kernel_is_pushed_with_a_login_that_is_not_kept(
    machine: Machine, tmp_path: Path
) -> None:
    program(
        machine.action / ".venv/bin/python",
        'echo "$*"; cd "$HOME/.docker"; cat config.json; stat -c %a config.json',
    )
    (tmp_path / "home").mkdir()

    done = script(
        machine,
        "push-image",
        KERNEL="4.4",
        IMAGE="ghcr.io/Me/It/kernels",
        REGISTRY_USER="me",
        REGISTRY_TOKEN="secret",
        HOME=str(tmp_path / "home"),
    )

    command, login, mode = done.said["push-image"].splitlines()
    assert command.endswith("--source kernel-org --to ghcr.io/me/it/kernels")
    assert json.loads(login) == {"auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0"}}}
    assert mode == "600"
    assert not (tmp_path / "home/.docker/config.json").exists()


# ------------------------------------------------------------------------- stale

# Answers as `kernels --stale --json` does, and runs the rest.
STALE = """\
case "$1" in
-m) cat "$ROWS"; exit "$STATUS" ;;
*) exec /usr/bin/env -i PATH=/usr/bin:/bin python3 "$@" ;;
esac"""
ISSUES = """\
echo "$*" >>"$CALLS"
[ "$2" = list ] && cat "$OPEN"
for word; do case $word in */body.md) cat "$word" >>"$CALLS" ;; esac; done
true"""
ROWS = [
    {"id": "sid", "state": "stale", "locked": "sid 7.0-1", "now": "sid 7.1-1"},
    {"id": "6.1", "state": "current", "locked": "a", "now": "a"},
    {"id": "5.14", "state": "unknown", "locked": "b", "now": ""},
]


@pytest.mark.parametrize(
    ("rows", "status", "opened", "call"),
    [
        (ROWS, 0, "", "issue create --repo me/it --title Kernels that moved on"),
        (ROWS, 3, "12\n", "issue edit 12 --repo me/it --body-file"),
        (ROWS[1:], 0, "", ""),
        ([], 2, "", ""),
    ],
)
def test_kernels_that_moved_on_have_one_issue(
    machine: Machine,
    tmp_path: Path,
    rows: list[dict[str, str]],
    status: int,
    opened: str,
    call: str,
) -> None:
    program(machine.action / ".venv/bin/python", STALE)
    program(tmp_path / "bin/gh", ISSUES)
    (tmp_path / "rows").write_text(json.dumps(rows))
    (tmp_path / "open").write_text(opened)
    (tmp_path / "calls").touch()

    done = subprocess.run(
        [machine.action / ".github/scripts/stale"],
        env={
            "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
            "CALLS": str(tmp_path / "calls"),
            "OPEN": str(tmp_path / "open"),
            "ROWS": str(tmp_path / "rows"),
            "STATUS": str(status),
            "GITHUB_REPOSITORY": "me/it",
        },
        timeout=60,
    )

    said = (tmp_path / "calls").read_text()
    assert done.returncode == status
    assert bool(said) is bool(call)
    assert call in said
    assert ("| sid | sid 7.0-1 | sid 7.1-1 |" in said) is bool(call)
    assert ("lock --update sid" in said) is bool(call)
    assert "6.1" not in said
