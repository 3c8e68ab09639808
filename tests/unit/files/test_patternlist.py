"""Lists of patterns in files."""

import pytest
from pydantic import ValidationError

from runner.files.patternlist import ConsoleLines, LinePattern


@pytest.mark.parametrize("pattern", [".", ".*", "", "a|.", r"\S?", "(a)?"])
def test_a_pattern_that_matches_everything_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"matches everything|at least 1"):
        LinePattern(pattern=pattern, reason="any")


def test_a_pattern_that_is_none_is_told() -> None:
    with pytest.raises(ValidationError, match="is not a regular expression"):
        LinePattern(pattern="(", reason="any")


def test_a_pattern_needs_a_reason() -> None:
    with pytest.raises(ValidationError, match="reason"):
        LinePattern(pattern="^WARNING: mine", reason="")


def test_a_pattern_finds_its_line() -> None:
    made = LinePattern(pattern="^mine: lost", reason="any")

    assert made.compiled.search("mine: lost 5")
    assert not made.compiled.search("yours: lost 5")


def allowing(pattern: str) -> ConsoleLines:
    return ConsoleLines.model_validate(
        {"allow": [{"pattern": pattern, "reason": "known"}]}, strict=False
    )


@pytest.mark.parametrize(
    "pattern",
    [
        "e",
        "^.{3,}",
        "[0-9]",
        "^WARNING: ",
        "WARN",
        "^BUG: ",
        r"PID: \d+ at",
        " in ",
        r"at \S+\.c:\d{3} ",
        r"^WARNING: CPU: \d+ PID: (?!1 )\d+ ",
        "PID: 1 ",
        r"^(WARNING|BUG): .*\[\w+\]$",
        "^WARNING: .* at (drivers|fs|net|arch|lib|block|security)/",
        "^WARNING: .* at mm/",
        "^WARNING: (?!.*kernel/)",
        r"^WARNING: \S+:\d+ at ",
        "CPU#0: sh/",
        "^BUG: KASAN: ",
        "KASAN: slab-out-of-bounds",
        "^BUG: KFENCE: ",
        "data-race in",
        "^UBSAN: ",
        "UBSAN: shift-out-of-bounds",
        "sleeping function called",
        r"^BUG \S+ \(",
        "Poison overwritten",
        "^WARNING: possible ",
        "my tool",
        "bpf",
    ],
)
def test_what_allows_unrelated_lines_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="nothing to do with each other"):
        allowing(pattern)
    # Whoever denies too much, sees it.
    LinePattern(pattern=pattern, reason="any")


@pytest.mark.parametrize(
    "pattern",
    [
        r"^WARNING: .* at mm/util\.c:",
        "tcp_fastretrans_alert",
        r"\[nf_tables\]$",
        "^BUG kmalloc-64 ",
        "suspicious RCU usage",
        "waiting for lo to become free",
        "at kernel/bpf/core",
        "^WARNING: .* at kernel/events/core.c",
        "^BUG: KASAN: .* in my_function",
        "my_module",
        "blocked for more than",
        "^WARNING: possible circular locking",
    ],
)
def test_what_allows_one_thing_is_fine(pattern: str) -> None:
    (line,) = allowing(pattern).allow

    assert line.pattern == pattern


def test_the_refusal_says_where_and_what_else_it_would_allow() -> None:
    with pytest.raises(ValidationError) as error:
        allowing("^BUG: ")

    (mistake,) = error.value.errors()
    assert mistake["loc"] == ("allow", 0)
    assert "BUG: KASAN" in mistake["msg"]
    assert "BUG: workqueue lockup" in mistake["msg"]
