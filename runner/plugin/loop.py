"""pytest's loop over the items, with cases run in lanes and told as they end."""

import threading
from itertools import zip_longest

import pytest

from runner.plugin import state
from runner.plugin.items import CaseItem
from runner.session.lanes import Lanes, Perform
from runner.session.run import Run
from runner.session.schedule import Schedule, Task


def run_items(session: pytest.Session, run: Run, count: int) -> None:
    """Run a session's items: cases in `count` guests at a time, then what else it has.

    Raises session.Failed or session.Interrupted where pytest's own loop does.
    """
    cases = [item for item in session.items if isinstance(item, CaseItem)]
    others = [item for item in session.items if not isinstance(item, CaseItem)]
    lanes = Lanes(count, _schedule(cases, run), _performer(session, run), run.leave)
    try:
        for task in lanes.completed():
            # What broke its lane is done once more, and says why.
            _tell(session, task.work, None)
    except BaseException:
        lanes.stop()
        run.stop()
        raise
    finally:
        lanes.join()
    for item, following in zip_longest(others, others[1:]):
        _tell(session, item, following)


def _tell(
    session: pytest.Session, item: pytest.Item, following: pytest.Item | None
) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


def _schedule(cases: list[CaseItem], run: Run) -> Schedule[CaseItem]:
    tasks = [
        Task(kernel=item.kernel.id, tenant=item.tenant, work=item) for item in cases
    ]
    return Schedule(tasks, exclusive=run.settings.cold)


def _performer(session: pytest.Session, run: Run) -> Perform[CaseItem]:
    begins = session.config.hook.pytest_kernel_matrix_case_begins

    def perform(
        lane: int, task: Task[CaseItem], following: Task[CaseItem] | None
    ) -> None:
        item = task.work
        begins(
            nodeid=item.nodeid,
            name=item.location[2],
            thread=threading.current_thread().name,
        )
        if following is None:
            run.expect(None, "", lane=lane)
        else:
            run.expect(following.kernel, following.tenant, lane=lane)
        item.run_ahead(lane)

    return perform


def lanes_of(session: pytest.Session) -> int:
    """Return how many lanes a session's cases run in; 0 for pytest's own loop."""
    config = session.config
    if config.option.collectonly or session.testsfailed or not state.takes_part(config):
        return 0
    return int(config.getoption("lanes")) if not state.is_worker(config) else 0
