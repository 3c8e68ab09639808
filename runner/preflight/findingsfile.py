"""What `check` finds, for code scanning (SARIF) and for a GitHub workflow."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from pydantic import JsonValue

from runner.files.sources import from_top
from runner.preflight.model import Effect
from runner.preflight.spread import Spread

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_NAME = "bpf-kernel-matrix check"


class _FormLevel(NamedTuple):
    sarif: str
    github: str


_LEVELS = {
    Effect.NOT_LOADED: _FormLevel("error", "error"),
    Effect.NOT_ATTACHED: _FormLevel("error", "error"),
    Effect.WRONG_VALUE: _FormLevel("warning", "warning"),
    Effect.UNKNOWN: _FormLevel("note", "notice"),
}


def sarif(found: Sequence[Spread]) -> str:
    """Return findings as SARIF 2.1.0."""
    rules = sorted({it.finding.kind.value for it in found})
    log: dict[str, JsonValue] = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": _NAME,
                        "rules": [{"id": rule} for rule in rules],
                    }
                },
                "columnKind": "utf16CodeUnits",
                "results": [_result(it, rules) for it in found],
            }
        ],
    }
    return json.dumps(log, indent=1) + "\n"


def _result(spread: Spread, rules: list[str]) -> JsonValue:
    finding = spread.finding
    identity = f"{finding.place.program}\0{finding.name}"
    found: dict[str, JsonValue] = {
        "ruleId": finding.kind.value,
        "ruleIndex": rules.index(finding.kind.value),
        "level": _LEVELS[finding.effect].sarif,
        "message": {"text": _text(spread)},
        "partialFingerprints": {
            "finding/v1": hashlib.sha256(identity.encode()).hexdigest()
        },
        "properties": {"kernels": [it.name for it in spread.sources]},
    }
    if finding.place.file:
        found["locations"] = [
            {
                "physicalLocation": {
                    "artifactLocation": {
                        "uri": quote(from_top(finding.place.file, Path.cwd())),
                        "uriBaseId": "%SRCROOT%",
                    },
                    "region": {"startLine": max(1, finding.place.line)},
                }
            }
        ]
    return found


def _text(spread: Spread) -> str:
    finding = spread.finding
    cure = f"\nWhat to do: {finding.cure}" if finding.cure else ""
    return f"{spread.words}: {finding.reason}{cure}"


def annotations(found: Sequence[Spread]) -> Iterator[str]:
    """Yield GitHub's workflow commands, each at its line of source."""
    for it in found:
        finding = it.finding
        kind = _LEVELS[finding.effect].github
        line = max(1, finding.place.line)
        file = from_top(finding.place.file, Path.cwd())
        place = f"file={_property(file)},line={line},"
        title = _property(f"{finding.subject} on {it.words}")
        yield (
            f"::{kind} {place if finding.place.file else ''}title={title}"
            f"::{_data(_text(it))}"
        )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
