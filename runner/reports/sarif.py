"""SARIF 2.1.0: failures for code scanning, at the line of the .bpf.c."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from pydantic import JsonValue

from runner.files.sources import from_top
from runner.reports import foretold, style
from runner.reports.compare import Comparison
from runner.reports.groups import Group, errors, failures
from runner.reports.support import ranges
from runner.reports.text import clean
from runner.results import RunResults

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_NAME = "bpf-kernel-matrix"
_UNCLASSIFIED = "unclassified"
_TEXT = 4000

_Object = dict[str, JsonValue]


def document(results: RunResults, comparison: Comparison | None = None) -> str:
    """Return a run's failures; what infrastructure did is told apart from them."""
    groups = failures(results)
    told = foretold.findings(results)
    rules = sorted({*map(_rule, groups), *(it.finding.kind for it in told)})
    optional = {kernel.id for kernel in results.kernels if not kernel.required}
    archs = {kernel.id: kernel.arch for kernel in results.kernels}
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
                        "toolExecutionNotifications": list(
                            _notifications(results, comparison)
                        ),
                    }
                ],
                "columnKind": "utf16CodeUnits",
                "properties": {"worksOn": clean(ranges(results).statement)},
                "results": [
                    *(_result(it, rules, optional, archs, comparison) for it in groups),
                    *(_warning(it, rules, archs) for it in told),
                ],
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
    archs: Mapping[str, str],
    comparison: Comparison | None,
) -> JsonValue:
    case = group.first
    text = f"{group.title}: {case.message}"
    if case.cure:
        text += f"\nWhat to do: {case.cure}"
    architectures = sorted({archs[it] for it in group.kernels})
    found: _Object = {
        "ruleId": _rule(group),
        "ruleIndex": rules.index(_rule(group)),
        "level": _level(group, optional),
        "message": {"text": clean(text)[:_TEXT]},
        "partialFingerprints": {"case/v1": _fingerprint(group)},
        "properties": {
            "kernels": list(group.kernels),
            "architectures": [*architectures],
        },
    }
    if comparison is not None:
        new = any(comparison.is_new_failure(it) for it in group.cases)
        found["baselineState"] = "new" if new else "unchanged"
    if case.source_path:
        found["locations"] = [_location(case.source_path, group.line)]
    return found


def _warning(
    told: foretold.ToldFinding, rules: list[str], archs: Mapping[str, str]
) -> JsonValue:
    """Return what preflight found; a case that passed is not the less passed."""
    finding = told.finding
    text = f"{', '.join(told.names)} on {', '.join(told.kernels)}: {told.text}"
    if finding.cure:
        text += f"\nWhat to do: {finding.cure}"
    identity = "\0".join((finding.program, finding.kind, finding.subject))
    architectures = sorted({archs[it] for it in told.kernels})
    found: _Object = {
        "ruleId": finding.kind,
        "ruleIndex": rules.index(finding.kind),
        "level": "warning",
        "message": {"text": clean(text)[:_TEXT]},
        "partialFingerprints": {"finding/v1": _digest(identity)},
        "properties": {
            "kernels": [*told.kernels],
            "architectures": [*architectures],
        },
    }
    if told.file:
        found["locations"] = [_location(told.file, told.line)]
    return found


def _location(path: str, line: int) -> JsonValue:
    return {
        "physicalLocation": {
            "artifactLocation": {
                "uri": _uri(from_top(path, Path.cwd())),
                "uriBaseId": "%SRCROOT%",
            },
            "region": {"startLine": line},
        }
    }


def _level(group: Group, optional: set[str]) -> str:
    if group.first.is_excused:
        return "note"
    return "warning" if optional.issuperset(group.kernels) else "error"


def _notifications(
    results: RunResults, comparison: Comparison | None
) -> Iterator[JsonValue]:
    for case in comparison.vanished if comparison else ():
        yield _notification(f"{case.suite}::{case.case} on {case.kernel} vanished")
    if not results.complete:
        text = f"{style.incomplete(results)} planned cases have a result: no verdict"
        yield _notification(text, level="error")
    for kernel in results.kernels:
        if kernel.error:
            yield _notification(f"{kernel.id} did not come up: {kernel.error}")
    for group in errors(results):
        yield _notification(f"{group.title}: {group.why}")


def _notification(text: str, *, level: str = "warning") -> JsonValue:
    return {"level": level, "message": {"text": clean(text)[:_TEXT]}}


def _fingerprint(group: Group) -> str:
    """Return what stays the same when the line moves or another kernel fails, too."""
    words = (group.first.suite, group.first.case, _rule(group))
    return _digest("\0".join(words))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _uri(path: str) -> str:
    return quote(clean(path), safe="/")
