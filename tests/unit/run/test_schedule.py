"""Which worker does what: each task once, and none waits while another has much."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runner.run.schedule import Schedule
from tests.unit.run.tasks import Numbered, need


def tasks(*units: str) -> list[Numbered]:
    """Return tasks of "KERNEL TENANT COUNT"."""
    made: list[Numbered] = []
    for unit in units:
        kernel, tenant, count = unit.split()
        made += [
            Numbered(need=need(kernel, tenant), number=number)
            for number in range(len(made), len(made) + int(count))
        ]
    return made


def taken(schedule: Schedule[Numbered], *workers: int) -> list[str]:
    """Let workers take a task each, in this order."""
    found = [schedule.take(worker) for worker in workers]
    return ["" if it is None else str(it[0]) for it in found]


def test_one_worker_takes_all_in_order() -> None:
    schedule = Schedule(tasks("a x 2", "a y 1", "b x 1"))

    assert taken(schedule, 0, 0, 0, 0, 0) == ["ax0", "ax1", "ay2", "bx3", ""]


def test_workers_begin_with_kernels_of_their_own() -> None:
    schedule = Schedule(tasks("a x 1", "a y 1", "b x 1", "b y 1"))

    assert taken(schedule, 0, 1, 0, 1) == ["ax0", "bx2", "ay1", "by3"]


def test_a_worker_without_work_takes_tenants_of_the_longest_kernel() -> None:
    a, b = ("a x 1", "a y 1", "a z 1"), ("b x 1", "b y 1", "b z 1", "b v 1")
    schedule = Schedule(tasks(*a, *b))

    assert taken(schedule, 0, 1, 2) == ["ax0", "bx3", "bz5"]
    assert taken(schedule, 0, 1, 2) == ["ay1", "by4", "bv6"]


def test_a_tenant_with_much_left_is_shared() -> None:
    schedule = Schedule(tasks("a x 10"))

    assert taken(schedule, 0, 1, 1) == ["ax0", "ax6", "ax7"]
    assert taken(schedule, *[0] * 5) == ["ax1", "ax2", "ax3", "ax4", "ax5"]


def test_a_tenant_with_little_left_is_not() -> None:
    schedule = Schedule(tasks("a x 4"))

    assert taken(schedule, 0, 1, 0) == ["ax0", "", "ax1"]


def test_the_next_task_is_the_one_that_comes() -> None:
    schedule = Schedule(tasks("a x 1", "a y 1", "a z 1"))

    first = schedule.take(0)

    assert taken(schedule, 1) == ["az2"]
    second = schedule.take(0)
    assert first is not None
    assert second is not None
    assert first[1] is second[0]


def test_a_worker_without_work_takes_what_another_has_not_begun() -> None:
    schedule = Schedule(tasks("a x 1", "a y 1"))

    assert taken(schedule, 0, 1, 0) == ["ax0", "ay1", ""]


def test_nothing_follows_the_last() -> None:
    (only,) = tasks("a x 1")

    assert Schedule([only]).take(0) == (only, None)


def test_no_worker_helps_another_where_guests_boot() -> None:
    schedule = Schedule(tasks("a x 9", "a y 1"), exclusive=True)

    assert taken(schedule, 0, 1) == ["ax0", ""]
    assert [schedule.take(0) is not None for _ in range(10)] == [True] * 9 + [False]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 9))
    ),
    st.lists(st.integers(0, 3)),
    st.booleans(),
)
def test_each_task_is_done_once(
    units: list[tuple[str, str, int]], order: list[int], exclusive: bool
) -> None:
    given_out = tasks(*(f"{kernel} {tenant} {n}" for kernel, tenant, n in units))
    schedule = Schedule(given_out, exclusive=exclusive)
    done: Counter[int] = Counter()

    # What no worker is at any more, the others finish.
    for worker in [*order, *[it for it in range(4) for _ in range(len(given_out) + 1)]]:
        if (found := schedule.take(worker)) is not None:
            done[found[0].number] += 1

    assert done == Counter(it.number for it in given_out)
