"""The tool that makes cases of the kernel's own selftests, with a small tree."""

from pathlib import Path

import pytest

from runner.results import RunResults
from runner.suites import suitefile
from tests.tools import verifier_selftests as tool
from tests.unit.preflight.made import HEAD, compiled
from tests.unit.reports.runs import F, P, case, run

# As bpf_misc.h of the selftests writes what a test declares of itself.
TAG = '__attribute__((btf_decl_tag("comment:test_%s")))\n'
PROGRAM = 'SEC("socket") %sint %s(void *ctx) { return 0; }\n'
SOURCE = "".join(
    PROGRAM % ("".join(TAG % it for it in tags), name)
    for name, tags in {
        "good": ["expect_success"],
        "bad": ["expect_failure", "expect_msg=1=R{{[0-9]+}} bad (off=4)"],
        "of_arm": ["expect_failure", "arch=ARM64"],
        "helps": ["auxiliary"],
        "silent": [],
    }.items()
)


@pytest.fixture
def objects(tmp_path: Path) -> list[Path]:
    (tmp_path / "progs").mkdir()
    path = tmp_path / "progs/verifier_small.bpf.o"
    path.write_bytes(compiled(HEAD + SOURCE))
    return [path]


def written(objects: list[Path], folder: Path, part: int = 1, of: int = 1) -> list[str]:
    """Return the names of the cases of a suite that is written, and can be loaded."""
    count = tool.write(objects, folder, part, of)
    suite = suitefile.load(folder / "suite.yaml")
    assert len(suite.suite.cases) == count
    assert all(suite.file(it.object or "").is_file() for it in suite.suite.cases)
    return [it.name for it in suite.suite.cases]


def test_a_suite_has_a_case_for_each_program_with_those_that_help(
    objects: list[Path], tmp_path: Path
) -> None:
    names = written(objects, tmp_path / "suite")
    assert sorted(names) == [
        f"verifier_small--{it}" for it in ("bad", "good", "helps", "of_arm", "silent")
    ]
    suite = suitefile.load(tmp_path / "suite/suite.yaml").suite
    only = {it.name.partition("--")[2]: it.only for it in suite.cases}
    assert [*(only["good"] or ())] == ["good", "helps"]
    assert [*(only["helps"] or ())] == ["helps"]


def test_parts_have_each_program_once(objects: list[Path], tmp_path: Path) -> None:
    whole = tool.tests_of(objects[0])
    found: list[str] = []
    for part in (1, 2, 3):
        folder = tmp_path / str(part)
        if tool.write(objects, folder, part, 3):
            found += written(objects, folder, part, 3)
    assert sorted(found) == sorted(it.case for it in whole)


def test_results_are_held_against_what_tests_declare(
    objects: list[Path], tmp_path: Path
) -> None:
    written(objects, tmp_path / "suite")

    def told(log: str, *, loads: bool = True) -> str:
        name = "verifier_small--%s"
        refused = {"failure_class": "verifier_rejected", "predicted": "loads"}
        results: RunResults = run(
            case("6.12", P, name % "good", predicted="loads")
            if loads
            else case("6.12", F, name % "good", **refused),
            case("6.12", F, name % "bad", log=log, **refused),
            case("6.12", F, name % "of_arm", **refused),
        )
        path = tmp_path / "results.json"
        path.write_text(results.model_dump_json())
        return "\n".join(tool.compare([path], [tmp_path / "suite"]))

    text = told("R12 bad (off=4)")
    assert "verdict and declaration agree: 2 of 2" in text
    assert "refusals that say what they should: 1 of 1" in text
    assert '"flags, BTF or architecture": 1' in text
    assert "3 programs, 2 refused" in text
    assert "refusals that say what they should: 0 of 1" in told("R12 bad (off=8)")
    assert "loaded False, declared True" in told("", loads=False)
