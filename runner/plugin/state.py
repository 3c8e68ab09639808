"""What the plugin keeps in pytest's configuration: options and the run."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from runner import timeouts
from runner.files import checkout
from runner.kernels import rows
from runner.kernels.rows import KernelChoice
from runner.reports.criteria import Criteria
from runner.reports.place import require_writable
from runner.run.run import Run, Settings
from runner.run.sharding import Part
from runner.suites import project
from runner.text import progress

_RUN = pytest.StashKey[Run]()
_TERMS = pytest.StashKey[Criteria]()


class Known:
    """A plugin that brings a run which is known before pytest starts."""

    def __init__(self, run: Run, terms: Criteria) -> None:
        self._run = run
        self._terms = terms

    def pytest_configure(self, config: pytest.Config) -> None:
        """Let everybody find it."""
        config.stash[_RUN] = self._run
        config.stash[_TERMS] = self._terms


def add_options(parser: pytest.Parser) -> None:
    """Add the command line options."""
    group = parser.getgroup("kernel matrix")
    group.addoption(
        "--kernels",
        action="append",
        metavar="SELECTOR",
        help="kernels to run on: an id, a comma list, a range ('>=5.4,<6'), @tag or "
        "all (default: the rows with the tag `default`; all rows, if no row has that "
        "tag); a tag is written --kernels=@lts, because "
        "pytest takes a word that begins with @ for a file of arguments",
    )
    group.addoption(
        "--kernel",
        action="append",
        default=[],
        metavar="ID=PATH",
        help="take a row's kernel from a bzImage, a folder that holds one, or a .deb; "
        "may be given again",
    )
    group.addoption(
        "--locked",
        action="store_true",
        help="take exactly the kernels that matrix.lock pins, and refuse others",
    )
    group.addoption(
        "--matrix",
        type=Path,
        metavar="FILE",
        help=project.MATRIX_HELP,
    )
    group.addoption(
        "--accel",
        choices=("auto", "kvm", "tcg"),
        default="auto",
        help="auto takes KVM when a guest was seen to run under it (default: auto)",
    )
    group.addoption(
        "--reports",
        type=Path,
        default=Path("reports/latest"),
        metavar="DIR",
        help="where reports are written (default: reports/latest)",
    )
    group.addoption(
        "--boot-timeout",
        type=timeouts.seconds,
        default=timeouts.BOOT.seconds,
        metavar="SECONDS",
        help="how long a kernel may take to boot until it answers (default: "
        f"{timeouts.BOOT.seconds:g})",
    )
    group.addoption(
        timeouts.SCALE_OPTION,
        type=timeouts.scale,
        metavar="FACTOR",
        help="multiply all timeouts, also that of the boot (default: 1, and more while "
        "this machine is slow)",
    )
    group.addoption(
        "--libbpf",
        type=Path,
        metavar="DIR",
        help="load and predict with the libbpf of this folder: its source, a kernel's "
        "tree, or one that it is installed in (default: the machine's)",
    )
    # Set by the command line's --object, which writes a suite of them.
    group.addoption(
        "--named-object",
        action="append",
        default=[],
        type=Path,
        help=argparse.SUPPRESS,
    )
    group.addoption(
        "--lanes",
        type=int,
        default=1,
        metavar="N",
        help="cases of suites to run at a time in this process, each in a guest of its "
        "own (default: 1; with -n each process runs one)",
    )
    group.addoption(
        "--cold",
        action="store_true",
        help="boot every guest, without snapshots; one guest serves a whole kernel",
    )
    group.addoption(
        "--shard",
        metavar="K/N",
        help="run only part K of N of the kernels; every machine finds the same parts",
    )
    group.addoption(
        "--timings",
        type=Path,
        metavar="FILE",
        help="balance shards using durations from an earlier results.json",
    )

    group.addoption(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="an earlier results.json, which the run is compared with",
    )
    group.addoption(
        "--gate",
        choices=("all", "regressions"),
        help="which failures are held against the run (default: all)",
    )
    group.addoption(
        "--allow-vanished",
        action="store_true",
        help="accept that cases of the baseline did not run, though their kernel did: "
        "they were removed, or left out by -k or --lf",
    )
    group.addoption(
        "--allow-new-failures",
        action="store_true",
        help="with --gate regressions, accept failures of cases that the baseline does "
        "not have",
    )
    group.addoption(
        "--release",
        metavar="NAME",
        help="also write the compatibility report of this release",
    )


def asked_for_kernels(config: pytest.Config) -> bool:
    """Whether the command line names kernels, so that they are wanted at once."""
    return bool(config.getoption("kernels") or config.getoption("kernel"))


def run_of(config: pytest.Config) -> Run:
    """Return the run, made when it is first asked for.

    Raises UsageError for a wrong matrix or selection, and without a checkout.
    """
    run = config.stash.get(_RUN, None)
    if run is None:
        checkout.require()
        settings = _settings(config)
        # The process that starts the workers has looked already.
        if not is_worker(config):
            require_writable(settings.reports)
        run = Run(settings)
        run.give_up(_worker_input(config).get("kernel_failures", {}))
        # All workers must have the items in one order.
        run.durations = _worker_input(config).get("durations", run.durations)
        run.obtain(progress.progress())
        config.stash[_RUN] = run
    return run


def terms_of(config: pytest.Config) -> Criteria:
    """Return what the run is held against, read when it is first asked for.

    Raises UsageError for a baseline that holds no run.
    """
    terms = config.stash.get(_TERMS, None)
    if terms is None:
        terms = Criteria.read(
            baseline=config.getoption("baseline"),
            gate=config.getoption("gate"),
            release=config.getoption("release"),
            allow_vanished=config.getoption("allow_vanished"),
            allow_new_failures=config.getoption("allow_new_failures"),
        )
        config.stash[_TERMS] = terms
    return terms


def takes_part(config: pytest.Config) -> bool:
    """Whether this process runs items itself."""
    if config.option.collectonly:
        return False
    return is_worker(config) or not config.getoption("numprocesses", None)


def known_run(config: pytest.Config) -> Run | None:
    """Return the run if there is one."""
    return config.stash.get(_RUN, None)


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is one of pytest-xdist's workers."""
    return hasattr(config, "workerinput")


def _worker_input(config: pytest.Config) -> dict[str, Any]:
    found: dict[str, Any] = getattr(config, "workerinput", {})
    return found


def _settings(config: pytest.Config) -> Settings:
    shard = config.getoption("shard")
    found = project.find(config.getoption("matrix"))
    return Settings(
        kernels=KernelChoice(
            matrix=found.matrix,
            selectors=rows.selectors_of(
                config.getoption("kernels"),
                config.getoption("kernel"),
                found.kernels,
            ),
            overrides=tuple(config.getoption("kernel")),
            locked=config.getoption("locked"),
        ),
        reports=config.getoption("reports").absolute(),
        accelerator=config.getoption("accel"),
        boot_timeout=config.getoption("boot_timeout"),
        timeout_scale=config.getoption("timeout_scale"),
        cold=config.getoption("cold"),
        part=Part.parse(shard) if shard else None,
        timings=config.getoption("timings"),
        libbpf=config.getoption("libbpf"),
        objects=tuple(config.getoption("named_object")),
    )
