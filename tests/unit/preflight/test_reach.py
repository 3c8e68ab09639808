"""Walks through programs with many paths: of few steps, or given up."""

import pytest

from runner.facts.abilities import NOTHING
from runner.preflight import reach
from runner.preflight.errors import AbandonedError, NotFollowedError
from runner.preflight.reach import walked
from runner.preflight.references import Address, Flow
from runner.preflight.verifier import verifier_of
from tests.unit.preflight.made import an_object

NEWEST = verifier_of(NOTHING)

# Each function calls the next one from four places: 4 ** 7 paths of calls.
LEVEL = """\
static __attribute__((noinline)) int f{n}(int x)
{{
	return f{m}(x) + 3 * f{m}(x + 1) + 5 * f{m}(x + 2) + 7 * f{m}(x + 3);
}}
"""
DEEP = "".join(
    (
        "volatile int sink;\n",
        "static __attribute__((noinline)) int f0(int x) { return sink * x; }\n",
        *(LEVEL.format(n=n, m=n - 1) for n in range(1, 8)),
        'SEC("tc") int calls(struct __sk_buff *skb) { return f7(skb->len) & 1; }\n',
    )
)

# What one caller's argument rules out, another's reaches.
PER_CALLER = """\
volatile int sink;
static __attribute__((noinline)) int one(int x) { return x == 7 ? sink : 5; }
SEC("tc") int calls(struct __sk_buff *skb)
{
	int first = one(1);

	if (first != 5)
		sink = 1;
	%s
	return first;
}
"""

BRANCHES = "".join(f"if (skb->len == {n}) sink += {n};\n" for n in range(50))
WIDE = f"""\
volatile int sink;
SEC("tc") int calls(struct __sk_buff *skb)
{{
	{BRANCHES}
	return 0;
}}
"""


def flow_of(source: str) -> Flow:
    item = an_object(source)
    return Flow(item, {it.name for it in item.programs})


def size(flow: Flow, section: int) -> int:
    index = 0
    while flow.insn((section, index)) is not None:
        index += 1
    return index


def test_calls_that_multiply_do_not_multiply_the_walk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reach, "_MOST_VISITS", 200)
    flow = flow_of(DEEP)

    reached = walked(flow, {}, NEWEST)

    sections = {section for section, _ in reached}
    assert len(sections) == 2
    # The second halves of wide instructions are not walked.
    assert len(reached) >= sum(size(flow, it) for it in sections) - 2


def test_what_a_function_returns_is_known_to_each_caller() -> None:
    def last_line_of(source: str) -> set[Address]:
        return walked(flow_of(source), {}, NEWEST)

    once = last_line_of(PER_CALLER % "")
    both = last_line_of(PER_CALLER % "sink = one(7);")

    # The function's other way is walked only when somebody asks for it.
    assert len(both) - len(once) >= 2


def test_a_program_with_too_many_paths_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reach, "_MOST_VISITS", 50)

    with pytest.raises(
        NotFollowedError,
        match="not followed to its end: its programs take more than 50 steps",
    ):
        walked(flow_of(WIDE), {}, NEWEST)


def test_a_walk_ends_when_nobody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_BETWEEN_LOOKS", 8)

    with pytest.raises(AbandonedError):
        walked(flow_of(WIDE), {}, NEWEST, wanted=lambda: False)


def test_loops_that_multiply_do_not_multiply_the_walk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reach, "_MOST_VISITS", 500)
    # Loops over constants, nested: each visit is a new state until they merge.
    loop = "for (int {0} = 0; {0} < 1000; {0}++) "
    nested = "".join(loop.format(it) for it in "ijklm")
    source = f"""\
        volatile int sink;
        SEC("tc") int calls(struct __sk_buff *skb)
        {{
            {nested} {{ sink += i * j + k - l + m; }}
            return 0;
        }}
        """

    assert walked(flow_of(source), {}, NEWEST)
