"""The classes of failures, which runner/failures/classes.yaml lists.

runner.failures.classify looks for the patterns; docs/classes.md is made from the list,
and suites may name no class that is not in it.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from runner.errors import UsageError
from runner.files import modelfile, yamlfile
from runner.files.modelfile import FileEntry
from runner.text.nearest import near

FILE = Path(__file__).with_name("classes.yaml")

# Where the words of a class stand: keys of the file, in words.
PLACES = (
    ("verifier", "in the verifier's log"),
    ("libbpf", "in libbpf's log"),
    ("load", "in the log of a load"),
    ("printed", "in what a loader prints"),
)

# libyaml's reader, if PyYAML has it, takes a tenth of the time.
_Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
# "{EINVAL}" in a pattern; "{3}" and "{3,}" are the pattern's own.
_FRAGMENT = re.compile(r"\{([A-Z]\w*)\}")


@dataclass(frozen=True, kw_only=True)
class FailureClass:
    """A reason for which kernels refuse objects, or for which cases fail."""

    name: str
    meaning: str
    cure: str
    # Names of classes that one may take for it; `related_to` has both directions.
    related: tuple[str, ...] = ()
    # What shows it, by where it stands; the file's head says more.
    verifier: tuple[re.Pattern[str], ...] = ()
    libbpf: tuple[re.Pattern[str], ...] = ()
    load: tuple[re.Pattern[str], ...] = ()
    printed: tuple[re.Pattern[str], ...] = ()
    # Why the words may mean something else too; empty for those that can't.
    doubt: str = ""
    # The class that it is a kind of; empty for most.
    refines: str = ""
    # Whether an object can have earned it, so that a suite may expect it.
    declarable: bool = True

    @property
    def explanation(self) -> str:
        """What reports say one should do."""
        return f"{self.meaning}: {self.cure}"


class _Entry(FileEntry):
    # Of one class, or of several by their names.
    meaning: str | dict[str, str]
    cure: str
    related: tuple[str, ...] = ()
    verifier: tuple[str, ...] = ()
    libbpf: tuple[str, ...] = ()
    load: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    doubt: str = ""
    refines: str = ""
    declarable: bool = True

    def meanings(self, heading: str) -> dict[str, str]:
        """Return the names and meanings of its classes."""
        if isinstance(self.meaning, str):
            return {heading: self.meaning}
        return self.meaning


class _Table(FileEntry):
    fragments: dict[str, str]
    classes: dict[str, _Entry]


def read(path: Path) -> dict[str, FailureClass]:
    """Return the classes of a file by their names, in the file's order.

    Raises UsageError that says what is wrong, and in which line.
    """
    table = _table(path)
    found: dict[str, FailureClass] = {}
    for name, entry in table.classes.items():
        for it in _classes(path, table, name, entry):
            if it.name in found:
                raise _mistake(path, f"{it.name} is already a class", "classes", name)
            found[it.name] = it
    for name, entry in table.classes.items():
        for word in (*entry.related, *filter(None, [entry.refines])):
            if word not in found:
                meant = near(word, found, "")
                raise _mistake(path, f"no class {word!r}{meant}", "classes", name)
    return found


def related_to(failure: FailureClass) -> list[FailureClass]:
    """Return the classes that one may take for a class, each once."""
    back = (it.name for it in CLASSES.values() if failure.name in it.related)
    return [CLASSES[it] for it in dict.fromkeys((*failure.related, *back))]


def is_one_of(name: str, wanted: Collection[str]) -> bool:
    """Whether a class is one of these, or a kind of one of them."""
    known = CLASSES.get(name)
    return name in wanted or bool(known and known.refines and known.refines in wanted)


def _table(path: Path) -> _Table:
    try:
        with path.open("rb") as stream:
            data = yaml.load(stream, _Loader)
        return _Table.model_validate_json(json.dumps(data))
    except (OSError, yaml.YAMLError, TypeError, ValueError):
        # Slower, but names the line of each mistake.
        return modelfile.load(path, _Table)[0]


def _classes(
    path: Path, table: _Table, heading: str, entry: _Entry
) -> Iterator[FailureClass]:
    def compiled(place: str) -> tuple[re.Pattern[str], ...]:
        return tuple(
            _pattern(path, table, text, "classes", heading, place, number)
            for number, text in enumerate(getattr(entry, place))
        )

    for name, meaning in entry.meanings(heading).items():
        yield FailureClass(
            name=name,
            meaning=meaning,
            cure=entry.cure,
            related=entry.related,
            verifier=compiled("verifier"),
            libbpf=compiled("libbpf"),
            load=compiled("load"),
            printed=compiled("printed"),
            doubt=entry.doubt,
            refines=entry.refines,
            declarable=entry.declarable,
        )


def _pattern(
    path: Path, table: _Table, text: str, *where: int | str
) -> re.Pattern[str]:
    try:
        return re.compile(_FRAGMENT.sub(lambda it: table.fragments[it[1]], text))
    except KeyError as error:
        word = error.args[0]
        meant = near(word, table.fragments)
        raise _mistake(path, f"no fragment {word!r}{meant}", *where) from error
    except re.error as error:
        raise _mistake(path, f"not a regular expression: {error}", *where) from error


def _mistake(path: Path, what: str, *where: int | str) -> UsageError:
    _, source = yamlfile.read(path)
    return UsageError(source.mistake(where, what))


# Every class by name, in the order of the documentation.
CLASSES = read(FILE)

# Those that code decides on.
ATTACH_KIND_MISSING = CLASSES["attach_kind_missing"]
ATTACH_MODULE_MISSING = CLASSES["attach_module_missing"]
ATTACH_PLACE_TAKEN = CLASSES["attach_place_taken"]
ATTACH_PLACE_UNFIT = CLASSES["attach_place_unfit"]
ATTACH_TARGET_MISSING = CLASSES["attach_target_missing"]
INTERFACE_MISSING = CLASSES["interface_missing"]
USER_TARGET_MISSING = CLASSES["user_target_missing"]
XDP_MODE_UNSUPPORTED = CLASSES["xdp_mode_unsupported"]
LEFT_RUNNING = CLASSES["left_running"]
LIBRARY_MISSING = CLASSES["library_missing"]
LOADED_OTHERWISE = CLASSES["loaded_otherwise"]
PROGRAM_BAD = CLASSES["program_bad"]
PROGRAM_KILLED = CLASSES["program_killed"]
RESULTS_BAD = CLASSES["results_bad"]
TEST_DIED = CLASSES["test_died"]
TEST_FAILED = CLASSES["test_failed"]
TEST_MISSING = CLASSES["test_missing"]
TEST_SKIPPED = CLASSES["test_skipped"]
CAPABILITY_MISSING = CLASSES["capability_missing"]
COMMAND_FAILED = CLASSES["command_failed"]
COST_GROWN = CLASSES["cost_grown"]
COST_NEAR_LIMIT = CLASSES["cost_near_limit"]
DECLARED_GAP = CLASSES["declared_gap"]
CGROUP_VERSION = CLASSES["cgroup_version"]
DYNPTR_MISUSED = CLASSES["dynptr_misused"]
ENVIRONMENT_UNAVAILABLE = CLASSES["environment_unavailable"]
GUARD_UNDECIDED = CLASSES["guard_undecided"]
RECORD_DIFFERS = CLASSES["record_differs"]
RECORD_MISSING = CLASSES["record_missing"]
RELOCATED_OTHERWISE = CLASSES["relocated_otherwise"]
LOADER_CRASHED = CLASSES["loader_crashed"]
LOADER_FAILED = CLASSES["loader_failed"]
LOCKDOWN = CLASSES["lockdown"]
LSM_NOT_CALLED = CLASSES["lsm_not_called"]
MODULE_BTF_INVALID = CLASSES["module_btf_invalid"]
MODULE_MISSING = CLASSES["module_missing"]
NEVER_RAN = CLASSES["never_ran"]
NOTHING_ATTACHED = CLASSES["nothing_attached"]
NOTHING_CHECKED = CLASSES["nothing_checked"]
NOTHING_TO_AGREE_WITH = CLASSES["nothing_to_agree_with"]
NOTHING_LOADED = CLASSES["nothing_loaded"]
KERNELS_DISAGREE = CLASSES["kernels_disagree"]
KERNEL_WARNED = CLASSES["kernel_warned"]
OUT_OF_MEMORY = CLASSES["kernel_out_of_memory"]
POINTER_LOST = CLASSES["pointer_lost"]
POINTER_VOID = CLASSES["pointer_void"]
POISON_REACHABLE = CLASSES["poison_reachable"]
PREDICTION_WRONG = CLASSES["prediction_wrong"]
PROGRAM_TOO_LARGE = CLASSES["program_too_large"]
PROGRAM_TYPE_MISSING = CLASSES["program_type_missing"]
SIGNED_FIELD_RESIZED = CLASSES["signed_field_resized"]
STACK_UNINITIALISED = CLASSES["stack_uninitialised"]
SYSCTL = CLASSES["sysctl"]
UNCLASSIFIED = CLASSES["unclassified"].name
UNEXPECTED_PASS = CLASSES["unexpected_pass"]
UNPRIVILEGED_DISABLED = CLASSES["unprivileged_disabled"]
UNREACHED_CALL = CLASSES["unreached_call_oops"]
VERIFIER_REJECTED = CLASSES["verifier_rejected"]
VERIFIER_TOO_SLOW = CLASSES["verifier_too_slow"]
WRONG_BYTE_ORDER = CLASSES["wrong_byte_order"]
WRONG_VALUE = CLASSES["wrong_value"]
