"""Every class that a report can show has a row, and so is in docs/classes.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.bpf.insn import POISON_HELPER
from runner.case import verdict
from runner.errors import TIMED_OUT, UsageError
from runner.failures import classes, splats
from runner.failures.classes import CLASSES, FILE, FailureClass
from runner.files import modelfile
from runner.guest.agenterrors import AgentLost
from runner.run import retry

RUNNER = Path(__file__).parents[3] / "runner"
# Functions that take a class, by the number of that argument.
TAKE_A_CLASS = {"_of_other": 1, "ended": 2}


def calls() -> Iterator[ast.Call]:
    for path in RUNNER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield node


def name_of(call: ast.Call) -> str:
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
    )


def words(node: ast.expr) -> set[str]:
    """Return the texts that an expression is made of, those in f-strings left out."""
    parts = {
        part
        for it in ast.walk(node)
        if isinstance(it, ast.JoinedStr)
        for part in it.values
    }
    return {
        it.value
        for it in ast.walk(node)
        if isinstance(it, ast.Constant)
        and isinstance(it.value, str)
        and it not in parts
    }


def given() -> set[str]:
    """Return all classes that the code writes out."""
    found: set[str] = set()
    for call in calls():
        for keyword in call.keywords:
            if keyword.arg == "failure_class":
                found |= words(keyword.value)
            if keyword.arg == "cause" and name_of(call) != "lost":
                found |= words(keyword.value)
        place = TAKE_A_CLASS.get(name_of(call))
        if place is not None and len(call.args) > place:
            found |= words(call.args[place])
    return found - {""}


def operations() -> set[str]:
    """Return what the agent can be asked for."""
    return {
        call.args[1].value
        for call in calls()
        if name_of(call) == "_ask"
        and len(call.args) > 1
        and isinstance(call.args[1], ast.Constant)
        and isinstance(call.args[1].value, str)
    }


def test_the_search_finds_classes() -> None:
    assert {"suite_error", "internal", "no_answer"} <= given()
    assert {"test_run", "run", "load"} <= operations()


def test_every_class_that_is_given_has_a_row() -> None:
    assert given() <= CLASSES.keys()
    assert {name for _, name in retry._MISTAKES} <= CLASSES.keys()


def test_every_refused_operation_has_a_row() -> None:
    # Their classes are those of what they were refused for.
    own = {"open", "load", "attach", "register"}

    assert {f"{it}_failed" for it in operations() - own} <= CLASSES.keys()


def test_every_way_to_lose_a_guest_has_a_row() -> None:
    causes = {it.cause for it in splats._table().ends}

    assert causes <= CLASSES.keys()
    assert {f"kernel_{it}" for it in verdict.DEADLY} <= CLASSES.keys()
    assert {AgentLost("gone").cause, TIMED_OUT, "lost"} <= CLASSES.keys()


def imported() -> set[str]:
    """Return the names that code imports from the table's module."""
    return {
        it.name
        for path in RUNNER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == classes.__name__
        for it in node.names
    }


def constants() -> dict[str, str]:
    """Return the constants of classes with the names of these."""
    rows = {
        constant: it.name
        for constant, it in vars(classes).items()
        if isinstance(it, FailureClass)
    }
    return {**rows, "UNCLASSIFIED": classes.UNCLASSIFIED}


def test_every_constant_is_used() -> None:
    assert "POISON_REACHABLE" in constants()
    assert constants().keys() <= imported()


def test_every_row_is_found_or_given() -> None:
    found = {it.name for it in CLASSES.values() if has_patterns(it)}
    lost = {it.cause for it in splats._table().ends} | {"lost", "gone", TIMED_OUT}
    refused = {f"{it}_failed" for it in operations()}
    ends = {f"kernel_{it}" for it in verdict.DEADLY}
    mistakes = {name for _, name in retry._MISTAKES}

    given_by_code = given() | set(constants().values()) | lost | refused
    assert CLASSES.keys() - found - given_by_code - ends - mistakes == set()


def has_patterns(row: FailureClass) -> bool:
    return bool(row.verifier or row.libbpf or row.load or row.printed)


def test_the_slow_reader_finds_no_mistake_in_the_table() -> None:
    # The quick one does not see keys that are used twice.
    table, _ = modelfile.load(FILE, classes._Table)

    assert table.fragments["POISON_HELPER"] == str(POISON_HELPER)


TABLE = """\
fragments:
  EINVAL: (Invalid argument|-EINVAL)
classes:
  refused:
    meaning: it was refused
    cure: ask again
    libbpf:
      - 'failed{3}: {EINVAL}'
  ENDS:
    meaning:
      lost: it was lost
      gone: it is gone
    cure: look for it
    declarable: false
"""


def table(folder: Path, text: str) -> Path:
    path = folder / "classes.yaml"
    path.write_text(text)
    return path


def test_fragments_are_put_into_patterns(tmp_path: Path) -> None:
    (pattern,) = classes.read(table(tmp_path, TABLE))["refused"].libbpf

    assert pattern.pattern == "failed{3}: (Invalid argument|-EINVAL)"


def test_a_class_counts_as_the_one_that_it_refines() -> None:
    assert classes.is_one_of("pointer_may_be_null", {"verifier_rejected"})
    assert classes.is_one_of("pointer_may_be_null", {"pointer_may_be_null"})
    assert not classes.is_one_of("verifier_rejected", {"pointer_may_be_null"})
    assert not classes.is_one_of("wrong_value", {"verifier_rejected"})
    assert not classes.is_one_of("no_such_class", {""})


def test_several_meanings_are_several_classes(tmp_path: Path) -> None:
    found = classes.read(table(tmp_path, TABLE))

    assert list(found) == ["refused", "lost", "gone"]
    assert found["gone"] == FailureClass(
        name="gone", meaning="it is gone", cure="look for it", declarable=False
    )


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        (
            "libbpf:",
            "lipbpf:",
            "7: classes.refused.lipbpf: unknown key 'lipbpf'; did you mean 'libbpf'?",
        ),
        (
            "    cure: ask again\n",
            "",
            "4: classes.refused.cure: key 'cure' is missing",
        ),
        (
            "cure: ask again",
            "cure: 5.10",
            '6: classes.refused.cure: write it in quotes, "5.10"; YAML reads 5.10 as '
            "the number 5.1",
        ),
        (
            "declarable: false",
            "declarable: never",
            '14: classes.ENDS.declarable: "never": should be true or false',
        ),
        (
            "cure: ask again",
            "cure: ask: again",
            "6: not YAML: mapping values are not allowed here",
        ),
        (
            ": {EINVAL}",
            ": {EINVLA}",
            "8: classes.refused.libbpf[0]: no fragment 'EINVLA'; did you mean "
            "'EINVAL'?",
        ),
        (
            "failed{3}",
            "failed(",
            "8: classes.refused.libbpf[0]: not a regular expression: missing ), "
            "unterminated subpattern at position 6",
        ),
        (
            "      gone: it",
            "      refused: it",
            "9: classes.ENDS: refused is already a class",
        ),
    ],
)
def test_a_mistake_in_the_table_is_named_with_its_line(
    right: str, wrong: str, words: str, tmp_path: Path
) -> None:
    assert right in TABLE
    path = table(tmp_path, TABLE.replace(right, wrong))

    with pytest.raises(UsageError) as error:
        classes.read(path)

    assert str(error.value) == f"{path}:{words}"


def test_a_table_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        classes.read(tmp_path / "classes.yaml")
