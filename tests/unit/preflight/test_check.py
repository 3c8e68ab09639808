"""Predictions of many kernels, by several processes and from the index."""

from pathlib import Path

import pytest

from runner.preflight import check, engine, targets
from tests.unit.preflight.made import HEAD, build, compiled
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
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of kernels, each with the field in another place; one is none."""
    monkeypatch.setattr(engine, "ENGINE", build())
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
        return list(check.check(objects, sources, folder, workers=workers))

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
