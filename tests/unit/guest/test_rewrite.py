"""The agent's rewriting of instructions: every stream keeps its meaning."""

import itertools
import re
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from tests.unit.guest import bpf_machine as bpf
from tests.unit.guest.agent_process import ROOT
from tests.unit.guest.bpf_machine import EXIT, NOP, POISONED, Event, Insn, Machine

AGENT = ROOT / "images/agent"
SOURCES = ("rewrite.c", "flow.c", "helpers.c", "buffer.c")

KCONFIG, RODATA = -1, -3
DATA = {
    # LINUX_KERNEL_VERSION of 4.4.1, and CONFIG_HZ.
    KCONFIG: struct.pack("<II", 0x040401, 250),
    RODATA: struct.pack("<QIibB", 1 << 40 | 7, 0xFFFF_FFFF, -5, -1, 9),
}
LOOKUP, PROBE_READ, TIME = 1, 4, 5


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """What the rewriter made of a stream."""

    done: bool
    reads: int
    addresses: int
    constants: int
    branches: int
    unreached: int
    insns: list[Insn]
    # The rewritten ones behind stores of zero.
    zeroed: list[Insn]


class Rewriter:
    """The filter tests/unit/guest/rewriter.c, under AddressSanitizer."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __call__(
        self, insns: Sequence[Insn], data: Mapping[int, bytes] = DATA
    ) -> Rewritten:
        request = struct.pack("<II", len(insns), len(data))
        request += b"".join(insn.pack() for insn in insns)
        for reference, content in data.items():
            request += struct.pack("<iI", reference, len(content)) + content
        return self.raw(request, len(insns))

    def raw(self, request: bytes, count: int) -> Rewritten:
        assert self._process.stdin is not None
        self._process.stdin.write(request)
        self._process.stdin.flush()
        done, reads, addresses, constants, branches, unreached = struct.unpack(
            "<6I", self._read(24)
        )
        insns = bpf.unpack_all(self._read(8 * count))
        (zeroed,) = struct.unpack("<I", self._read(4))
        return Rewritten(
            done=bool(done),
            reads=reads,
            addresses=addresses,
            constants=constants,
            branches=branches,
            unreached=unreached,
            insns=insns,
            zeroed=bpf.unpack_all(self._read(8 * zeroed)),
        )

    def _read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        assert len(data) == size, "the rewriter died"
        return data


@pytest.fixture(scope="module")
def rewrite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rewriter]:
    binary = tmp_path_factory.mktemp("rewriter") / "rewriter"
    subprocess.run(
        [
            *("gcc", "-std=c11", "-g", "-O1", "-D_GNU_SOURCE", "-Wall", "-Werror"),
            *("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"),
            *("-I", AGENT, "-o", binary, ROOT / "tests/unit/guest/rewriter.c"),
            *(AGENT / name for name in SOURCES),
        ],
        check=True,
    )
    with subprocess.Popen(
        [binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Rewriter(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0, "a leak, or worse"


def helper_arguments() -> dict[int, int]:
    """Return how many arguments each helper takes, from libbpf's own declarations."""
    text = Path("/usr/include/bpf/bpf_helper_defs.h").read_text()
    pattern = r"static [^;=]*\(\*bpf_\w+\)\(([^;]*?)\) = \(void \*\) (\d+);"
    return {
        int(number): 5
        if "..." in arguments
        else 0
        if arguments == "void"
        else arguments.count(",") + 1
        for arguments, number in re.findall(pattern, text)
    }


ARGUMENTS = helper_arguments()


def seen(
    insns: Sequence[Insn], *, context: int = 0, stack: Mapping[int, int] | None = None
) -> list[Event]:
    """Run a program and return what the outside sees of it."""
    machine = Machine(insns, DATA, ARGUMENTS, context=context, stack=dict(stack or {}))
    return machine.run()


def guarded(condition: Insn, first: Insn, second: Insn) -> list[Insn]:
    """Return `if (condition) second; else first;`, where `condition` skips two."""
    return [condition, first, bpf.jump(bpf.JA, 0, 0, 1), second, bpf.mov(0, 0), EXIT]


# ---------------------------------------------------------------- branches


def test_a_guard_written_the_other_way_round_is_flipped(rewrite: Rewriter) -> None:
    # r1 = 1; if r1 != 0 goto new: 4.4 walks both sides of it.
    program = [
        bpf.mov(1, 1),
        *guarded(bpf.jump(bpf.JNE, 1, 0, 2), POISONED, bpf.call(TIME)),
    ]
    assert 2 in bpf.walked_by_old_verifier(program)

    done = rewrite(program)

    assert done.insns[1] == bpf.jump(bpf.JEQ, 1, 1, 2)
    assert done.insns[2] == NOP
    assert 2 not in bpf.walked_by_old_verifier(done.insns)
    assert (done.branches, done.unreached) == (1, 1)


def test_a_guard_that_old_verifiers_see_through_stays(rewrite: Rewriter) -> None:
    program = [
        bpf.mov(1, 0),
        *guarded(bpf.jump(bpf.JEQ, 1, 0, 2), POISONED, bpf.call(TIME)),
    ]

    done = rewrite(program)

    assert done.insns[1] == program[1]
    # Yet the poison goes: a kernel before 4.15 dies of it, though it is not reached.
    assert done.insns[2] == NOP
    assert done.branches == 0


@pytest.mark.parametrize("new", [True, False])
def test_reachable_poison_is_never_touched(rewrite: Rewriter, new: bool) -> None:
    first, second = (POISONED, bpf.call(TIME)) if new else (bpf.call(TIME), POISONED)
    program = [
        bpf.mov(1, int(not new)),
        *guarded(bpf.jump(bpf.JNE, 1, 0, 2), first, second),
    ]

    assert rewrite(program).insns.count(POISONED) == 1


def test_poison_behind_a_value_that_is_not_known_stays(rewrite: Rewriter) -> None:
    program = [
        bpf.load("w", 1, 1, 0),
        *guarded(bpf.jump(bpf.JNE, 1, 0, 2), POISONED, bpf.call(TIME)),
    ]

    assert rewrite(program).insns == program


def test_a_helper_that_is_not_called_is_taken_out(rewrite: Rewriter) -> None:
    # bpf_core_enum_value_exists(…, BPF_FUNC_probe_read_kernel) on a kernel without it.
    program = [
        bpf.mov(1, 1),
        *guarded(bpf.jump(bpf.JEQ, 1, 1, 2), bpf.call(113), bpf.call(TIME)),
    ]

    assert rewrite(program).insns[2] == NOP


def test_functions_stay_called_where_the_call_is_not_reached(rewrite: Rewriter) -> None:
    # Without its call the function would be code that nobody reaches.
    call_of_function = Insn(0x85, src=1, imm=3)
    program = [
        bpf.mov(1, 1),
        *guarded(bpf.jump(bpf.JEQ, 1, 1, 2), call_of_function, bpf.call(TIME)),
        bpf.mov(0, 3),
        EXIT,
    ]

    assert rewrite(program).insns[2] == call_of_function


def test_a_comparison_of_kernel_versions_is_decided(rewrite: Rewriter) -> None:
    # if (LINUX_KERNEL_VERSION >= KERNEL_VERSION(4, 11, 0)) new; else old;
    program = [
        *bpf.data_address(1, KCONFIG, 0),
        bpf.load("w", 1, 1, 0),
        bpf.mov(2, 0x040B00),
        *guarded(bpf.jump_reg(bpf.JGT, 2, 1, 2), POISONED, bpf.call(TIME)),
    ]

    done = rewrite(program)

    assert done.insns[:3] == [bpf.mov(1, 0), NOP, bpf.mov(1, 0x040401)]
    assert done.insns[4] == bpf.jump(bpf.JEQ, 2, 0x040B00, 2)
    assert 5 not in bpf.walked_by_old_verifier(done.insns)
    assert (done.reads, done.addresses) == (1, 1)


def test_what_differs_between_two_paths_is_not_known(rewrite: Rewriter) -> None:
    program = [
        bpf.mov(6, 1),
        bpf.jump(bpf.JEQ, 1, 0, 1),
        bpf.mov(6, 0),
        *guarded(bpf.jump(bpf.JNE, 6, 0, 2), POISONED, bpf.call(TIME)),
    ]

    assert rewrite(program).insns == program


def test_what_is_the_same_on_two_paths_is_known(rewrite: Rewriter) -> None:
    program = [
        bpf.mov(6, 1),
        bpf.jump(bpf.JEQ, 1, 0, 1),
        bpf.mov(6, 1),
        *guarded(bpf.jump(bpf.JNE, 6, 0, 2), POISONED, bpf.call(TIME)),
    ]

    assert POISONED not in rewrite(program).insns


@pytest.mark.parametrize("register", range(6))
def test_a_call_spoils_what_is_known_of_its_arguments(
    rewrite: Rewriter, register: int
) -> None:
    program = [
        bpf.mov(register, 1),
        bpf.call(TIME),
        *guarded(bpf.jump(bpf.JNE, register, 0, 2), POISONED, bpf.call(TIME)),
    ]

    assert rewrite(program).insns == program


# --------------------------------------------------------------- constants


def test_a_small_wide_constant_becomes_a_mov(rewrite: Rewriter) -> None:
    done = rewrite([*bpf.wide(0, 5), EXIT])

    assert done.insns == [bpf.mov(0, 5), NOP, EXIT]


def test_a_large_wide_constant_stays(rewrite: Rewriter) -> None:
    program = [*bpf.wide(0, 1 << 40), EXIT]

    assert rewrite(program).insns == program


@pytest.mark.parametrize(
    ("size", "offset", "expected"),
    [
        # Above what a sign-extended immediate holds.
        ("w", 8, [bpf.mov(0, 0), NOP, bpf.alu(bpf.MOV, 0, -1, bits=32)]),
        ("b", 17, [bpf.mov(0, 0), NOP, bpf.mov(0, 9)]),
        ("dw", 0, [*bpf.wide(0, 1 << 40 | 7), NOP]),
        # Zero-extended, as loads are.
        ("b", 16, [bpf.mov(0, 0), NOP, bpf.mov(0, 255)]),
    ],
)
def test_a_read_of_read_only_data_becomes_its_value(
    rewrite: Rewriter, size: str, offset: int, expected: list[Insn]
) -> None:
    program = [*bpf.data_address(0, RODATA, 0), bpf.load(size, 0, 0, offset), EXIT]

    assert rewrite(program).insns == [*expected, EXIT]
    assert seen(rewrite(program).insns) == seen(program)


@pytest.mark.parametrize("offset", [18, 15, -1, 1 << 14])
def test_a_read_beyond_the_data_stays(rewrite: Rewriter, offset: int) -> None:
    program = [*bpf.data_address(0, RODATA, 0), bpf.load("dw", 0, 0, offset), EXIT]

    assert rewrite(program).insns == program


def test_data_that_a_helper_is_given_the_address_of_stays(rewrite: Rewriter) -> None:
    program = [
        *bpf.data_address(3, RODATA, 0),
        bpf.load("b", 0, 3, 0),
        bpf.mov(1, 0),
        bpf.mov(2, 0),
        bpf.call(PROBE_READ),
        EXIT,
    ]

    done = rewrite(program)

    assert done.insns[:3] == [*program[:2], bpf.mov(0, 7)]
    assert (done.reads, done.addresses) == (1, 0)


def test_data_whose_address_is_kept_on_the_stack_stays(rewrite: Rewriter) -> None:
    program = [
        *bpf.data_address(3, RODATA, 0),
        bpf.store("dw", 10, -8, 3),
        bpf.mov(0, 0),
        EXIT,
    ]

    assert rewrite(program).insns == program


def test_data_is_not_taken_for_an_argument_that_a_helper_has_not(
    rewrite: Rewriter,
) -> None:
    # The address is still in r3 at a call that takes r1 and r2.
    program = [
        *bpf.data_address(3, RODATA, 0),
        bpf.load("b", 6, 3, 0),
        bpf.mov(1, 0),
        bpf.mov(2, 0),
        bpf.call(LOOKUP),
        EXIT,
    ]

    assert rewrite(program).insns[:2] == [bpf.mov(3, 0), NOP]


# ----------------------------------------------------------------- streams


@pytest.mark.parametrize(
    "program",
    [
        [],
        [bpf.mov(0, 0)],
        [bpf.jump(bpf.JEQ, 0, 0, 5), EXIT],
        [bpf.jump(bpf.JA, 0, 0, -3), EXIT],
        # Into the middle of a ldimm64, and one that is cut off.
        [bpf.jump(bpf.JEQ, 0, 0, 1), *bpf.wide(0, 5), EXIT],
        [EXIT, bpf.wide(0, 5)[0]],
        [Insn(0xBF, 12, 1), EXIT],
        [Insn(0x85, src=1, imm=100), EXIT],
        [NOP] * 4096 + [EXIT],
    ],
)
def test_what_no_kernel_takes_is_left_alone(
    rewrite: Rewriter, program: list[Insn]
) -> None:
    done = rewrite(program)

    assert not done.done
    assert done.insns == program


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_garbage_hurts_nobody(rewrite: Rewriter, data: bytes) -> None:
    insns = bpf.unpack_all(data[: len(data) // 8 * 8])

    assert len(rewrite(insns).insns) == len(insns)


def test_the_longest_program_is_rewritten(rewrite: Rewriter) -> None:
    jumps = [bpf.jump(bpf.JNE, 1, 5, 0)] * 4093

    done = rewrite([bpf.mov(1, 7), bpf.mov(0, 0), *jumps, EXIT])

    assert done.branches == 4093
    # No room for anything before it.
    assert done.zeroed == done.insns


# ------------------------------------------------------------------- stack


def test_a_helpers_buffer_is_zeroed(rewrite: Rewriter) -> None:
    program = [
        bpf.alu_reg(bpf.MOV, 1, 10),
        bpf.alu(bpf.ADD, 1, -12),
        bpf.mov(2, 12),
        bpf.call(PROBE_READ),
        EXIT,
    ]

    stores = [Insn(0x7A, 10, off=-8), Insn(0x7A, 10, off=-16)]
    assert rewrite(program).zeroed == stores + program


def test_a_program_without_buffers_gets_no_stores(rewrite: Rewriter) -> None:
    program = [bpf.mov(0, 0), bpf.store("dw", 10, -8, 0), EXIT]

    assert rewrite(program).zeroed == program


# ----------------------------------------------------------------- meaning

EDGES = (0, 1, 2, 63, -1, -5, 0x7FFF_FFFF, -(1 << 31), 1 << 31, 1 << 40, -(1 << 63))


@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("op", bpf.COMPARISONS)
def test_comparisons_are_decided_as_they_go(
    rewrite: Rewriter, op: int, bits: int
) -> None:
    for left, right in itertools.product(EDGES, EDGES):
        program = [
            *bpf.wide(1, left),
            *bpf.wide(2, right),
            bpf.mov(0, 0),
            bpf.jump_reg(op, 1, 2, 2, bits=bits),
            bpf.mov(0, 1),
            EXIT,
            bpf.mov(0, 2),
            EXIT,
        ]
        done = rewrite(program)

        assert done.branches == 1
        assert seen(done.insns) == seen(program), (left, right)
        assert len(bpf.walked_by_old_verifier(done.insns) & {6, 8}) == 1


@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("op", [*bpf.OPERATIONS, *bpf.SHIFTS, bpf.DIV, bpf.MOD])
def test_arithmetic_is_calculated_as_it_goes(
    rewrite: Rewriter, op: int, bits: int
) -> None:
    for left, right in itertools.product(EDGES, EDGES):
        if op in bpf.SHIFTS and not 0 <= right < bits:
            continue
        if op in (bpf.DIV, bpf.MOD) and right & (1 << bits) - 1 == 0:
            continue
        last = [bpf.alu_reg(op, 0, 2, bits=bits)]
        if op == bpf.NEG:
            last = [bpf.alu(op, 0, 0, bits=bits)]
        program = [*bpf.wide(0, left), *bpf.wide(2, right), *last, EXIT]

        done, ended = rewrite(program), seen(program)
        assert seen(done.insns) == ended, (left, right)
        (result,) = ended[0].values
        if result < 1 << 31:
            assert done.insns[4] == bpf.mov(0, result)


SMALL = st.sampled_from(
    [0, 1, 2, 5, 0x040401, 0x040B00, -1, -5, 0x7FFF_FFFF, -(1 << 31)]
)
LARGE = st.one_of(
    SMALL, st.sampled_from([1 << 31, 0xFFFF_FFFF, 1 << 40, (1 << 63) + 5, 250])
)
REGISTER = st.integers(0, 7)
BITS = st.sampled_from([64, 64, 64, 32])
SIZE = st.sampled_from(["b", "h", "w", "dw"])
OPERATIONS = st.sampled_from(bpf.OPERATIONS)
SHIFTS = st.sampled_from(bpf.SHIFTS)
COMPARISONS = st.sampled_from(bpf.COMPARISONS)
HELPERS = st.one_of(
    st.sampled_from([LOOKUP, PROBE_READ, TIME, 6, 113]), st.integers(1, 104)
)


def _alu(op: int, dst: int, imm: int, bits: int) -> list[Insn]:
    return [bpf.alu(op, dst, 0 if op == bpf.NEG else imm, bits=bits)]


def _alu_reg(op: int, dst: int, src: int, bits: int) -> list[Insn]:
    if op == bpf.NEG:
        return _alu(op, dst, 0, bits)
    return [bpf.alu_reg(op, dst, src, bits=bits)]


def _read(dst: int, size: str, reference: int, offset: int, base: int) -> list[Insn]:
    return [*bpf.data_address(base, reference, 0), bpf.load(size, dst, base, offset)]


@dataclass(frozen=True)
class Jump:
    """A jump by places in the list that a program is drawn as."""

    insn: Insn
    places: int
    before: tuple[Insn, ...] = ()


PIECES = st.one_of(
    st.builds(lambda dst, imm: [bpf.mov(dst, imm)], REGISTER, SMALL),
    st.builds(_alu, OPERATIONS, REGISTER, SMALL, BITS),
    st.builds(_alu_reg, OPERATIONS, REGISTER, REGISTER, BITS),
    st.builds(
        lambda op, dst, by, bits: _alu(op, dst, by % bits, bits),
        SHIFTS,
        REGISTER,
        st.integers(0, 63),
        BITS,
    ),
    st.builds(lambda dst, value: bpf.wide(dst, value), REGISTER, LARGE),
    st.builds(
        _read,
        REGISTER,
        SIZE,
        st.sampled_from([KCONFIG, RODATA]),
        st.integers(0, 10),
        REGISTER,
    ),
    st.builds(
        bpf.data_address,
        REGISTER,
        st.sampled_from([KCONFIG, RODATA]),
        st.integers(0, 16),
    ),
    st.builds(
        lambda size, dst, src, off: [bpf.load(size, dst, src, off)],
        SIZE,
        REGISTER,
        REGISTER,
        st.integers(0, 4),
    ),
    st.builds(
        lambda size, slot, src: [bpf.store(size, 10, -8 * slot, src)],
        SIZE,
        st.integers(1, 4),
        REGISTER,
    ),
    st.builds(
        lambda size, slot, dst: [bpf.load(size, dst, 10, -8 * slot)],
        SIZE,
        st.integers(1, 4),
        REGISTER,
    ),
    st.builds(lambda helper: [bpf.call(helper)], HELPERS),
    st.just([POISONED]),
    st.just([EXIT]),
    *[
        st.builds(
            lambda op, dst, imm, places, bits: Jump(
                bpf.jump(op, dst, imm, 0, bits=bits), places
            ),
            COMPARISONS,
            REGISTER,
            SMALL,
            st.integers(1, 6),
            BITS,
        ),
        st.builds(
            lambda op, dst, src, places, bits: Jump(
                bpf.jump_reg(op, dst, src, 0, bits=bits), places
            ),
            COMPARISONS,
            REGISTER,
            REGISTER,
            # Back, too: a loop that does not end shows as one.
            st.integers(-2, 6),
            BITS,
        ),
        st.builds(lambda places: Jump(NOP, places), st.integers(1, 4)),
        # A guard, as compilers write it.
        st.builds(
            lambda op, dst, value, imm, places, bits: Jump(
                bpf.jump(op, dst, imm, 0, bits=bits), places, (bpf.mov(dst, value),)
            ),
            COMPARISONS,
            REGISTER,
            SMALL,
            SMALL,
            st.integers(1, 6),
            BITS,
        ),
    ]
    * 2,
)


def assembled(pieces: Sequence[list[Insn] | Jump]) -> list[Insn]:
    """Return the pieces with their jumps resolved, and an exit at the end."""
    sized = [
        len(piece.before) + 1 if isinstance(piece, Jump) else len(piece)
        for piece in pieces
    ]
    starts = [sum(sized[:place]) for place in range(len(pieces) + 1)]
    insns: list[Insn] = []
    for place, piece in enumerate(pieces):
        if isinstance(piece, Jump):
            to = starts[min(max(place + piece.places, 0), len(pieces))]
            insns += piece.before
            insns.append(bpf.with_offset(piece.insn, to - len(insns) - 1))
        else:
            insns += piece
    return [*insns, EXIT]


PROGRAMS = st.lists(PIECES, min_size=2, max_size=24).map(assembled)
ANY_PROGRAM = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@ANY_PROGRAM
@given(program=PROGRAMS, context=LARGE)
def test_a_program_does_the_same_after_rewriting(
    rewrite: Rewriter, program: list[Insn], context: int
) -> None:
    done = rewrite(program)
    context &= bpf.U64

    assert done.done
    assert len(done.insns) == len(program)
    before, after = (seen(insns, context=context) for insns in (program, done.insns))
    if before[-1] == Event("too long"):
        # Whatever it is, one of them is farther in it.
        shorter = min(len(before), len(after)) - 1
        before, after = before[:shorter], after[:shorter]
    assert after == before
    for name in ("reads", "addresses", "constants", "branches", "unreached"):
        if getattr(done, name):
            event(name)


@ANY_PROGRAM
@given(program=PROGRAMS)
def test_rewriting_again_changes_nothing_more(
    rewrite: Rewriter, program: list[Insn]
) -> None:
    once = rewrite(program)

    assert rewrite(once.insns).insns == once.insns


@ANY_PROGRAM
@given(program=PROGRAMS, context=LARGE)
def test_what_old_verifiers_walk_into_is_never_taken_out(
    rewrite: Rewriter, program: list[Insn], context: int
) -> None:
    assume(POISONED in program)
    done = rewrite(program)

    # An old verifier that meets no poison after rewriting met what can run, and poison
    # that can run is still there.
    for what in seen(program, context=context & bpf.U64):
        if what.what.startswith("poison at "):
            at = int(what.what.removeprefix("poison at "))
            assert done.insns[at] == POISONED
            assert at in bpf.walked_by_old_verifier(done.insns)


@ANY_PROGRAM
@given(program=PROGRAMS)
def test_zeroing_the_stack_changes_only_what_was_never_written(
    rewrite: Rewriter, program: list[Insn]
) -> None:
    done = rewrite(program)
    stores = len(done.zeroed) - len(program)
    slots = {bpf.STACK_TOP - 1 - byte for byte in range(8 * stores)}

    zeros = seen(done.insns, stack=dict.fromkeys(slots, 0))
    behind = seen(done.zeroed)

    assert done.zeroed[stores:] == done.insns
    if zeros[-1] != Event("too long"):
        assert [_moved(what, stores) for what in zeros] == behind


def _moved(what: Event, by: int) -> Event:
    if not what.what.startswith("poison at "):
        return what
    return Event(f"poison at {int(what.what.removeprefix('poison at ')) + by}")
