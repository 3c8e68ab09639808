"""Markdown: markup of suites and guests is text, and it fits."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from runner.reports import markdown, releasepages
from runner.reports.compare import Gate, compare
from runner.reports.release import facts
from runner.results import Mismatch, RunResults
from tests.unit.reports import hostile
from tests.unit.reports.runs import E, F, P, S, case, kernel, on_all, run

PARSER = MarkdownIt("commonmark").enable("table")
# Its own: the mark by which a comment is found again, and what folds logs.
OWN = re.compile(
    r"<!-- bpf-kernel-matrix -->|</?details>|<summary>[A-Za-z ]+</summary>"
)
MARKUP = (
    "@someone",
    "#1",
    "https://example.com",
    "![x](http://192.0.2.1/x)",
    "[x](javascript:alert(1))",
    "**bold** _it_ ~~no~~",
    "`",
    "``` ```",
    "`` ` ``",
    "a | b \\| c",
    "\\",
    "x\\",
    "|",
    "# heading",
    "- [ ] task",
    "</details>",
    "<!--",
    "line\nbreak\n\n# heading",
    "$x$",
    ":smile:",
)


def tokens(text: str) -> list[Token]:
    found = []
    for token in PARSER.parse(text):
        found += [token, *(token.children or ())]
    return found


def refuse_markup(text: str) -> None:
    """Fail for a link, a picture, or HTML that is not the report's own."""
    for token in tokens(text):
        assert token.type not in {"link_open", "image"}, token
        if token.type in {"html_inline", "html_block"}:
            assert not OWN.sub("", token.content).strip(), token


def full(text: str) -> RunResults:
    """Return a run in which every text is `text`."""
    return run(
        *(
            case(
                id_,
                outcome,
                f"{outcome}{text}",
                message=text,
                failure_class=text,
                cure=text,
                log=text,
                console=text,
                mismatches=(
                    Mismatch(subject=text, expected=text, observed=text),
                    Mismatch(subject=text, expected=text, observed=text),
                )
                if id_ == "6.1"
                else (),
            )
            for outcome in (P, F, E, S)
            for id_ in ("6.1", f"x{text}")
        ),
        kernels=(
            kernel("6.1", release=text, notes=(text,)),
            kernel(f"x{text}", error=text, cure=text, console=text),
        ),
    )


@pytest.mark.parametrize("text", [*MARKUP, *hostile.CORPUS])
def test_names_and_logs_are_text(text: str) -> None:
    results = full(text)
    refuse_markup(markdown.render(results, compare(results, results)))
    refuse_markup(releasepages.notes(facts(results, text)))


def test_a_hostile_run_is_text() -> None:
    results = hostile.run()
    refuse_markup(markdown.render(results, limit=1_000_000))
    refuse_markup(releasepages.notes(facts(results, "v1.2")))


@given(st.text(alphabet=st.sampled_from("`|\\<>[]()!*_#@-~ \nax&"), max_size=30))
def test_a_code_span_holds_anything(text: str) -> None:
    inline = PARSER.parseInline(f"a {markdown.code(text)} b")[0].children or []
    wanted = " ".join(text.split())
    kinds = [it.type for it in inline]
    assert kinds == (["text", "code_inline", "text"] if wanted else ["text"])
    if wanted:
        assert inline[1].content == wanted


@given(st.text(alphabet=st.sampled_from("`~|<>#-ab \n"), max_size=60))
def test_a_code_block_holds_anything(text: str) -> None:
    (block,) = PARSER.parse(markdown.block(text))
    assert block.type == "fence"


@pytest.mark.parametrize("text", ["a|b", "`|`", "\\|", "a\\", "|\\|"])
def test_no_name_breaks_a_table(text: str) -> None:
    results = run(case("6.1", P, suite=text), case("6.1", F, suite="other"))
    heads = [it for it in tokens(markdown.render(results)) if it.type == "th_open"]
    assert len(heads) == 4


def test_what_failed_where_why_and_what_to_do() -> None:
    text = markdown.render(on_all(P, P, F), compare(on_all(P, P, P), on_all(P, P, F)))

    assert "## ❌ Kernel matrix: incompatible" in text
    assert "Works on: `5.10 – 6.1`" in text  # noqa: RUF001
    assert "#### ✗ `task::state` on `6.12`" in text
    assert "- **regression** on `6.12`" in text
    assert "- why: `there is no such field` (`poison_reachable`)" in text
    assert "- what to do: `guard it`" in text
    assert "- where: `suites/task/task.bpf.c:41`" in text
    assert "- **Regressions**: `6.12 task::state`" in text


def test_a_failure_says_what_its_guest_was() -> None:
    plain = on_all(P, P, F)
    failed = plain.cases[-1].model_copy(update={"environment": {"cpus": 2}})
    results = plain.model_copy(update={"cases": (*plain.cases[:-1], failed)})
    assert "- guest: `cpus: 2`" in markdown.render(results)
    assert "- guest:" not in markdown.render(plain)


def test_the_heading_says_what_the_gate_says() -> None:
    results = on_all(P, P, F)
    known = compare(results, results)
    text = markdown.render(results, known, gate=Gate.REGRESSIONS)
    assert "## ✅ Kernel matrix: incompatible, but not by a regression" in text
    assert "## ❌ Kernel matrix: incompatible\n" in markdown.render(results, known)


def test_vanished_cases_and_kernels_that_did_not_run_are_named() -> None:
    before = run(case("5.10", P), case("6.1", P), case("6.1", P, "gone"))
    after = run(case("6.1", P))
    text = markdown.render(after, compare(before, after))
    assert "## ❌ Kernel matrix: compatible, but 1 baseline case vanished\n" in text
    assert "- **Vanished**: `6.1 task::gone`" in text
    assert "\n1 baseline case vanished. If they were renamed, " in text
    assert "--allow-vanished" in text
    assert "- **Kernels not run**: `5.10`" in text

    broken = run(case("6.1", F))
    text = markdown.render(broken, compare(before, broken))
    assert "## ❌ Kernel matrix: incompatible, and 1 baseline case vanished\n" in text

    accepted = compare(before, after, allow_vanished=True)
    text = markdown.render(after, accepted)
    assert "## ✅ Kernel matrix: compatible\n" in text
    assert "- **Vanished**: `6.1 task::gone`" in text
    assert "--allow-vanished" not in text


def test_a_new_failure_is_marked_and_comes_after_regressions() -> None:
    before = run(case("6.1", F, "known"), case("6.1", P, "worse"))
    after = run(*(case("6.1", F, it) for it in ("known", "young", "worse")))
    text = markdown.render(after, compare(before, after))
    places = [text.index(f"#### ✗ `task::{it}`") for it in ("worse", "young", "known")]
    assert places == sorted(places)
    assert "- **new failure** on `6.1`" in text


def test_the_mark_is_first_so_that_a_comment_is_found_again() -> None:
    assert markdown.render(run()).startswith(markdown.MARKER)


def large(number: int) -> RunResults:
    ids = [f"6.{it}" for it in range(number)]
    return run(
        *(
            case(id_, F, f"case{it}", failure_class=id_, log="é log\n" * 500)
            for id_ in ids
            for it in range(3)
        )
    )


@pytest.mark.parametrize("number", [1, 30, 1000])
@pytest.mark.parametrize("limit", [300, 2_000, markdown.LIMIT, 1_048_576])
def test_it_is_never_too_long(number: int, limit: int) -> None:
    text = markdown.render(large(number), limit=limit)
    assert len(text.encode()) <= limit
    assert markdown.MARKER in text
    assert "incompatible" in text


def test_of_too_many_failures_some_are_left_out_and_told() -> None:
    text = markdown.render(large(300))
    assert re.search(r"_\d+ more failures are left out here; see report.html._", text)
    # What is there is there whole.
    assert text.count("<details>") == text.count("</details>")


def test_less_room_never_tells_more() -> None:
    sizes = [
        len(markdown.render(large(20), limit=limit))
        for limit in (1_000_000, 65_536, 20_000, 5_000, 1_000)
    ]
    assert all(more >= less for more, less in pairwise(sizes))
