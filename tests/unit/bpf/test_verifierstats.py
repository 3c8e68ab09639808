"""The verifier's statistics, as kernels of several ages print them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.bpf import verifierstats
from runner.bpf.verifierstats import VerifierStats

# Of Debian's 6.1, with log level 4.
TWO_PROGRAMS = """\
libbpf: prog 'on_fork': -- BEGIN PROG LOAD LOG --
verification time 311 usec
stack depth 16
processed 40 insns (limit 1000000) max_states_per_insn 1 total_states 3 peak_states 2 \
mark_read 2
-- END PROG LOAD LOG --
libbpf: prog 'on_exec': -- BEGIN PROG LOAD LOG --
verification time 97 usec
stack depth 0+8
processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 \
mark_read 1
-- END PROG LOAD LOG --
"""


def test_each_program_has_its_own() -> None:
    found = verifierstats.of_log(TWO_PROGRAMS)

    assert found == {
        "on_fork": VerifierStats(
            insns=40,
            limit=1_000_000,
            total_states=3,
            peak_states=2,
            stack_depth=16,
            usec=311,
        ),
        "on_exec": VerifierStats(
            insns=9,
            limit=1_000_000,
            total_states=1,
            peak_states=1,
            stack_depth=8,
            usec=97,
        ),
    }


@pytest.mark.parametrize(
    ("line", "insns", "limit", "stack"),
    [
        pytest.param("processed 21 insns", 21, None, None, id="4.4"),
        pytest.param("processed 21 insns, stack depth 8", 21, None, 8, id="4.14"),
        pytest.param("processed 21 insns, stack depth 8+32+0", 21, None, 40, id="4.16"),
        pytest.param(
            "processed 21 insns (limit 131072), stack depth 8",
            21,
            131_072,
            8,
            id="5.0",
        ),
    ],
)
def test_an_older_kernel_ends_its_trace_with_it(
    line: str, insns: int, limit: int | None, stack: int | None
) -> None:
    trace = f"0: (b7) r0 = 0\n1: (95) exit\n{line}\n"

    found = verifierstats.of_verifier(trace)

    assert found is not None
    assert (found.insns, found.limit, found.stack_depth) == (insns, limit, stack)
    assert found.usec is None
    assert found.peak_states is None


def test_the_last_load_of_a_program_counts() -> None:
    again = TWO_PROGRAMS.replace("processed 40 insns", "processed 44 insns")

    found = verifierstats.of_log(TWO_PROGRAMS + again)

    assert found["on_fork"].insns == 44


def test_a_refused_program_has_its_own() -> None:
    refused = """\
libbpf: prog 'loops': BPF program load failed: Argument list too long
libbpf: prog 'loops': -- BEGIN PROG LOAD LOG --
BPF program is too large. Processed 1000001 insn
verification time 2104713 usec
stack depth 8
processed 1000001 insns (limit 1000000) max_states_per_insn 4 total_states 9803 \
peak_states 9803 mark_read 4
-- END PROG LOAD LOG --
"""
    found = verifierstats.of_log(refused)["loops"]

    assert (found.insns, found.peak_states) == (1_000_001, 9803)


def test_a_log_without_statistics_has_none() -> None:
    assert verifierstats.of_log("libbpf: loading object 'x'\n") == {}
    assert verifierstats.of_verifier("0: (95) exit\n") is None


@given(st.text(alphabet="processed insns(lm)+0123456789 ,\nstackdph:'-BEGINPRLOADEO"))
def test_no_log_is_too_odd(log: str) -> None:
    verifierstats.of_log(log)
    verifierstats.of_verifier(log)
