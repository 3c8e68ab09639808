"""Logs of real kernels, in tests/data/logs, folded to what matters."""

from pathlib import Path

import pytest

from runner.files.shipped import ROOT
from runner.reports.logfold import LogPart, fold

LOGS = ROOT / "tests/data/logs"


def log(version: str, name: str) -> str:
    return (LOGS / version / f"{name}.log").read_text()


def shown(parts: list[LogPart]) -> list[str]:
    return [it.text for part in parts if not part.is_folded for it in part.lines]


def verdicts(parts: list[LogPart]) -> list[str]:
    return [it.text for part in parts for it in part.lines if it.is_verdict]


@pytest.mark.parametrize("path", sorted(LOGS.glob("*/*.log")), ids=str)
def test_nothing_of_a_log_is_lost_and_something_of_each_is_shown(path: Path) -> None:
    parts = fold(path.read_text())

    lines = [it.text for part in parts for it in part.lines]
    assert lines == path.read_text().strip("\n").splitlines()
    assert 0 < len(shown(parts)) <= 20


def test_the_verdict_stands_with_the_instructions_and_the_source_before_it() -> None:
    parts = fold(log("6.12", "pointer_may_be_null--null_pointer"))

    assert verdicts(parts) == ["R0 invalid mem access 'map_value_or_null'"]
    assert shown(parts)[-3:-1] == [
        "; return *value; @ null_pointer.bpf.c:20",
        "7: (79) r0 = *(u64 *)(r0 +0)",
    ]


def test_what_libbpf_says_of_the_relocation_is_shown() -> None:
    text = "\n".join(shown(fold(log("6.1", "poison_reachable--renamed_field"))))

    assert "struct task_struct.state (0:0 @ offset 0)\n" in text
    assert "relo #0: no matching targets found" in text
    assert "found target candidate" not in text


def test_a_long_walk_is_folded() -> None:
    parts = fold(log("6.1", "program_too_large--too_many_jumps"))

    assert parts[0].is_folded
    assert parts[0].note == f"[… {len(parts[0].lines)} lines]"
    assert verdicts(parts) == ["The sequence of 8193 jumps is too complex."]


def test_a_log_of_a_load_that_went_well_is_folded_as_a_whole() -> None:
    accepted = (
        "libbpf: prog 'on_call': -- BEGIN PROG LOAD LOG --\n"
        "0: R1=ctx(off=0,imm=0) R10=fp0\n"
        "verification time 8056 usec\n"
        "stack depth 4\n"
        "processed 9 insns (limit 1000000) max_states_per_insn 0\n"
        "libbpf: prog 'on_call': -- END PROG LOAD LOG --\n"
    )

    (part,) = fold(accepted)
    assert part.is_folded
    assert not verdicts([part])


def test_the_line_that_the_message_repeats_is_the_verdict() -> None:
    line = "libbpf: map 'strange': failed to create: Invalid argument(-22)"
    text = log("6.1", "map_type_missing--missing_map_type")

    assert verdicts(fold(text, f"load refused: {line}")) == [line]


def test_sequences_of_a_terminal_are_left_out() -> None:
    (part,) = fold("libbpf: failed to \x1b[31mopen\x1b[0m it")
    assert part.lines[0].text == "libbpf: failed to open it"


def test_an_empty_log_has_no_parts() -> None:
    assert fold("") == []
