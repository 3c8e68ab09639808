"""What `check` prints says where each answer comes from."""

from dataclasses import replace
from pathlib import Path

import pytest

from runner.facts.model import Facts
from runner.preflight import check, show, targets
from tests.unit.preflight.made import HEAD, build, compiled, kernel

LOOP = HEAD + (
    'SEC("socket") int on_a(void *ctx) { volatile int n = 9; long i = 0;'
    " while (n) i += bpf_ktime_get_ns(); return i; }"
)
TYPES = """\
enum bpf_func_id { BPF_FUNC_unspec, BPF_FUNC_ktime = 5, __BPF_FUNC_MAX_ID = 6 } a;
"""


@pytest.fixture
def source(tmp_path: Path) -> targets.BtfSource:
    build()
    (tmp_path / "loop.bpf.o").write_bytes(compiled(LOOP))
    (tmp_path / "4.18.0-553.el8.btf").write_bytes(kernel(TYPES))
    (found,) = targets.of_path(str(tmp_path / "4.18.0-553.el8.btf"))
    return found


def rows(
    sources: list[targets.BtfSource], capsys: pytest.CaptureFixture[str]
) -> dict[str, str]:
    """Return the table's cells of what is needed."""
    folder = sources[0].path.parent
    results = check.check(
        [folder / "loop.bpf.o"], sources, folder / "index", engine=build()
    )
    batch = show.Batch(names=("loop.bpf.o",), results=tuple(results))
    show.show([batch], verbose=True)
    lines = [it.split() for it in capsys.readouterr().out.splitlines()]
    kinds = ("rule", "helper")
    return {
        line[0]: " ".join(line[2:]) for line in lines if line[1:2] and line[1] in kinds
    }


def test_each_answer_says_where_it_was_learnt(
    source: targets.BtfSource, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = Facts(release="", abilities={"bounded_loops": True}, helpers={5: True})

    unbooted = rows([source], capsys)
    booted = rows([replace(source, facts=facts)], capsys)

    assert unbooted == {"ktime_get_ns": "yes (BTF)", "loops": "no (version)"}
    assert booted == {"ktime_get_ns": "yes (probed)", "loops": "yes (probed)"}


def test_kernels_that_share_a_column_share_their_sources(
    source: targets.BtfSource, capsys: pytest.CaptureFixture[str]
) -> None:
    lacks = Facts(release="", abilities={"bounded_loops": False})

    found = rows([source, replace(source, name="other", facts=lacks)], capsys)

    assert found["loops"] == "no (probed, version)"
