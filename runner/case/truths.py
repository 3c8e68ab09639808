"""Values that a guest says about itself, to compare a program's reads with."""

import re
import shlex
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import JsonValue

from runner import timeouts
from runner.errors import UsageError
from runner.guest import timely
from runner.guest.agent import AgentSession
from runner.guest.agenterrors import AgentError
from runner.guest.commands import CommandFailedError, Commands, failed, subject
from runner.results import Printed, ended
from runner.suites.model import CommandTruth, Excerpt, ProcTruth, Truth
from runner.suites.references import resolve

_BLANK = re.compile(r"\s")
# Shorter than what int() refuses; and int() takes 1_000 for a number.
_NUMBER = re.compile(r"[+-]?[0-9]{1,100}")
_HEXADECIMAL = re.compile(r"(0x)?[0-9a-fA-F]{1,100}")


def take(
    truth: Truth,
    agent: AgentSession,
    namespace: Mapping[str, JsonValue],
    *,
    name: str = "",
    commands: Commands | None = None,
) -> JsonValue:
    """Take a value in the guest: a number where it reads as one, else text.

    `commands` keeps what a command prints; `name` is the truth's.
    Raises AgentError when the guest can't tell, GuestError when a command does not end
    in time, UsageError when the text has no such line or field, CommandFailedError for
    a command that fails.
    """
    if isinstance(truth, CommandTruth):
        argv = [str(resolve(word, namespace)) for word in truth.command]
        record, text = _run(
            f"truth {name}".strip(), argv, agent, commands or Commands()
        )
        try:
            return _value(_excerpt(text, truth, namespace), truth.base)
        except UsageError as error:
            if record.exit == 0:
                raise
            # That it failed says why there is nothing to take.
            raise failed(record, ended(0)) from error
    path = str(resolve(truth.proc, namespace))
    text = agent.read(path, timeout=timeouts.ANSWER.seconds)
    return _value(select(text, truth, path, namespace), truth.base)


def _run(
    name: str, argv: list[str], agent: AgentSession, commands: Commands
) -> tuple[Printed, str]:
    """Run a truth's command, and return what it printed on its standard output.

    Status 1 with some text is an answer: of `grep -c` it is 0.
    """
    try:
        output = agent.run(argv, timeout=timeouts.LOOK.seconds)
    except AgentError as error:
        raise CommandFailedError(f"{subject(name, argv)}: {error.message}") from error
    record = commands.add(name, argv, output)
    timely.require_ended(output, shlex.join(argv), timeouts.LOOK)
    answers = output.exit == 0 or (output.exit is not None and output.stdout.strip())
    if not answers:
        raise failed(record, ended(0))
    return record, output.stdout


def select(
    text: str,
    truth: ProcTruth,
    path: str,
    namespace: Mapping[str, JsonValue] = MappingProxyType({}),
) -> str:
    """Return the part of a file's text that a truth names.

    Raises UsageError when there is no such line or field.
    """
    if truth.line is not None:
        text = _line(text, truth.line, path)
    if path.endswith("/stat") and truth.line is None:
        text = _without_blanks_in_comm(text)
    return _excerpt(text, truth, namespace)


def _excerpt(text: str, wanted: Excerpt, namespace: Mapping[str, JsonValue]) -> str:
    if wanted.pattern is not None:
        text = _match(text, str(resolve(wanted.pattern, namespace)))
    return _field(text, wanted.field)


def _match(text: str, pattern: str) -> str:
    try:
        found = re.search(pattern, text, re.MULTILINE)
    except re.error as error:
        raise UsageError(f"{pattern!r} is not a regular expression: {error}") from error
    if found is None:
        raise UsageError(f"nothing matches {pattern!r} in {text[:200]!r}")
    return str(found[1] if found.re.groups else found[0])


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


def _value(text: str, base: int) -> JsonValue:
    number = _HEXADECIMAL if base == 16 else _NUMBER
    return int(text, base) if number.fullmatch(text) else text
