"""Tests that programs list on this machine, without trust in the programs."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from runner.arch import Architecture
from runner.programs import prepare
from runner.programs.prepare import PreparedProgram
from runner.run import listing
from runner.suites.model import Case

SIGN = "# test.paniconexit0\n"


def listed(folder: Path, text: str, results: str = "auto") -> tuple[str, ...] | None:
    program = folder / "mine.test"
    program.write_text(text)
    return listing.tests_of(
        Case(name="a", command=("./mine.test",), results=results), folder.joinpath
    )


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a script stand in for a Go binary."""
    made = prepare.prepare

    def native(path: Path, architecture: Architecture) -> PreparedProgram:
        return replace(made(path, architecture=architecture), is_native=True)

    monkeypatch.setattr(prepare, "prepare", native)


def test_a_program_lists_its_tests(tmp_path: Path) -> None:
    text = f"#!/bin/sh\n{SIGN}echo TestA; echo BenchmarkB; echo ExampleC\n"

    assert listed(tmp_path, text) == ("TestA", "ExampleC")


@pytest.mark.parametrize(
    "text",
    [
        "echo TestA; exit 1",
        "kill -SEGV $$",
        "true",
        "echo 'Test A'",
        "echo TestA; cat /proc/self/status >/dev/full",
    ],
)
def test_one_that_fails_is_asked_in_its_guest(text: str, tmp_path: Path) -> None:
    assert listed(tmp_path, f"#!/bin/sh\n{SIGN}{text}\n") is None


@pytest.mark.parametrize("results", ["exit", "tap", "junit=/a"])
def test_other_kinds_list_nothing(results: str, tmp_path: Path) -> None:
    assert listed(tmp_path, f"#!/bin/sh\n{SIGN}echo TestA\n", results) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_it_has_no_privileges_and_nothing_of_this_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    text = (
        'test "$(id -u)" != 0 || exit 1; test -z "$SECRET" || exit 1\n'
        "grep -q 'CapPrm:.*0000000000000000' /proc/self/status || exit 1\n"
        "grep -q 'NoNewPrivs:.1' /proc/self/status || exit 1\necho TestA\n"
    )

    assert listed(tmp_path, f"#!/bin/sh\n{SIGN}{text}") == ("TestA",)


def test_one_that_hangs_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_PATIENCE", 1)

    assert listed(tmp_path, f"#!/bin/sh\n{SIGN}echo TestA; exec sleep 60\n") is None
