"""The options of a run: one table for `python -m runner`, its verbs and pytest."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from runner import timeouts
from runner.errors import UsageError
from runner.kernels import rows
from runner.kernels.rows import KernelChoice
from runner.loaders import LIBRARIES
from runner.matrix.selectors import DEFAULT
from runner.reports.costs import CostLimits
from runner.reports.criteria import Criteria
from runner.reports.folder import USUAL
from runner.suites import project
from runner.suites.model import Loader

if TYPE_CHECKING:
    import pytest

# Who reads options: `python -m runner`, and pytest with this project's plugin.
FrontEnd = Literal["cli", "pytest"]


LOADERS = get_args(Loader)


def dest_of(flag: str) -> str:
    """Return an option's name in what a parser returns."""
    return flag.lstrip("-").replace("-", "_")


@dataclass(frozen=True, kw_only=True)
class RunOption:
    """An option, the same for each front end that has it."""

    flag: str
    help: str
    # argparse's. `extend` takes several words; with pytest one, since paths follow it.
    action: Literal["store", "store_true", "append", "extend"] = "store"
    type: Callable[[str], object] | None = None
    choices: tuple[str, ...] | None = None
    metavar: str | None = None
    default: object = None
    # What you get without the option, in words.
    otherwise: str = ""
    front_ends: tuple[FrontEnd, ...] = ("cli", "pytest")
    # What only users of pytest need to know.
    pytest: str = ""

    @property
    def dest(self) -> str:
        """Its name in what a parser returns."""
        return dest_of(self.flag)

    def declaration(self, front_end: FrontEnd, otherwise: str = "") -> dict[str, Any]:
        """Return the keywords of argparse's add_argument and of pytest's addoption."""
        text, default = self.help, otherwise or self.otherwise
        text += f" (default: {default})" if default else ""
        if front_end == "pytest" and self.pytest:
            text += f"; {self.pytest}"
        if self.action == "store_true":
            return {"action": self.action, "help": text}
        is_list = self.action in ("append", "extend")
        found = {
            "action": self.action,
            "help": text,
            "type": self.type,
            "choices": self.choices,
            "metavar": self.metavar,
            "default": [] if is_list else self.default,
        }
        if self.action != "extend":
            return found
        return found | ({"nargs": "+"} if front_end == "cli" else {"action": "append"})


# In the order of `--help`.
OPTIONS = (
    RunOption(
        flag="--kernels",
        action="extend",
        metavar="SELECTOR",
        help="which kernels",
        otherwise="the rows with the tag `default`, or all rows if no row has that tag",
        pytest="an id, a comma list, a range ('>=5.4,<6'), @tag or all. Write "
        "--kernels=@lts for a tag: pytest reads a word that begins with @ as a file of "
        "arguments",
    ),
    RunOption(
        flag="--kernel",
        action="append",
        metavar="ID=PATH",
        help="use your own kernel for a row: a bzImage, a folder that contains one, "
        "a .deb or an .rpm; may be given several times. Without --kernels, only these "
        "kernels run",
    ),
    RunOption(
        flag="--locked",
        action="store_true",
        help="use exactly the kernels that matrix.lock pins, and refuse all others",
    ),
    RunOption(
        flag="--guest",
        action="append",
        metavar="KEY=VALUE",
        help="what guests are like, as `guest` of each row in the matrix says: cpus=2, "
        "lockdown=integrity; may be given several times; see docs/environment.md",
    ),
    RunOption(
        flag="--matrix",
        type=Path,
        metavar="FILE",
        help="the file that lists the kernels, or `builtin` or `vendors` for those of "
        "bpf-kernel-matrix",
        otherwise="the file in pyproject.toml, or matrix.yaml, or `builtin`",
    ),
    RunOption(
        flag="--suite",
        front_ends=("cli",),
        action="extend",
        type=Path,
        metavar="PATH",
        help="folders of suites, folders that contain suites, Python test files, or "
        "`builtin` for the suites of bpf-kernel-matrix, `builtin/task` for one of them",
        otherwise="`suites` in matrix.yaml or pyproject.toml, or else all suites below "
        "the matrix's folder",
    ),
    RunOption(
        flag="--object",
        front_ends=("cli",),
        action="extend",
        type=Path,
        metavar="FILE",
        help="objects that must load and attach, without a suite: compiled ones, or "
        "sources NAME.bpf.c, which are compiled first",
    ),
    RunOption(
        flag="--loader",
        front_ends=("cli",),
        action="extend",
        choices=LOADERS,
        help="what loads the objects of --object; with several, each object is loaded "
        "once with each; see docs/other-loaders.md",
        otherwise="libbpf",
    ),
    RunOption(
        flag="--variants",
        front_ends=("cli",),
        action="extend",
        metavar="AXIS=VALUES",
        help="builds of the sources of --object, each of them a case: every "
        "combination of clang=14,19 mcpu=v1,v3 define:DEBUG=0,1; and, of compiled "
        "objects too, of variable:max_len=64,4096",
    ),
    RunOption(
        flag="--load-only",
        front_ends=("cli",),
        action="store_true",
        help="the objects of --object must load; nothing is attached (without it, an "
        "object that has nothing to attach fails). An object without programs "
        "must create its maps; one without maps either fails",
    ),
    RunOption(
        flag="-k",
        front_ends=("cli",),
        metavar="EXPR",
        help="only cases that match: a part of SUITE::CASE as reports print it, or a "
        "kernel's id; with and, or, not and parentheses",
    ),
    RunOption(
        flag="-x",
        front_ends=("cli",),
        action="store_true",
        help="stop at the first failure",
    ),
    RunOption(
        flag="--lf",
        front_ends=("cli",),
        action="store_true",
        help="only cases that failed last time",
    ),
    RunOption(
        flag="-n",
        front_ends=("cli",),
        metavar="N|auto",
        default="auto",
        help="number of guests to run in parallel",
        otherwise="auto, limited by CPUs and memory",
    ),
    RunOption(
        flag="--lanes",
        front_ends=("pytest",),
        type=int,
        default=1,
        metavar="N",
        help="number of suite cases to run concurrently in this process, each in its "
        "own guest",
        otherwise="1; with -n each process runs one",
    ),
    RunOption(
        flag="--accel",
        choices=("auto", "kvm", "tcg"),
        default="auto",
        help="auto uses KVM if a test guest runs under it",
        otherwise="auto",
    ),
    RunOption(
        flag="--reports",
        type=Path,
        default=USUAL,
        metavar="DIR",
        help="folder for the reports",
        otherwise=str(USUAL),
    ),
    RunOption(
        flag="--reports-unique",
        front_ends=("cli",),
        action="store_true",
        help="write into a new folder below DIR, named after the time and this "
        "process, so that several runs can work concurrently",
    ),
    RunOption(
        flag=timeouts.BOOT.option,
        type=timeouts.seconds,
        default=timeouts.BOOT.seconds,
        metavar="SECONDS",
        help="how long a kernel may take to boot until it answers",
        otherwise=f"{timeouts.BOOT.seconds:g}",
    ),
    RunOption(
        flag=timeouts.SCALE_OPTION,
        type=timeouts.scale,
        metavar="FACTOR",
        help="multiply all timeouts, including the boot's; see docs/timeouts.md",
        otherwise="1, and more if this machine is slow",
    ),
    RunOption(
        flag="--cold",
        action="store_true",
        help="boot every guest, without snapshots; one guest serves a whole kernel",
    ),
    RunOption(
        flag="--fresh",
        action="store_true",
        help="give each object a guest that nobody has used; see docs/snapshots.md",
        otherwise="suites with `reuse:` may take a used one",
    ),
    RunOption(
        flag="--shard",
        metavar="K/N",
        help="run only part K of N of the kernels, for N machines; `merge` merges "
        "the parts",
    ),
    RunOption(
        flag="--libbpf",
        type=Path,
        metavar="DIR",
        help="load and predict with the libbpf in this folder: its source, a kernel "
        "tree, or an installed libbpf; see docs/libbpf.md",
        otherwise="the system's",
    ),
    *(
        RunOption(
            flag=library.option,
            metavar="VERSION|DIR",
            help=f"build the loader {library.name} with this version of "
            f"{library.title}, or with the source in this folder; see "
            "docs/other-loaders.md",
            otherwise="the version that this project pins",
        )
        for library in LIBRARIES.values()
    ),
    RunOption(
        flag="--timings",
        type=Path,
        metavar="FILE",
        help="balance shards using durations from an earlier results.json, the same "
        "on all machines",
        otherwise="all kernels count the same",
    ),
    RunOption(
        flag="--update",
        action="store_true",
        help="write what cases record (`record:`) and show what changed, for you to "
        "review; refuses where kernels do not agree, and in CI; see docs/agree.md",
    ),
    RunOption(
        flag="--baseline",
        type=Path,
        metavar="FILE",
        help="an earlier results.json: reports then show regressions, fixes, new and "
        "vanished cases and slower kernels",
    ),
    RunOption(
        flag="--gate",
        metavar="all|regressions|cost",
        help="which failures fail the run: all, or only those that are not in the "
        "baseline (regressions). cost adds programs that are close to the verifier's "
        "limit, or cost more than in the baseline: regressions,cost; cost alone means "
        "all,cost",
        otherwise="all",
    ),
    RunOption(
        flag="--cost-limit",
        type=float,
        metavar="PERCENT",
        help="with --gate cost: how much of the verifier's limit on processed "
        "instructions (1,000,000 from 5.2 on) a program must stay below",
        otherwise=f"{CostLimits().share:g}",
    ),
    RunOption(
        flag="--cost-growth",
        type=float,
        metavar="PERCENT",
        help="with --gate cost: how many more instructions than in the baseline the "
        "verifier may process; growth by fewer than 1,000 is fine",
        otherwise=f"{CostLimits().growth:g}",
    ),
    RunOption(
        flag="--flaky",
        type=Path,
        metavar="FILE",
        help="a list of known flaky cases, each with an owner and an end date, until "
        "which its failures do not count; see docs/flaky.md",
    ),
    RunOption(
        flag="--allow-vanished",
        action="store_true",
        help="accept that cases of the baseline did not run, although their kernel "
        "did: they were removed, or left out with -k, --lf or --suite",
    ),
    RunOption(
        flag="--allow-new-failures",
        action="store_true",
        help="with --gate regressions, accept failures of cases that the baseline does "
        "not have",
    ),
    RunOption(
        flag="--release",
        metavar="NAME",
        help="also write the compatibility report of this release, such as v1.2",
    ),
    RunOption(
        flag="--quiet",
        front_ends=("cli",),
        action="store_true",
        help="print only failures and the verdict",
    ),
    RunOption(
        flag="--json",
        front_ends=("cli",),
        action="store_true",
        help="print results.json to standard output",
    ),
)

_BY_FLAG = {option.flag: option for option in OPTIONS}

# What several verbs take together.
KERNEL_FILES = ("--kernel", "--locked", "--matrix")
TIMEOUTS = (timeouts.BOOT.option, timeouts.SCALE_OPTION)
ALLOWANCES = ("--allow-vanished", "--allow-new-failures")
COSTS = ("--cost-limit", "--cost-growth")
CRITERIA = ("--baseline", "--gate", *COSTS, "--flaky", *ALLOWANCES, "--release")


def of(front_end: FrontEnd) -> list[RunOption]:
    """Return the options that a front end has."""
    return [option for option in OPTIONS if front_end in option.front_ends]


def add(parser: argparse.ArgumentParser, *flags: str, **otherwise: str) -> None:
    """Add some of a run's options to a verb of the command line.

    `otherwise` has by `dest` what the verb does without an option, where that is not
    what a run does.
    """
    for option in map(_BY_FLAG.__getitem__, flags):
        words = otherwise.get(option.dest, "")
        parser.add_argument(option.flag, **option.declaration("cli", words))


def add_before_words(parser: argparse.ArgumentParser, *flags: str) -> None:
    """Add options to a verb that takes words: each takes one, and may come again."""
    for option in map(_BY_FLAG.__getitem__, flags):
        declaration = option.declaration("cli")
        if option.action == "extend":
            declaration["nargs"] = 1
            declaration["help"] += "; may be given several times"
        parser.add_argument(option.flag, **declaration)


def set_defaults(parser: argparse.ArgumentParser, *flags: str) -> None:
    """Give a verb what a run has without some options, which it does not take."""
    for option in map(_BY_FLAG.__getitem__, flags):
        declaration = option.declaration("cli")
        parser.set_defaults(**{option.dest: declaration.get("default", False)})


def add_as(parser: argparse.ArgumentParser, flag: str, text: str) -> None:
    """Add an option to a verb in which it has another text of help."""
    declaration = _BY_FLAG[flag].declaration("cli")
    parser.add_argument(flag, **{**declaration, "help": text})


def add_to_pytest(group: "pytest.OptionGroup") -> None:
    """Add what pytest has of the options."""
    for option in of("pytest"):
        group.addoption(option.flag, **option.declaration("pytest"))


def as_words(arguments: argparse.Namespace, *flags: str) -> tuple[str, ...]:
    """Return the words that give another run some of these arguments, without those
    that are as by default."""
    found: list[str] = []
    for option in map(_BY_FLAG.__getitem__, flags):
        value = getattr(arguments, option.dest)
        if option.action == "store_true":
            found += [option.flag] if value else []
        elif option.action in ("append", "extend"):
            found += [word for it in value for word in (option.flag, str(it))]
        elif value is not None and value != option.default:
            found += [option.flag, str(value)]
    return tuple(found)


def number_of(text: str, automatic: Callable[[], int]) -> int:
    """Return what -n means; `automatic` gives the number of "auto".

    Raises UsageError for what is neither a number from 1 on nor "auto".
    """
    if text == "auto":
        return automatic()
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f'-n {text}: must be a positive number or "auto"')
    return int(text)


def choice_of(arguments: argparse.Namespace, default: str = DEFAULT) -> KernelChoice:
    """Return which kernels these arguments mean; `default` are those without words."""
    found = project.find(arguments.matrix)
    if default == DEFAULT:
        default = found.kernels
    return KernelChoice(
        matrix=found.matrix,
        selectors=rows.selectors_of(arguments.kernels, arguments.kernel, default),
        overrides=tuple(arguments.kernel),
        locked=arguments.locked,
        guest=tuple(getattr(arguments, "guest", ())),
    )


def criteria_of(arguments: argparse.Namespace) -> Criteria:
    """Return what these arguments compare a run with. Raises as Criteria.read does."""
    return Criteria.read(
        baseline=arguments.baseline,
        gate=arguments.gate,
        limits=limits_of(arguments),
        release=getattr(arguments, "release", None),
        flaky=arguments.flaky,
        allow_vanished=arguments.allow_vanished,
        allow_new_failures=arguments.allow_new_failures,
    )


def limits_of(arguments: argparse.Namespace) -> CostLimits | None:
    """Return what these arguments let programs cost; None if they do not say.

    Raises UsageError for numbers that are no such percentages.
    """
    given = {
        "share": getattr(arguments, "cost_limit", None),
        "growth": getattr(arguments, "cost_growth", None),
    }
    known = {name: value for name, value in given.items() if value is not None}
    if "growth" in known and arguments.baseline is None:
        raise UsageError(
            "--cost-growth requires --baseline FILE",
            hint="use --baseline with the results.json of an earlier run",
        )
    return CostLimits(**known) if known else None
