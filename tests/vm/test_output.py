"""What commands print is kept, and what fails is told by it."""

import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from runner.bpf import compile as compile_
from runner.results import Outcome, Printed
from tests.vm.conftest import DATA, Finished, run

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def printing(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    reports = tmp_path_factory.mktemp("printing") / "reports"
    return run("--kernels", "6.1", "--suite", DATA / "suites/printing", reports=reports)


def command(finished: Finished, case: str, name: str) -> Printed:
    (found,) = [it for it in finished.case(case).commands if it.name == name]
    return found


def test_a_command_that_fails_is_the_only_reason(printing: Finished) -> None:
    case = printing.case("fails_first")

    assert case.outcome is Outcome.FAILED
    assert case.failure_class == "command_failed"
    assert "exit status 3" in case.message
    assert "it went wrong" in case.cure
    assert case.mismatches == ()
    assert [it.name for it in case.commands] == ["prepare"]


def test_its_output_is_in_every_report(printing: Finished) -> None:
    record = command(printing, "fails_first", "prepare")
    assert (record.stdout, record.stderr) == ("preparing\n", "it went wrong\n")
    assert (printing.reports / record.stderr_file).read_text() == "it went wrong\n"
    assert record.stderr_file in printing.output
    assert "      it went wrong\n" in printing.output
    junit = ET.parse(printing.reports / "6.1/junit.xml")
    (case,) = junit.findall(".//testcase[@name='fails_first']")
    assert "preparing" in (case.findtext("system-out") or "")
    assert "it went wrong" in (case.findtext("system-err") or "")
    for name in ("summary.md", "report.html"):
        assert "preparing" in (printing.reports / name).read_text().replace(
            "&#39;", "'"
        )


def test_much_output_has_both_ends_and_costs_nothing_else(printing: Finished) -> None:
    assert printing.case("prints_much").failure_class == "command_failed"
    record = command(printing, "prints_much", "command")
    assert record.truncated
    whole = (printing.reports / record.stdout_file).read_text()
    for text in (record.stdout, whole):
        assert text.startswith("begin\ny\n")
        assert text.endswith("y\nend\n")
    assert len(record.stdout) < 40_000
    assert "bytes are left out ...]" in whole
    assert printing.case("after").outcome is Outcome.PASSED


def test_output_of_what_passed_is_kept(printing: Finished) -> None:
    record = command(printing, "after", "truth release")
    assert record.stdout.strip() == printing.results.kernels[0].release
    assert record.stdout_file == "6.1/output/printing.after/truth.release.stdout"


def test_a_truth_that_fails_is_no_wrong_value(printing: Finished) -> None:
    case = printing.case("truth_fails")
    assert case.failure_class == "command_failed"
    assert "/no/such/file" in case.cure


@pytest.mark.parametrize(
    ("name", "message", "words"),
    [
        ("loader_dies", "exit status 4", "loader: no such map"),
        ("loader_gets_a_signal", "exit status 139 (SIGSEGV)", ""),
        ("loader_dies_later", "ended by itself: exit status 5", "lost it"),
        ("loader_is_missing", "exit status 127", "not found"),
    ],
)
def test_a_loader_that_dies_is_told_by_its_words(
    printing: Finished, name: str, message: str, words: str
) -> None:
    case = printing.case(name)

    assert case.outcome is Outcome.FAILED
    assert case.failure_class == "loader_failed"
    assert message in case.message
    assert words in case.cure
    assert case.mismatches == ()
    assert "no program ran" not in case.cure


def test_known_words_of_loaders_may_be_declared(printing: Finished) -> None:
    case = printing.case("loader_is_older_than_the_kernel")
    assert case.outcome is Outcome.PASSED, case.message


def test_a_loader_that_never_stops_printing_does_not_fill_the_guest(
    printing: Finished,
) -> None:
    case = printing.case("loader_floods")
    assert case.outcome is Outcome.PASSED, case.message
    record = command(printing, "loader_floods", "loader")
    assert record.truncated
    assert (printing.reports / record.stdout_file).stat().st_size == 2 << 20


def test_a_loaders_words_are_kept_when_something_else_fails(
    printing: Finished,
) -> None:
    assert printing.case("other_failure").failure_class == "command_failed"
    record = command(printing, "other_failure", "loader")
    assert (record.stdout, record.exit) == ("ready\n", 143)


# --------------------------------------------------------- objects without a suite

SOURCES = {
    "optional": 'SEC("?tc") int maybe(void *c) { return 0; }',
    "classifier": 'SEC("tc") int cls(void *c) { return 0; }',
    "lookup": 'SEC("sk_lookup") int lk(void *c) { return 1; }',
    "no_function": 'SEC("uprobe") int up(void *c) { return 0; }',
    "no_cgroup": 'SEC("cgroup_skb/egress") int cg(void *c) { return 1; }',
    "nothing": "",
    "maps": "struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1);\n"
    '__type(key, int); __type(value, int); } counts SEC(".maps");',
    "mixed": 'SEC("tc") int cls(void *c) { return 0; }\n'
    'SEC("tracepoint/syscalls/sys_enter_openat") int op(void *c) { return 0; }',
}
HEAD = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("objects")
    for name, text in SOURCES.items():
        source = folder / f"{name}.bpf.c"
        source.write_text(f"{HEAD}{text}\n")
        command = compile_.command(source, folder / f"{name}.bpf.o")
        subprocess.run(command, cwd=folder, check=True)
    return sorted(folder.glob("*.o"))


def test_objects_of_which_nothing_is_loaded_or_attached_fail(
    objects: list[Path], tmp_path: Path
) -> None:
    done = run("--kernels", "6.1", "--object", *objects, reports=tmp_path / "r")

    assert done.status == 1
    classes = {it.case: it.failure_class for it in done.results.cases}
    assert classes == {
        "optional": "nothing_loaded",
        "classifier": "nothing_attached",
        "lookup": "nothing_attached",
        "no_function": "nothing_attached",
        "no_cgroup": "nothing_attached",
        "nothing": "nothing_loaded",
        "maps": "nothing_attached",
        "mixed": "",
    }
    mixed = done.case("mixed")
    assert mixed.message == "loaded, not attached: cls (tc)"
    assert mixed.message in done.output
    states = {it.name: (it.loaded, it.attached) for it in mixed.programs}
    assert states == {"cls": (True, False), "op": (True, True)}


def test_objects_may_be_loaded_only_and_that_is_said(
    objects: list[Path], tmp_path: Path
) -> None:
    empty = ("optional.bpf.o", "nothing.bpf.o")
    chosen = [it for it in objects if it.name not in empty]
    options = ("--kernels", "6.1", "--load-only", "--object")
    done = run(*options, *chosen, reports=tmp_path / "r")

    assert done.status == 0, done.output
    assert done.output.count("only loaded, nothing attached") == len(chosen) - 1
    maps = done.case("maps").message
    assert maps == "no programs; created its maps only: counts (hash)"
    assert maps in done.output
    assert not any(it.attached for case in done.results.cases for it in case.programs)


def test_objects_of_which_nothing_is_loaded_fail_with_load_only_too(
    objects: list[Path], tmp_path: Path
) -> None:
    chosen = [it for it in objects if it.name in ("optional.bpf.o", "nothing.bpf.o")]
    options = ("--kernels", "6.1", "--load-only", "--object")
    done = run(*options, *chosen, reports=tmp_path / "r")

    assert done.status == 1, done.output
    classes = {it.case: it.failure_class for it in done.results.cases}
    assert classes == {"optional": "nothing_loaded", "nothing": "nothing_loaded"}
