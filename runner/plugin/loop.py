"""pytest's loop over the items, with cases run by workers and reported as they end."""

import threading
from itertools import zip_longest

import pytest

from runner.plugin import state
from runner.plugin.items import CaseItem
from runner.run.run import Run
from runner.run.schedule import Schedule
from runner.run.workers import Perform, Workers


def run_items(session: pytest.Session, run: Run, count: int) -> None:
    """Run a session's items: cases in `count` guests at once, then what else it has.

    Raises session.Failed or session.Interrupted where pytest's own loop does.
    """
    cases = [
        item
        for item in session.items
        if isinstance(item, CaseItem) and together(item)[0] is item
    ]
    others = [item for item in session.items if not isinstance(item, CaseItem)]
    schedule = Schedule(cases, exclusive=run.settings.cold)
    workers = Workers(count, schedule, _performer(session), run.leave)
    try:
        for item in workers.completed():
            # What broke its worker is done once more, and shows why.
            for each in together(item):
                _report(session, each, None)
    except BaseException:
        workers.stop()
        run.stop()
        raise
    finally:
        workers.join()
    for other, following in zip_longest(others, others[1:]):
        _report(session, other, following)


def together(item: CaseItem) -> list[CaseItem]:
    """Return the items that one run decides, of which the first does the work."""
    return item.group.items if item.group and item.group.items else [item]


def _report(
    session: pytest.Session, item: pytest.Item, following: pytest.Item | None
) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


def _performer(session: pytest.Session) -> Perform[CaseItem]:
    begins = session.config.hook.pytest_kernel_matrix_case_begins

    def perform(worker: int, item: CaseItem, following: CaseItem | None) -> None:
        begins(
            nodeid=item.nodeid,
            name=item.location[2],
            thread=threading.current_thread().name,
        )
        item.perform(worker, None if following is None else following.need)

    return perform


def workers_of(session: pytest.Session) -> int:
    """Return how many workers run a session's cases; 0 for pytest's own loop."""
    config = session.config
    if config.option.collectonly or session.testsfailed or not state.takes_part(config):
        return 0
    return int(config.getoption("lanes")) if not state.is_worker(config) else 0
