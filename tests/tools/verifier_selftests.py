"""The kernel's own BPF selftests as cases: python -m tests.tools.verifier_selftests.

`write OBJECT… --suite FOLDER [--part K/N]` writes a suite with a case for each program
of compiled selftests (tools/testing/selftests/bpf/progs of a kernel's source, with the
flags of its Makefile), or for every Nth of them, chosen by a hash of its name. Run it
on that kernel with the libbpf of that source (`--libbpf`), and then
`compare RESULTS.json… --suite FOLDER…`: it compares with what the tests declare of
themselves (__success, __failure, __msg), and counts classes and predictions.

Set aside are tests that want what a plain load has not: flags of BPF_PROG_LOAD, BTF of
their own, another architecture, and what is refused before it is verified because the
kernel lacks a function, type or hook, as those of test modules.
"""

import argparse
import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from runner.bpf.kinds import Kind
from runner.bpf.object import BpfObject, read
from runner.failures.classes import UNCLASSIFIED, VERIFIER_REJECTED
from runner.results import CaseResult, Outcome, RunResults
from runner.suites.search import SUITE_FILE

_TAG = "comment:test_"
_MESSAGE = re.compile(r"expect_(?:msg|regex)=(?:\d+=)?(.*)", re.DOTALL)
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}")
_WANTS_MORE = ("prog_flags=", "btf_path=")
_ARCHITECTURE = "arch=X86_64"
# What the kernel lacks: the verifier has not looked at such a program.
_LACKING = {
    "attach_not_allowed",
    "attach_target_missing",
    "extern_missing",
    "helper_missing",
    "kfunc_missing",
    "map_type_missing",
    "poison_reachable",
    "program_type_missing",
    "struct_ops_missing",
    "target_argument_missing",
}
# Of those, what BTF, prototypes and versions show.
_FORESEEABLE = _LACKING - {"attach_not_allowed"}


@dataclass(frozen=True, kw_only=True)
class Test:
    """A program, and what it declares of itself."""

    object: str
    program: str
    tags: tuple[str, ...]

    @property
    def case(self) -> str:
        """Return its name in the suite."""
        return f"{self.object.removesuffix('.bpf.o')}--{self.program}"

    @property
    def loads(self) -> bool | None:
        """Whether it must load; None where it does not say."""
        if "expect_success" in self.tags:
            return True
        return False if "expect_failure" in self.tags else None

    @property
    def messages(self) -> Iterator[re.Pattern[str]]:
        """Yield what the verifier must say."""
        for tag in self.tags:
            found = _MESSAGE.fullmatch(tag)
            if found:
                parts = _EXPRESSION.split(found[1])
                yield re.compile(
                    "".join(
                        part if number % 2 else re.escape(part)
                        for number, part in enumerate(parts)
                    )
                )

    @property
    def wants_more(self) -> bool:
        """Whether it wants more than a plain load on this architecture."""
        own = [it for it in self.tags if it.startswith("arch=")]
        return any(it.startswith(_WANTS_MORE) for it in self.tags) or (
            bool(own) and _ARCHITECTURE not in own
        )


def tests_of(path: Path) -> list[Test]:
    """Return the programs of an object."""
    item = read(path.read_bytes(), path)
    tags = _tags(item)
    return [
        Test(object=path.name, program=it.name, tags=tuple(tags.get(it.name, ())))
        for it in item.programs
        if it.is_program
    ]


def _tags(item: BpfObject) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for it in item.btf.types():
        if it.kind is Kind.DECL_TAG and it.name.startswith(_TAG):
            function = item.btf.type(it.refers_to)
            found.setdefault(function.name, []).append(it.name.removeprefix(_TAG))
    return found


def write(objects: Sequence[Path], folder: Path, part: int, parts: int) -> int:
    """Write a suite with a case for each program; return how many."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for path in objects:
        tests = tests_of(path)
        # Programs that maps of the others name are loaded with them.
        helping = [it.program for it in tests if "auxiliary" in it.tags]
        for it in tests:
            digest = hashlib.sha256(it.case.encode()).hexdigest()
            if int(digest[:8], 16) % parts != part - 1:
                continue
            # A link would lead out of the suite's folder, which no suite may.
            shutil.copyfile(path, folder / path.name)
            cases.append(
                {
                    "name": it.case,
                    "object": path.name,
                    "only": list(dict.fromkeys([it.program, *helping])),
                    "attach": False,
                    "must_run": False,
                    "expect": [{"value": "${kernel.release}", "matches": ".+"}],
                }
            )
    suite = {
        "name": f"selftests{part}of{parts}",
        "description": "The verdicts that the kernel's own tests declare.",
        "reuse": "suite",
        "cases": cases,
    }
    (folder / SUITE_FILE).write_text(yaml.safe_dump(suite, sort_keys=False))
    return len(cases)


def compare(results: Sequence[Path], folders: Sequence[Path]) -> Iterator[str]:
    """Yield what the results say next to what the tests declare."""
    objects = {it.name: it for folder in folders for it in folder.glob("*.bpf.o")}
    tests = {it.case: it for path in objects.values() for it in tests_of(path)}
    cases = {
        it.case: it
        for path in results
        for it in RunResults.model_validate_json(path.read_bytes()).cases
        if it.case in tests and it.outcome is not Outcome.ERROR
    }
    yield from _agreement(cases, tests)
    refused = [it for it in cases.values() if it.failure_class]
    yield f"{len(cases)} programs, {len(refused)} refused"
    yield from _classes(refused)
    yield from _predictions(list(cases.values()))


def _agreement(
    cases: Mapping[str, CaseResult], tests: Mapping[str, Test]
) -> Iterator[str]:
    same, differ, aside, said, silent = 0, [], Counter[str](), 0, []
    for name, case in cases.items():
        test = tests[name]
        if test.loads is None:
            continue
        loaded = case.outcome is Outcome.PASSED
        if test.wants_more:
            aside["flags, BTF or architecture"] += 1
            continue
        if case.failure_class in _LACKING:
            aside[case.failure_class] += 1
            continue
        if loaded is not test.loads:
            differ.append(f"{name}: loaded {loaded}, declared {test.loads}")
            continue
        same += 1
        if not loaded and not any(it.startswith("log_level") for it in test.tags):
            missing = [it for it in test.messages if not it.search(case.log)]
            said += not missing
            silent += [f"{name}: not said: {it.pattern}" for it in missing]
    yield f"verdict and declaration agree: {same} of {same + len(differ)}"
    yield from (f"  {it}" for it in differ)
    yield f"refusals that say what they should: {said} of {said + len(silent)}"
    yield from (f"  {it}" for it in silent)
    yield f"set aside: {json.dumps(aside)}"


def _classes(refused: Sequence[CaseResult]) -> Iterator[str]:
    counts = Counter(it.failure_class for it in refused)
    for name in (UNCLASSIFIED, VERIFIER_REJECTED.name):
        share = counts[name] / max(len(refused), 1)
        yield f"{name}: {counts[name]} ({share:.1%})"
    yield from (f"  {count:4} {name}" for name, count in counts.most_common())


def _predictions(found: Sequence[CaseResult]) -> Iterator[str]:
    wrong = [
        it
        for it in found
        if it.outcome is Outcome.PASSED and it.predicted not in ("", "loads")
    ]
    yield f"predicted to be refused, and loads: {len(wrong)}"
    yield from (f"  {it.case}" for it in wrong)
    shown = [it for it in found if it.failure_class in _FORESEEABLE]
    missed = [it for it in shown if it.predicted == "loads"]
    yield (
        f"refused for what BTF, prototypes or versions show: {len(shown)}, "
        f"predicted to load: {len(missed)}"
    )
    yield from (f"  {it.case}: {it.failure_class}" for it in missed)


def main() -> None:
    """Write a suite, or compare what its run found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("write", "compare"))
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--suite", nargs="+", type=Path, required=True)
    parser.add_argument("--part", default="1/1", help="K/N (1/1)")
    arguments = parser.parse_args()
    if arguments.verb == "write":
        part, _, parts = arguments.part.partition("/")
        count = write(arguments.files, arguments.suite[0], int(part), int(parts))
        print(f"{count} cases in {arguments.suite[0]}")
        return
    for line in compare(arguments.files, arguments.suite):
        print(line)


if __name__ == "__main__":
    main()
