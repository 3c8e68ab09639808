"""Predictions of many kernels, by several processes and from the index."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.bpf.object import patched
from runner.facts.model import Facts
from runner.preflight import check, targets
from runner.preflight.errors import EngineError
from runner.preflight.model import Verdict
from tests.unit.preflight.made import HEAD, build, compiled, kernel
from tests.unit.preflight.raw import Raw

SOURCE = """\
struct task { int pid; } CORE;
unsigned long out;
SEC("kprobe/a") int on_a(struct task *task)
{
	out = bpf_core_field_offset(struct task, pid);
	return 0;
}
"""
MANY = 20


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    """Return a folder of kernels, each with the field in another place; one is none."""
    build()
    folder = tmp_path / "kernels"
    folder.mkdir()
    for number in range(MANY):
        raw = Raw()
        raw.struct("task", 256, ("pid", raw.int_("int", 4), 32 * number))
        (folder / f"6.1.{number}.btf").write_bytes(raw.data)
    (folder / "6.1.7.btf").write_bytes(b"\x9f\xeb garbage")
    (tmp_path / "made.bpf.o").write_bytes(compiled(HEAD + SOURCE))
    return folder


def test_processes_and_the_index_give_the_same_as_one_process(kernels: Path) -> None:
    objects = [kernels.parent / "made.bpf.o"]
    sources = targets.of_path(str(kernels))

    def checked(index: str, workers: int) -> list[check.Result]:
        folder = kernels.parent / index
        return list(
            check.check(objects, sources, folder, workers=workers, engine=build())
        )

    alone = checked("alone", 1)
    together = checked("together", 2)
    again = checked("together", 2)

    assert together == again == alone
    assert [it.source for it in alone] == sources
    assert [bool(it.error) for it in alone].count(True) == 1
    values = {
        int(it.source.name.rpartition(".")[2]): it.predictions[0].relocations[0].value
        for it in alone
        if not it.error
    }
    assert values == {number: 4 * number for number in range(MANY) if number != 7}


def test_what_another_engine_predicted_is_not_taken(kernels: Path) -> None:
    objects = [kernels.parent / "made.bpf.o"]
    sources = targets.of_path(str(kernels))[:1]
    index = kernels.parent / "index"
    another = kernels.parent / "another"

    def checked(engine: Path) -> list[check.Result]:
        return list(check.check(objects, sources, index, engine=engine))

    known = checked(build())
    assert checked(build()) == known
    # It is asked, and not there.
    with pytest.raises(EngineError):
        checked(another)
    shutil.copy(build(), another)
    assert checked(another) == known


GUARDED = """\
struct task { int pid; int gone; } CORE;
const volatile int first = 1, wanted = 0, last = 2;
unsigned long out;
SEC("fentry/nowhere") int on_a(struct task *task)
{
	out = first + last;
	if (wanted)
		out += bpf_core_field_offset(struct task, gone);
	return 0;
}
"""


def verdict(folder: Path, **settings: Any) -> tuple[Verdict, tuple[str, ...]]:
    (folder / "guarded.bpf.o").write_bytes(compiled(HEAD + GUARDED))
    (folder / "6.2.btf").write_bytes(
        kernel("struct task { int pid; } x; int somewhere(void) { return 0; }")
    )
    (source,) = targets.of_path(str(folder / "6.2.btf"))
    job = check.CheckJob(
        objects=(folder / "guarded.bpf.o",),
        index=folder / "settings",
        loader="libbpf",
        engine=build(),
        **settings,
    )
    with check.Checker(job) as checker:
        (prediction,) = checker.check(source).predictions
    return prediction.verdict, prediction.reasons


def test_a_variable_that_a_loader_sets_counts(kernels: Path) -> None:
    folder = kernels.parent
    closed = verdict(folder, targets=(("on_a", "fentry/somewhere"),))
    opened = verdict(
        folder,
        targets=(("on_a", "fentry/somewhere"),),
        variables=(("wanted", b"\1\0\0\0"), ("out", b"\1" * 8)),
    )

    assert closed == (Verdict.LOADS, ())
    assert opened[0] is Verdict.REJECTED
    assert "task.gone is missing" in opened[1][0]


def test_the_target_that_a_loader_names_counts(kernels: Path) -> None:
    by_section = verdict(kernels.parent)
    named = verdict(kernels.parent, targets=(("on_a", "fentry/somewhere"),))

    assert by_section[0] is Verdict.REJECTED
    assert "fentry/nowhere" in by_section[1][0]
    assert named[0] is Verdict.LOADS


@given(data=st.binary(max_size=300), at=st.integers(0, 4000))
def test_damaged_objects_are_left_as_they_are(data: bytes, at: int) -> None:
    whole = compiled(HEAD + GUARDED)
    damaged = whole[:at] + data + whole[at + len(data) :]

    assert len(patched(damaged, {"wanted": b"\1\0\0\0"})) == len(damaged)


def test_facts_of_a_kernel_make_another_prediction_than_its_version(
    tmp_path: Path,
) -> None:
    build()
    loop = HEAD + (
        'SEC("socket") int on_a(void *ctx) { volatile int n = 9; long i = 0;'
        " while (n) i += bpf_ktime_get_ns(); return i; }"
    )
    (tmp_path / "made.bpf.o").write_bytes(compiled(loop))
    (tmp_path / "4.18.0-553.el8.btf").write_bytes(kernel("int nothing;"))
    (source,) = targets.of_path(str(tmp_path / "4.18.0-553.el8.btf"))
    facts = Facts(release="4.18.0-553.el8", abilities={"bounded_loops": True})
    booted = replace(source, facts=facts)

    def verdict(it: targets.BtfSource) -> Verdict:
        made, index = tmp_path / "made.bpf.o", tmp_path / "index"
        found = check.check([made], [it], index, engine=build())
        ((prediction,),) = (result.predictions for result in found)
        return prediction.verdict

    # Twice each: what is in the index is of the kernel as it was known then.
    assert [verdict(it) for it in (source, booted, source, booted)] == [
        *(Verdict.REJECTED, Verdict.LOADS),
        *(Verdict.REJECTED, Verdict.LOADS),
    ]
