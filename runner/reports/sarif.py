"""SARIF 2.1.0: failures for code scanning, at the line of the .bpf.c."""

import hashlib
import json
from collections.abc import Iterator
from urllib.parse import quote

from pydantic import JsonValue

from runner.reports import looks
from runner.reports.compare import Comparison
from runner.reports.groups import Group, grouped
from runner.reports.text import clean
from runner.results import Outcome, RunResults

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_NAME = "bpf-kernel-matrix"
_UNCLASSIFIED = "unclassified"
_TEXT = 4000

_Object = dict[str, JsonValue]


def document(results: RunResults, comparison: Comparison | None = None) -> str:
    """Return a run's failures; what infrastructure did is distinguished from them."""
    groups = grouped(results.cases, Outcome.FAILED)
    rules = sorted({_rule(it) for it in groups})
    optional = {kernel.id for kernel in results.kernels if not kernel.required}
    log: _Object = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": _NAME,
                        "version": clean(results.runner) or "0",
                        "rules": [_described(it) for it in rules],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": results.complete,
                        "toolExecutionNotifications": [
                            *_vanished(comparison),
                            *_notifications(results),
                        ],
                    }
                ],
                "columnKind": "utf16CodeUnits",
                "results": [_result(it, rules, optional, comparison) for it in groups],
            }
        ],
    }
    return json.dumps(log, indent=1) + "\n"


def _rule(group: Group) -> str:
    return clean(group.first.failure_class) or _UNCLASSIFIED


def _described(rule: str) -> JsonValue:
    return {"id": rule, "shortDescription": {"text": rule.replace("_", " ")}}


def _result(
    group: Group,
    rules: list[str],
    optional: set[str],
    comparison: Comparison | None,
) -> JsonValue:
    case = group.first
    text = f"{group.title}: {case.message}"
    if case.cure:
        text += f"\nWhat to do: {case.cure}"
    found: _Object = {
        "ruleId": _rule(group),
        "ruleIndex": rules.index(_rule(group)),
        "level": "warning" if optional.issuperset(group.kernels) else "error",
        "message": {"text": clean(text)[:_TEXT]},
        "partialFingerprints": {"case/v1": _fingerprint(group)},
        "properties": {"kernels": list(group.kernels)},
    }
    if comparison is not None:
        new = any(comparison.is_new_failure(it) for it in group.cases)
        found["baselineState"] = "new" if new else "unchanged"
    if case.source_path:
        found["locations"] = [
            {
                "physicalLocation": {
                    "artifactLocation": {
                        "uri": _uri(case.source_path),
                        # Where the run was started.
                        "uriBaseId": "%SRCROOT%",
                    },
                    "region": {"startLine": group.line},
                }
            }
        ]
    return found


def _vanished(comparison: Comparison | None) -> Iterator[JsonValue]:
    for case in comparison.vanished if comparison else ():
        text = f"{case.suite}::{case.case} on {case.kernel} vanished"
        yield {"level": "warning", "message": {"text": clean(text)[:_TEXT]}}


def _notifications(results: RunResults) -> Iterator[JsonValue]:
    if not results.complete:
        text = f"{looks.incomplete(results)} planned cases have a result: no verdict"
        yield {"level": "error", "message": {"text": text}}
    for kernel in results.kernels:
        if kernel.error:
            text = f"{kernel.id} did not come up: {kernel.error}"
            yield {"level": "warning", "message": {"text": clean(text)[:_TEXT]}}
    gone = {kernel.id for kernel in results.kernels if kernel.error}
    alive = (case for case in results.cases if case.kernel not in gone)
    for group in grouped(alive, Outcome.ERROR):
        text = f"{group.title}: {group.why}"
        yield {"level": "warning", "message": {"text": clean(text)[:_TEXT]}}


def _fingerprint(group: Group) -> str:
    """Return what stays the same when the line moves or another kernel fails, too."""
    words = (group.first.suite, group.first.case, _rule(group))
    return hashlib.sha256("\0".join(words).encode("utf-8", "replace")).hexdigest()


def _uri(path: str) -> str:
    return quote(clean(path), safe="/")
