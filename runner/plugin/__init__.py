"""The pytest plugin: suites and Python tests run as items, one a kernel and case."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from runner.case import kernelreport
from runner.errors import InternalError, RunnerError, UsageError
from runner.guest import aftermath
from runner.guest.commands import Commands, Place
from runner.guest.guest import Guest
from runner.matrix.matrix import Kernel
from runner.plugin import hooks, loop, state, steps
from runner.plugin.bpf import Bpf
from runner.plugin.items import (
    FOLLOWING,
    CaseItem,
    SuiteFile,
    kernel_of,
    name_of_test,
    need_of,
)
from runner.plugin.keywords import Keywords
from runner.plugin.knownflaky import KnownFlakyFailures
from runner.plugin.recorder import COMMANDS, LOST_LOG, ORDER, Recorder, attach
from runner.run.lease import Need
from runner.run.run import Run
from runner.suites import project
from runner.suites.search import SUITE_FILE

_Found = TypeVar("_Found")

RECORDER = "kernel-matrix-recorder"
KEYWORDS = "kernel-matrix-keywords"
KNOWN_FLAKY = "kernel-matrix-known-flaky"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --kernels and its companions."""
    state.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add this plugin's own hooks."""
    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of a kernel's items, and who gathers their results."""
    config.addinivalue_line("markers", "kernel(id): runs on this kernel of the matrix")
    config.pluginmanager.register(Keywords(), KEYWORDS)
    config.pluginmanager.register(KnownFlakyFailures(config), KNOWN_FLAKY)
    if not state.is_worker(config):
        config.pluginmanager.register(Recorder(config), RECORDER)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which kernels are used if nobody named a matrix."""
    if not state.asked_for_kernels(config):
        return None
    return project.find(config.option.matrix).note or None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Get the kernels before anything is collected, once for all workers."""
    config = session.config
    if not state.is_worker(config):
        # A baseline that is none is told before anything boots.
        _usage(lambda: state.criteria_of(config))
    if state.asked_for_kernels(config) and not state.is_worker(config):
        _run(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist which kernels are unavailable."""
    run = state.known_run(node.config)
    if run is not None:
        state.share(run, node.workerinput)
        steps.receive(node)


def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> pytest.Collector | None:
    """Collect suite.yaml files."""
    if file_path.name != SUITE_FILE:
        return None
    return SuiteFile.from_parent(
        parent, path=file_path, nodeid=_nodeid(file_path, parent.config)
    )


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Collect Python test files outside of pytest's root under names of their own."""
    config = parent.config
    inside = module_path.is_relative_to(config.rootpath)
    if inside or not state.asked_for_kernels(config):
        return None
    module: pytest.Module = pytest.Module.from_parent(
        parent, path=module_path, nodeid=_nodeid(module_path, config)
    )
    return module


def _nodeid(path: Path, config: pytest.Config) -> str:
    # pytest's own one of a file outside of its root is not unique.
    return os.path.relpath(path, config.rootpath)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a Python test that uses `kernel`, `guest` or `bpf` on every kernel."""
    if not _wants_kernels(metafunc):
        return
    run = _run(metafunc.config)
    try:
        run.check_test(metafunc.definition.path)
    except UsageError as error:
        raise pytest.Collector.CollectError(str(error)) from error
    kernels = [
        pytest.param(
            kernel,
            id=kernel.id,
            marks=[pytest.mark.xdist_group(kernel.id), pytest.mark.kernel(kernel.id)],
        )
        for kernel in run.kernels
    ]
    metafunc.parametrize("kernel", kernels, indirect=True)


def _wants_kernels(metafunc: pytest.Metafunc) -> bool:
    # A test's own parameter `kernel` is none of this plugin's.
    return "kernel" in metafunc.fixturenames and not any(
        "kernel" in _names(*mark.args, **mark.kwargs)
        for mark in metafunc.definition.iter_markers("parametrize")
    )


def _names(argnames: str | Sequence[str], *_: object, **__: object) -> list[str]:
    names = argnames.split(",") if isinstance(argnames, str) else argnames
    return [name.strip() for name in names]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Put all items of a kernel together, so that it is brought up once."""
    run = state.known_run(config)
    if run is None:
        return
    items.sort(key=_place(run.kernels))
    for number, item in enumerate(items):
        item.stash[ORDER] = number
    items.sort(key=_place(run.in_order()))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the items that one run of a program decides of each other."""
    for item in session.items:
        if isinstance(item, CaseItem) and item.group is not None:
            item.group.items.append(item)


def _place(kernels: Sequence[Kernel]) -> Callable[[pytest.Item], int]:
    order = {kernel.id: number for number, kernel in enumerate(kernels, 1)}

    def place(item: pytest.Item) -> int:
        id_ = kernel_of(item)
        return 0 if id_ is None else order[id_]

    return place


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run cases in several guests at once, where that was asked for."""
    run = state.known_run(session.config)
    if run is None:
        return None
    run.observe = steps.observer(session.config)
    if run.settings.streams:
        run.show_output = steps.printer(session.config)
    workers = loop.workers_of(session)
    if workers < 2:
        return None
    loop.run_items(session, run, workers)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Keep which guest comes next, so that it is started meanwhile."""
    if state.known_run(item.config) is not None:
        item.stash[FOLLOWING] = None if nextitem is None else need_of(nextitem)


@pytest.fixture
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """A kernel of the run; a test that uses it runs on each."""
    found: Kernel = request.param
    return found


@pytest.fixture
def guest(kernel: Kernel, request: pytest.FixtureRequest) -> Generator[Guest]:
    """A booted guest of the kernel; what commands print in it is kept."""
    run, test = _run(request.config), request.node
    name = f"{test.path.stem}.{test.name}"
    commands = Commands(Place.of(run.settings.reports, kernel.id, name))
    need = Need(kernel=kernel, tenant=str(test.path))
    with _own_faults(), run.guests().lease(need, test.stash[FOLLOWING]) as it:
        test.stash[COMMANDS] = it.commands = commands
        it.agent.watcher = commands.watch
        # What the test raises does not come here.
        yield it
        it.agent.watcher = None
        kernelreport.found(it, aftermath.of(it))
        test.stash[LOST_LOG] = it.lost_log
        it.before = f"{test.path.stem}::{name_of_test(test, kernel.id)}"
        # Also what was found meanwhile, in cases that the test ran.
        if it.unanswered:
            certain_first = sorted(it.unanswered, key=lambda report: report.again)
            raise kernelreport.KernelWarnedError(certain_first[0])


@pytest.fixture
def bpf(guest: Guest, request: pytest.FixtureRequest) -> Generator[Bpf]:
    """Load objects into the guest; they are closed after the test."""
    run = _run(request.config)
    made = Bpf(
        guest,
        folder=request.path.parent,
        cache=run.cache,
        compiled=run.compiled,
        loader_program=run.loader_program,
    )
    with _own_faults(), made as it:
        yield it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send what is known of a case and its kernel along with pytest's report."""
    report = yield
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, kernelreport.KernelWarnedError):
        # pytest takes it for the failure that a test marked as xfail expects.
        report.outcome = "failed"
        vars(report).pop("wasxfail", None)
    attach(report, item, call)
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the guests, whatever ended the session."""
    run = state.known_run(config)
    if run is not None:
        run.close()


@contextmanager
def _own_faults() -> Iterator[None]:
    """Tell faults of this program from those of a test's own fixtures."""
    try:
        yield
    except RunnerError:
        raise
    except Exception as error:
        raise InternalError(error) from error


def _run(config: pytest.Config) -> Run:
    return _usage(lambda: state.run_of(config))


def _usage(get: Callable[[], _Found]) -> _Found:
    """Turn the runner's usage errors into pytest's."""
    try:
        return get()
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
