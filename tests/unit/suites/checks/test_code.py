"""Instructions, as tests.tools.record_code recorded them on 6.1."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from runner.bpf import bpftool, insn
from runner.bpf.bpftool import BpftoolError
from runner.bpf.insn import Insn
from runner.errors import RunnerError
from runner.results import Mismatch
from runner.suites.checks import Observations
from runner.suites.checks.evidence import judge_all
from runner.suites.model import Expectation

DATA = Path(__file__).parents[3] / "data/bpftool"
XLATED = bpftool.parse_prog_dump((DATA / "prog-dump-xlated.json").read_text())
RELOCATED = insn.decode(bytes.fromhex((DATA / "prog-relocated.hex").read_text()))
SIZES = {"task_struct": 9728}
# What the kernel's BTF says.
OFFSETS = {
    "task_struct.pid": 2416,
    "task_struct.real_parent": 2432,
    "task_struct.tgid": 2420,
    "task_struct.mm": 2272,
    "mm_struct.start_stack": 296,
}
FIELDS: list[dict[str, Any]] = [
    *({"offset_of": name} for name in OFFSETS),
    {"size_of": "task_struct"},
]
POISON = Insn(code=0x85, dst=0, src=0, offset=0, imm=195896080)


class Layout:
    """A kernel whose fields lie where a table says."""

    def __init__(self, offsets: Mapping[str, int] = OFFSETS) -> None:
        self._offsets = offsets

    def offset_of(self, type_name: str, path: str, /) -> int:
        name = f"{type_name.removeprefix('struct ')}.{path}"
        if name not in self._offsets:
            raise RunnerError(f"there is no {name}")
        return self._offsets[name]

    def size_of(self, type_name: str, path: str = "", /) -> int:
        return SIZES[type_name.removeprefix("struct ")]


def judged(
    code: dict[str, Any],
    *,
    layout: Layout | None = None,
    xlated: tuple[Insn, ...] = XLATED,
    not_shown: str = "",
) -> list[Mismatch]:
    adapter: TypeAdapter[Expectation] = TypeAdapter(Expectation)
    expectation = adapter.validate_python({"program": "p", **code}, strict=False)
    observations = Observations(
        xlated={"p": xlated},
        relocated={"p": RELOCATED},
        layout=layout or Layout(),
        ids={("map", "pids"): 1, ("map", "stacks"): 2, ("program", "p"): 3},
        not_shown=not_shown,
    )
    found = judge_all([expectation], observations, {})
    # What holds has its evidence, one instruction each.
    wanted = (
        (code.get("xlated") or code.get("relocated") or ()) if not not_shown else ()
    )
    assert len(found.matches) == (0 if found.mismatches else len(wanted))
    return list(found.mismatches)


@pytest.mark.parametrize("kind", ["xlated", "relocated"])
def test_relocated_fields_stand_where_btf_says(kind: str) -> None:
    assert judged({kind: FIELDS}) == []


@pytest.mark.parametrize("kind", ["xlated", "relocated"])
@pytest.mark.parametrize("field", OFFSETS)
def test_an_offset_that_is_shifted_by_8_is_seen(kind: str, field: str) -> None:
    shifted = Layout({**OFFSETS, field: OFFSETS[field] + 8})

    (found,) = judged({kind: FIELDS}, layout=shifted)

    assert found.subject == f"program p {kind}[{list(OFFSETS).index(field)}]"
    assert found.expected == f"{OFFSETS[field] + 8}, the offset of {field}"
    assert str(OFFSETS[field]) in found.observed


def test_maps_are_those_that_were_loaded() -> None:
    assert judged({"xlated": [{"map": "pids"}, {"map": "stacks"}]}) == []
    (found,) = judged({"xlated": [{"map": "stacks"}, {"map": "pids"}]})
    assert found.expected == "the id 1 of map pids"
    (found,) = judged({"xlated": [{"map": "pid"}]})
    assert found.observed == "no such map; did you mean 'pids'?"


def test_order_counts() -> None:
    assert len(judged({"xlated": [FIELDS[1], FIELDS[0]]})) == 1


def test_poison_may_not_be_left_in_the_kernel() -> None:
    (found,) = judged({"xlated": FIELDS[:1]}, xlated=(*XLATED, POISON))

    assert found.observed == f"poison at instruction {len(XLATED)}"


def test_poison_that_is_not_where_it_should_be_is_missed() -> None:
    (found,) = judged({"relocated": [FIELDS[0], {"poison": True}]})

    assert found.expected == "poison"


def test_a_field_that_the_kernel_lacks_is_told() -> None:
    (found,) = judged({"relocated": [{"offset_of": "task_struct.none"}]})

    assert found.observed == "there is no task_struct.none"


def test_what_the_kernel_does_not_show_is_not_available() -> None:
    assert judged({"xlated": [{"number": 77777}]}, not_shown="too old") == []
    assert len(judged({"relocated": [{"number": 77777}]}, not_shown="too old")) == 1


def test_a_program_that_is_not_there_is_told() -> None:
    (found,) = judged({"program": "q", "xlated": FIELDS})

    assert found.observed == "no such program; there are p"


# ----------------------------------------------------------------- readers


def test_both_readers_agree_on_what_the_kernel_leaves_alone() -> None:
    constants = [it.constant for it in RELOCATED]

    assert [it.code for it in XLATED] == [it.code for it in RELOCATED]
    assert set(OFFSETS.values()) <= set(constants)
    assert [it.map_id for it in XLATED if it.map_id is not None] == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '[{"opcodes": 1}]',
        '[{"opcodes": {"code": "1"}}]',
        '[{"opcodes": {"code": "0x1", "src_reg": "0x1", "off": 1}}]',
    ],
)
def test_a_dump_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(BpftoolError):
        bpftool.parse_prog_dump(text)


@given(st.binary(max_size=200))
def test_bytes_are_instructions_or_refused(data: bytes) -> None:
    if len(data) % 8:
        with pytest.raises(ValueError, match="not a whole number of instructions"):
            insn.decode(data)
    else:
        assert len(insn.decode(data)) == len(data) // 8
