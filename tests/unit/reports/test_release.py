"""What a release report says."""

import json
from datetime import date

import pytest
from jsonschema import Draft202012Validator
from lxml import html

from runner.reports import flaky, releasepages
from runner.reports.compare import compare
from runner.reports.release import Release, btf_need, facts
from runner.results import (
    KnownFlaky,
    MapUse,
    ObjectUse,
    ProgramUse,
    Provenance,
    RunResults,
)
from runner.schema import SUBJECTS
from tests.unit.reports import hostile
from tests.unit.reports.runs import F, P, S, case, kernel, run

USES = (
    ObjectUse(
        path="task/task.bpf.c",
        sha256="aa11",
        programs=(
            ProgramUse(
                name="on_fork",
                section="kprobe/wake_up",
                helpers=("probe_read_kernel", "helper 9999"),
            ),
            ProgramUse(name="on_exec", section="?tp_btf/exec", helpers=("loop",)),
        ),
        maps=(MapUse(name="tasks", type="ringbuf"),),
    ),
    ObjectUse(path="skb/skb.bpf.c", sha256="bb22"),
)


def results() -> RunResults:
    return run(
        case("4.4", S, message="needs >=5.5: tp_btf"),
        case("4.4", P, "other", object_path="skb/skb.bpf.c"),
        case("5.10", P),
        case("6.1", F, cure=""),
        case("6.12", P),
        kernels=(
            kernel("4.4", btf_source="btfhub ubuntu/16.04", libbpf="1.1"),
            kernel("5.10", btf_source="kernel /sys/kernel/btf/vmlinux", libbpf="1.1"),
            kernel("6.1", btf_source="kernel", libbpf="1.4", image_sha256="cc33"),
            kernel("6.12", btf_source=""),
        ),
        objects=USES,
    )


def released() -> Release:
    """Return the report of a release, compared with the one before."""
    before = run(
        case("5.10", P),
        case("6.1", P),
        case("6.12", F),
        case("6.12", P, "gone"),
        case("6.6", P),
    )
    now = results()
    return facts(now, "v1.2", compare(before, now), before)


def test_it_states_the_range_and_each_program_s_oldest_kernel() -> None:
    found = released()
    assert found.works_on == "4.4 – 6.12, except 6.1"  # noqa: RUF001
    oldest = {it.name: it.oldest for it in found.programs}
    assert oldest == {"on_fork": "5.10", "on_exec": "5.10"}


def test_project_commit_and_date_are_the_run_s() -> None:
    about = Provenance(project="team/probe", commit="ab" * 20, changed=True)
    found = facts(run(case("6.1", P), provenance=about), "v1")
    assert found.title == "Kernel compatibility of team/probe v1"
    assert found.commit == f"{'ab' * 20} with changes"
    assert found.date == "2026-01-02"
    text = releasepages.notes(found)
    assert text.startswith(
        f"# Kernel compatibility of `team/probe` `v1`\n\n`{found.date}`"
    )


def test_the_last_release_is_known_by_its_tag_or_commit() -> None:
    for about, words in (
        (Provenance(tag="v1.1", commit="cd" * 20), "v1.1 (2026-01-02)"),
        (Provenance(commit="cd" * 20), "commit cdcdcdcdcdcd (2026-01-02)"),
        (Provenance(), "the run of 2026-01-02"),
    ):
        before, now = run(case("6.1", P), provenance=about), run(case("6.1", P))
        since = facts(now, "v1", compare(before, now), before).since
        assert since is not None
        assert since.since == words


def test_families_have_ranges_of_their_own() -> None:
    found = facts(
        run(
            case("6.1", P),
            case("rhel9", P),
            kernels=(
                kernel("6.1"),
                kernel("rhel9", release="5.14.0-570.12.1.el9_6.x86_64"),
            ),
        ),
        "v1",
    )
    assert [(it.family, it.works_on) for it in found.ranges] == [
        ("upstream", "6.1"),
        ("RHEL", "9.6"),
    ]


def test_what_a_kernel_must_have_comes_with_versions_and_options() -> None:
    needs = {it.name: it for it in released().requirements}
    assert needs["kprobe"].since == "4.1"
    assert "CONFIG_KPROBE_EVENTS" in needs["kprobe"].options
    assert needs["tp_btf"].since == "5.5"
    assert needs["ringbuf"].since == "5.8"
    assert needs["bpf_loop"].since == "5.17"
    assert needs["9999"].since == ""
    assert "bpf_probe_read " in needs["bpf_probe_read_kernel"].note
    assert needs["bpf_loop"].users == ("task/task.bpf.c",)


def test_it_says_what_changed_since_the_last_release() -> None:
    since = released().since
    assert since is not None
    assert since.new_kernels == ("4.4",)
    assert since.dropped_kernels == ("6.6",)
    assert [(it.kind, it.case, it.kernels) for it in since.changes] == [
        ("new failure", "task::state", ("6.1",)),
        ("fixed", "task::state", ("6.12",)),
        ("vanished", "task::gone", ("6.12",)),
    ]
    assert "does not have" in since.changes[0].meaning


@pytest.mark.parametrize(
    ("source", "need"),
    [
        ("kernel /sys/kernel/btf/vmlinux", "its own"),
        ("kernel", "its own"),
        ("btfhub ubuntu/16.04", "external: btfhub ubuntu/16.04"),
        ("", "not known"),
        (" ", "not known"),
    ],
)
def test_it_tells_whose_btf_is_needed(source: str, need: str) -> None:
    assert btf_need(kernel("6.1", btf_source=source)) == need


def test_failures_are_told_in_words_with_a_cure() -> None:
    (failure,) = released().failures
    assert failure.kernels == ("6.1",)
    assert failure.failure_class == "poison_reachable"
    assert failure.meaning.startswith("the program uses a field")
    assert failure.why == "there is no such field"
    assert "bpf_core_field_exists()" in failure.cure
    (gap,) = released().gaps
    assert (gap.kernels, gap.why) == (("4.4",), "needs >=5.5: tp_btf")


def test_what_was_not_compared_is_no_declared_gap() -> None:
    alone = case("6.1", S, failure_class="nothing_to_agree_with", message="no other")
    gap = case("6.1", S, "other", message="needs >=6.2: a kfunc")
    found = facts(run(alone, gap, case("6.1", P, "third")), "v1.2")

    (kernel_,) = found.kernels
    assert (kernel_.gaps, kernel_.uncompared) == (1, 1)
    assert [it.why for it in found.gaps] == ["needs >=6.2: a kfunc"]
    assert [it.why for it in found.uncompared] == ["no other"]
    text, page = releasepages.notes(found), releasepages.page(found)
    assert "declared gaps | not compared | BTF |" in text
    assert "## Not compared" in text
    assert html.fromstring(page).xpath('//h2[@id="uncompared"]')
    assert "not compared" not in releasepages.notes(released()).lower()


def test_checksums_and_versions() -> None:
    found = released()
    assert [(it.name, it.sha256) for it in found.checksums] == [
        ("task/task.bpf.c", "aa11"),
        ("skb/skb.bpf.c", "bb22"),
        ("kernel 6.1, 6.1.7-amd64", "cc33"),
    ]
    assert {it.name: it.version for it in found.tools}["libbpf"] == "1.1, 1.4"


def test_all_of_it_is_in_the_text_with_the_checksums_at_the_end() -> None:
    text = releasepages.notes(released())
    for part in (
        "# Kernel compatibility of `v1.2`",
        "`2026-01-02`",
        "**Works on:** `4.4 – 6.12, except 6.1`",  # noqa: RUF001
        "`external: btfhub ubuntu/16.04`",
        "## Since the last release",
        "- New failure: `task::state` on `6.1`: the program uses a field",
        "## Known failures",
        "| programs of `kprobe` | 4.1 | `CONFIG_BPF_EVENTS`, `CONFIG_KPROBE_EVENTS` |",
        "| the helper `bpf_loop` | 5.17 |",
        "| `task/task.bpf.c` | `on_fork` | `kprobe/wake_up` | `5.10` |",
        "`needs >=5.5: tp_btf`",
    ):
        assert part in text
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[-1] == "## Checksums"
    assert text.index("`cc33`") > text.index("## Checksums")


def test_the_page_and_the_text_say_the_same() -> None:
    page = _text(releasepages.page(released()))
    for part in (
        "Since the last release",
        "CONFIG_KPROBE_EVENTS",
        "bpf_core_field_exists()",
        "cc33",
    ):
        assert part in page


def test_the_json_follows_its_schema() -> None:
    (subject,) = [it for it in SUBJECTS if it.model is Release]
    told = json.loads(releasepages.document(released()))
    Draft202012Validator(subject.schema()).validate(told)
    assert Release.model_validate(told) == released()


def test_hostile_texts_are_text_in_every_form() -> None:
    found = facts(hostile.run(), "v<b>1")
    page = releasepages.page(found)
    assert "<script" not in page
    assert "<b>" not in page
    assert json.loads(releasepages.document(found))["name"] == "v<b>1"


def test_a_known_flaky_failure_has_no_advice_for_developers() -> None:
    known = KnownFlaky(owner="@net-team", until=date(2026, 12, 31), reason="it races")
    cure = f"{flaky.words(known)}; guard it"
    results = run(case("6.1", F, known_flaky=known, cure=cure))

    found = facts(results, "v1")

    assert (
        found.failures[0].cure == "the failure is known; its cause is not decided yet"
    )
    for text in (releasepages.notes(found), releasepages.page(found)):
        assert "Works on" in text
        assert "not known: 6.1" in text
        assert "@net-team" not in text
        assert "none</td>" not in text
        assert "`none`" not in text


def test_advice_of_a_mark_that_ended_is_left_out_too() -> None:
    known = KnownFlaky(owner="@net-team", until=date(2026, 1, 1), ended=True)
    cure = f"{flaky.words(known)}; guard it"

    found = facts(run(case("6.1", F, known_flaky=known, cure=cure)), "v1")

    assert found.failures[0].cure == "guard it"


def test_code_in_advice_is_code_on_the_page() -> None:
    cure = "use `loader: compat` <b> (`docs/compat.md`)"
    page = releasepages.page(facts(run(case("6.1", F, cure=cure)), "v1"))

    assert "use <code>loader: compat</code> &lt;b&gt;" in page
    assert "<code>docs/compat.md</code>" in page


def test_a_run_that_lost_everything_has_a_report() -> None:
    found = facts(run(kernels=(kernel("6.1", error="no image"),)), "v1")
    assert found.works_on == "not known: 6.1"
    assert [it.verdict for it in found.kernels] == ["unknown"]
    assert "## Tools" in releasepages.notes(found)


def _text(page: str) -> str:
    return str(html.fromstring(page.encode()).text_content())
