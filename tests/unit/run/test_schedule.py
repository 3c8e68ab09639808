"""Which lane does what: each task once, and no lane waits while another has much."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runner.run.schedule import Schedule, Task


def tasks(*units: str) -> list[Task[int]]:
    """Return tasks of "KERNEL TENANT COUNT"."""
    made: list[Task[int]] = []
    for unit in units:
        kernel, tenant, count = unit.split()
        made += [
            Task(kernel=kernel, tenant=tenant, work=number)
            for number in range(len(made), len(made) + int(count))
        ]
    return made


def taken(schedule: Schedule[int], *lanes: int) -> list[str]:
    """Let lanes take a task each, in this order."""
    found = [schedule.take(lane) for lane in lanes]
    return [f"{it.kernel}{it.tenant}{it.work}" if it else "" for it in found]


def test_one_lane_takes_all_in_order() -> None:
    schedule = Schedule(tasks("a x 2", "a y 1", "b x 1"))

    assert taken(schedule, 0, 0, 0, 0, 0) == ["ax0", "ax1", "ay2", "bx3", ""]


def test_lanes_begin_with_kernels_of_their_own() -> None:
    schedule = Schedule(tasks("a x 1", "a y 1", "b x 1", "b y 1"))

    assert taken(schedule, 0, 1, 0, 1) == ["ax0", "bx2", "ay1", "by3"]


def test_a_lane_without_work_takes_tenants_of_the_longest_kernel() -> None:
    schedule = Schedule(tasks("a x 1", "b x 1", "c x 1", "b y 1", "c y 1", "c z 1"))

    assert taken(schedule, 0, 1, 2) == ["ax0", "bx1", "cx2"]
    assert taken(schedule, 0, 1, 2) == ["cy4", "by3", "cz5"]


def test_a_tenant_with_much_left_is_shared() -> None:
    schedule = Schedule(tasks("a x 10"))

    assert taken(schedule, 0, 1, 1) == ["ax0", "ax6", "ax7"]
    assert taken(schedule, *[0] * 5) == ["ax1", "ax2", "ax3", "ax4", "ax5"]


def test_a_tenant_with_little_left_is_not() -> None:
    schedule = Schedule(tasks("a x 4"))

    assert taken(schedule, 0, 1, 0) == ["ax0", "", "ax1"]


def test_the_next_task_is_the_one_that_comes() -> None:
    schedule = Schedule(tasks("a x 1", "a y 1", "a z 1"))
    schedule.take(0)

    following = schedule.next_of(0)

    assert taken(schedule, 1) == ["az2"]
    assert schedule.take(0) is following


def test_a_lane_without_work_takes_what_another_has_not_begun() -> None:
    schedule = Schedule(tasks("a x 1", "a y 1"))
    schedule.take(0)
    schedule.next_of(0)

    assert taken(schedule, 1, 0) == ["ay1", ""]


def test_nothing_follows_the_last() -> None:
    schedule = Schedule(tasks("a x 1"))
    schedule.take(0)

    assert schedule.next_of(0) is None


def test_no_lane_helps_another_where_guests_boot() -> None:
    schedule = Schedule(tasks("a x 9", "a y 1"), exclusive=True)

    assert taken(schedule, 0, 1) == ["ax0", ""]
    assert [schedule.take(0) is not None for _ in range(10)] == [True] * 9 + [False]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 9))
    ),
    st.lists(st.tuples(st.integers(0, 3), st.booleans())),
    st.booleans(),
)
def test_each_task_is_done_once(
    units: list[tuple[str, str, int]], order: list[tuple[int, bool]], exclusive: bool
) -> None:
    given_out = tasks(*(f"{kernel} {tenant} {n}" for kernel, tenant, n in units))
    schedule = Schedule(given_out, exclusive=exclusive)
    done: Counter[int] = Counter()

    for lane, looks in order:
        task = schedule.take(lane)
        if task is not None:
            done[task.work] += 1
        if looks:
            schedule.next_of(lane)
    # What no lane is at any more, the others finish.
    for lane in range(4):
        while (task := schedule.take(lane)) is not None:
            done[task.work] += 1

    assert done == Counter(it.work for it in given_out)
