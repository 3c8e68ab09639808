"""Every class that a report can show has a row, and so is in docs/classes.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

from runner.case import verdict
from runner.failures import splats
from runner.failures.classes import CLASSES
from runner.guest import agent
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
    own = {"open", "load", "attach"}

    assert {f"{it}_failed" for it in operations() - own} <= CLASSES.keys()


def test_every_way_to_lose_a_guest_has_a_row() -> None:
    causes = {it.cause for it in splats._MARKERS}

    assert causes <= CLASSES.keys()
    assert {f"kernel_{it}" for it in verdict.DEADLY} <= CLASSES.keys()
    assert agent.AgentLost("gone").cause in CLASSES
