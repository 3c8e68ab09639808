"""Values that a guest tells of itself, to hold a program's reads against."""

import re
from collections.abc import Mapping

from pydantic import JsonValue

from runner.agent import AgentSession
from runner.errors import UsageError
from runner.references import resolve
from runner.suite import CommandTruth, ProcTruth, Truth

_TIMEOUT = 20.0
_BLANK = re.compile(r"\s")
# Shorter than what int() refuses; and int() takes 1_000 for a number.
_NUMBER = re.compile(r"[+-]?[0-9]{1,100}")


def take(
    truth: Truth, agent: AgentSession, namespace: Mapping[str, JsonValue]
) -> JsonValue:
    """Take a value in the guest: a number where it reads as one, else text.

    Raises AgentError when the guest can't tell, UsageError when the text has no such
    line or field.
    """
    if isinstance(truth, CommandTruth):
        argv = [str(resolve(word, namespace)) for word in truth.command]
        return _value(_field(agent.run(argv, timeout=_TIMEOUT).stdout, truth.field))
    path = str(resolve(truth.proc, namespace))
    return _value(select(agent.read(path, timeout=_TIMEOUT), truth, path))


def select(text: str, truth: ProcTruth, path: str) -> str:
    """Return the part of a file's text that a truth names.

    Raises UsageError when there is no such line or field.
    """
    if truth.line is not None:
        text = _line(text, truth.line, path)
    if path.endswith("/stat") and truth.line is None:
        text = _without_blanks_in_comm(text)
    return _field(text, truth.field)


def _line(text: str, name: str, path: str) -> str:
    # Not splitlines(): a comm may hold what it takes for the end of a line.
    for line in text.split("\n"):
        word, colon, rest = line.partition(":")
        if colon and word.strip() == name:
            return rest
    raise UsageError(f"{path} has no line {name!r}")


def _without_blanks_in_comm(text: str) -> str:
    # The comm stands in parentheses and may hold blanks and parentheses itself, and
    # tabs; the kernel escapes newlines only.
    head, _, rest = text.partition("(")
    comm, _, tail = rest.rpartition(")")
    return f"{head}({_BLANK.sub('_', comm)}){tail}" if tail else text


def _field(text: str, number: int | None) -> str:
    if number is None:
        return text.strip()
    words = text.split()
    if number > len(words):
        raise UsageError(
            f"no field {number}; the text has {len(words)}: {text[:200]!r}"
        )
    return words[number - 1]


def _value(text: str) -> JsonValue:
    return int(text) if _NUMBER.fullmatch(text) else text
