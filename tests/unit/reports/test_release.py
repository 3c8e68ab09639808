"""What a release report says."""

import pytest

from runner.reports import markdown, page
from runner.reports.release import btf_need, facts
from runner.results import MapUse, ObjectUse, ProgramUse, RunResults
from tests.unit.reports.runs import F, P, S, case, kernel, run

USES = (
    ObjectUse(
        path="task/task.bpf.c",
        sha256="aa11",
        programs=(
            ProgramUse(
                name="on_fork", section="kprobe/wake_up", helpers=("probe_read",)
            ),
            ProgramUse(name="on_exec", section="?tp_btf/exec", helpers=("ktime",)),
        ),
        maps=(MapUse(name="tasks", type="hash"),),
    ),
    ObjectUse(path="skb/skb.bpf.c", sha256="bb22"),
)


def results() -> RunResults:
    return run(
        case("4.4", S, message="needs >=5.5: tp_btf"),
        case("4.4", P, "other", object_path="skb/skb.bpf.c"),
        case("5.10", P),
        case("6.1", F),
        case("6.12", P),
        kernels=(
            kernel("4.4", btf_source="btfhub ubuntu/16.04", libbpf="1.1"),
            kernel("5.10", btf_source="kernel /sys/kernel/btf/vmlinux", libbpf="1.1"),
            kernel("6.1", btf_source="kernel", libbpf="1.4", image_sha256="cc33"),
            kernel("6.12", btf_source=""),
        ),
        objects=USES,
    )


def test_it_states_the_range_and_each_program_s_oldest_kernel() -> None:
    found = facts(results(), "v1.2")
    assert found.ranges.statement == "4.4 – 6.12, except 6.1"  # noqa: RUF001
    minimum = {it.program.name: it.ranges.minimum for it in found.programs}
    assert minimum == {"on_fork": "5.10", "on_exec": "5.10"}


def test_it_tells_what_a_kernel_must_have() -> None:
    found = facts(results(), "v1.2")
    assert found.program_types == ("kprobe", "tp_btf")
    assert found.map_types == ("hash",)
    assert found.helpers == ("ktime", "probe_read")


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


def test_gaps_and_failures_have_reasons() -> None:
    found = facts(results(), "v1.2")
    assert [(it.kernels, it.why) for it in found.gaps] == [
        (("4.4",), "needs >=5.5: tp_btf")
    ]
    assert [(it.kernels, it.why) for it in found.failures] == [
        (("6.1",), "there is no such field")
    ]


def test_checksums_and_versions() -> None:
    found = facts(results(), "v1.2")
    assert found.objects == (("task/task.bpf.c", "aa11"), ("skb/skb.bpf.c", "bb22"))
    assert dict(found.tools)["libbpf"] == "1.1, 1.4"


def test_all_of_it_is_in_the_text() -> None:
    text = markdown.release_notes(results(), facts(results(), "v1.2"))
    for part in (
        "## Compatibility of `v1.2`",
        "Works on: `4.4 – 6.12, except 6.1`.",  # noqa: RUF001
        "`external: btfhub ubuntu/16.04`",
        "| `task/task.bpf.c` | `on_fork` | `kprobe/wake_up` | `5.10` |",
        "- map types: `hash`",
        "- helpers: `ktime`, `probe_read`",
        "### Known failures",
        "`needs >=5.5: tp_btf`",
        "`aa11`",
        "`cc33`",
    ):
        assert part in text


def test_the_page_has_the_same() -> None:
    text = page.render(results(), None, facts(results(), "v1.2"))
    for part in ("What a kernel must have", "Known failures", "Known gaps", "cc33"):
        assert part in text
