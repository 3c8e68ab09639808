"""JUnit XML, a file per kernel, valid against Jenkins' junit-10.xsd.

A suite is a testsuite, because viewers (dorny/test-reporter, Jenkins) show one line for
each and unfold it. A test's classname is KERNEL.SUITE: Jenkins takes what stands before
the last dot for a package, so that it shows the kernel, then the suite, then the case;
GitLab, which merges all files of a job, tells kernels apart by it.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence

from junit_xml import TestCase, TestSuite

from runner.reports import foretold, loads, output
from runner.reports.text import clean, one_line
from runner.results import CaseKey, CaseResult, KernelRun, Outcome, RunResults

# Characters of a log in the XML; viewers refuse files of many megabytes, and
# results.json has all of it.
_LOG = 64 * 1024

# What junit-xml writes and the schema does not know.
_UNKNOWN_TO_SCHEMA = ("disabled",)

_COUNTS = ("tests", "failures", "errors")


def documents(results: RunResults) -> Iterator[tuple[KernelRun, str]]:
    """Return each kernel's JUnit file."""
    cases = {it: list(found) for it, found in results.by_kernel().items()}
    for key in results.undone:
        cases.setdefault(key.kernel, []).append(_undone(key))
    for kernel in results.kernels:
        yield kernel, _document(results, kernel, cases[kernel.id])


def _undone(key: CaseKey) -> CaseResult:
    """Return a case that did not run as an error: a file without it would be green."""
    return CaseResult(
        **key._asdict(),
        outcome=Outcome.ERROR,
        message="did not run: the run ended before",
        failure_class="not_run",
    )


def _document(
    results: RunResults, kernel: KernelRun, cases: Sequence[CaseResult]
) -> str:
    suites = [
        _suite(results, kernel, name, [case for case in cases if case.suite == name])
        for name in dict.fromkeys(case.suite for case in cases)
    ]
    if kernel.error:
        suites.insert(0, _never_came_up(results, kernel))

    root = ET.Element("testsuites", name=kernel.id)
    elements = [suite.build_xml_doc() for suite in suites]
    for name in _COUNTS:
        root.set(name, str(sum(int(element.get(name)) for element in elements)))
    seconds = sum(float(element.get("time")) for element in elements)
    root.set("time", _seconds(seconds))
    for element in elements:
        element.set("time", _seconds(float(element.get("time"))))
        for name in _UNKNOWN_TO_SCHEMA:
            element.attrib.pop(name, None)
        root.append(element)
    ET.indent(root)
    declaration = '<?xml version="1.0" encoding="utf-8"?>\n'
    return declaration + ET.tostring(root, encoding="unicode") + "\n"


def _suite(
    results: RunResults, kernel: KernelRun, name: str, cases: Sequence[CaseResult]
) -> TestSuite:
    return TestSuite(
        clean(f"{kernel.id} {name}"),
        [_case(case) for case in cases],
        timestamp=clean(results.started),
        properties=_properties(results, kernel, cases),
    )


def _never_came_up(results: RunResults, kernel: KernelRun) -> TestSuite:
    boot = TestCase(
        "boot", classname=f"{kernel.id}.boot", stderr=_shortened(kernel.console)
    )
    boot.add_error_info(one_line(kernel.error), clean(kernel.error), "boot")
    return TestSuite(
        f"{kernel.id} boot",
        [boot],
        timestamp=clean(results.started),
        properties=_properties(results, kernel, ()),
    )


def _case(case: CaseResult) -> TestCase:
    element = TestCase(
        clean(case.case),
        classname=clean(f"{case.kernel}.{case.suite}"),
        elapsed_sec=case.duration,
        stdout=_shortened(_output(case)),
        stderr=_shortened(_errors(case)),
    )
    # An empty message would make it a pass.
    message = one_line(case.message) or case.outcome.value
    kind = clean(case.failure_class)
    match case.outcome:
        case Outcome.FAILED if case.is_excused:
            # Viewers would call the job broken, which passes its gate.
            element.add_skipped_info(f"{one_line(case.cure)}: {message}")
        case Outcome.FAILED:
            element.add_failure_info(message, _explanation(case), kind or "failure")
        case Outcome.ERROR:
            element.add_error_info(message, _explanation(case), kind or "error")
        case Outcome.SKIPPED:
            element.add_skipped_info(message)
        case Outcome.PASSED:
            pass
    return element


def _output(case: CaseResult) -> str:
    missing = "".join(f"not available: {what}\n" for what in case.not_available)
    flaky = f"flaky: {case.flaky}\n" if case.flaky else ""
    used = f"{case.used_guest_words}\n" if case.used_guest_words else ""
    left = f"{case.left_words}\n" if case.left_words else ""
    unseen = f"{case.log_words}\n" if case.log_words else ""
    passed = case.outcome is Outcome.PASSED and case.message
    note = f"{case.message}\n" if passed else ""
    printed = "".join(
        f"$ {output.words(it)}\n[{it.ending}]\n{_ended(it.stdout)}"
        for it in case.commands
    )
    log = _ended(case.log) if printed else case.log
    loaded = "".join(f"loaded: {line}\n" for line in loads.lines(case))
    said = "".join(f"{one_line(line)}\n" for line in foretold.lines(case))
    return flaky + used + left + unseen + note + missing + said + log + printed + loaded


def _errors(case: CaseResult) -> str:
    printed = "".join(
        f"$ {output.words(it)}\n{_ended(it.stderr)}"
        for it in case.commands
        if it.stderr
    )
    return printed + case.console


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _explanation(case: CaseResult) -> str:
    lines = [case.message]
    # The first one usually is the message.
    lines += [str(found) for found in case.mismatches if str(found) != case.message]
    if case.cure:
        lines.append(f"what to do: {case.cure}")
    return clean("\n".join(lines))


def _properties(
    results: RunResults, kernel: KernelRun, cases: Sequence[CaseResult]
) -> dict[str, str]:
    """Return what the results were got with; what is not known is left out."""
    properties = {
        "kernel": kernel.id,
        "arch": kernel.arch,
        "uname_r": kernel.release,
        "image": kernel.image,
        "image_sha256": kernel.image_sha256,
        "btf_source": kernel.btf_source,
        "btf_sha256": kernel.btf_sha256,
        "qemu": kernel.qemu,
        "accelerator": kernel.accelerator,
        "libbpf": kernel.libbpf,
        "libbpf_source": kernel.libbpf_source,
        "libbpf_sha256": kernel.libbpf_sha256,
        "bpftool": kernel.bpftool,
        "runner": results.runner,
    }
    for case in cases:
        properties[f"object_sha256 {case.object_path}"] = case.object_sha256
        properties[f"loader {case.case}"] = case.loader
        properties[f"guest {case.case}"] = case.guest_words
        properties[f"predicted {case.case}"] = case.predicted
        properties[f"not_predicted {case.case}"] = case.not_predicted
        properties[f"not_known {case.case}"] = "; ".join(case.not_known)
    return {clean(name): clean(value) for name, value in properties.items() if value}


def _shortened(log: str) -> str:
    text = clean(log)
    if len(text) <= _LOG:
        return text
    # What matters in a verifier's log is at its end.
    return f"[{len(text) - _LOG} characters left out]\n{text[-_LOG:]}"


def _seconds(value: float) -> str:
    # The schema allows three digits after the point.
    return f"{value:.3f}"
