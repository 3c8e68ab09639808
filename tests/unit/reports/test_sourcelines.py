from pathlib import Path

import pytest

from runner.bpf.compile import compile_object
from runner.files.cache import Cache
from runner.reports.sourcelines import ShownExcerpt, excerpt
from runner.results import SourceExcerpt
from tests.unit.reports.runs import F, case

TEXT = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int counts(struct __sk_buff *skb)
{
\tint length = skb->len;

\tif (length > 100)
\t\treturn skb->mark;
\treturn length;
}
"""


LENGTH = "    int length = skb->len;"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "src/probe.bpf.c"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path


def read(folder: Path, source: str, source_path: str) -> ShownExcerpt | None:
    return excerpt(case("6.1", F, source=source, source_path=source_path), folder)


def numbers(found: ShownExcerpt) -> list[int]:
    return [it.number for it in found.lines]


def test_some_lines_around_the_one_that_counts(tmp_path: Path, source: Path) -> None:
    found = read(tmp_path, "src/probe.bpf.c:7", "src/probe.bpf.c")

    assert found is not None
    assert numbers(found) == [4, 5, 6, 7, 8, 9, 10]
    assert [it.text for it in found.lines if it.counts] == [LENGTH]
    assert (found.read_from, found.is_of_object) == (source, False)


def test_lines_that_the_run_kept_come_first(tmp_path: Path, source: Path) -> None:
    kept = SourceExcerpt(first=6, lines=("six", "seven", "eight"))
    failed = case("6.1", F, source="src/probe.bpf.c:7", excerpt=kept)

    found = excerpt(failed, tmp_path)

    assert found is not None
    assert [(it.number, it.text, it.counts) for it in found.lines] == [
        (6, "six", False),
        (7, "seven", True),
        (8, "eight", False),
    ]


def test_a_name_is_looked_for_next_to_the_object_too(
    tmp_path: Path, source: Path
) -> None:
    found = read(tmp_path, "probe.bpf.c:1", "src/probe.bpf.o")

    assert found is not None
    assert numbers(found) == [1, 2, 3, 4]
    assert found.read_from == source


def test_an_object_whose_source_is_gone_has_the_lines_with_instructions(
    tmp_path: Path, source: Path
) -> None:
    built = compile_object(source, Cache())
    (tmp_path / "probe.bpf.o").write_bytes(built.read_bytes())
    source.unlink()

    found = read(tmp_path, "probe.bpf.c:7", "probe.bpf.o")

    assert found is not None
    assert found.is_of_object
    assert [it.text for it in found.lines if it.counts] == ["int length = skb->len;"]
    assert 8 not in numbers(found)


@pytest.mark.parametrize(
    "place",
    ["", "probe.bpf.c", "src/probe.bpf.c:99", "src/gone.bpf.c:1", "a\0b:1"],
)
def test_nothing_where_there_is_no_such_line(
    tmp_path: Path, source: Path, place: str
) -> None:
    assert read(tmp_path, place, "src/gone.bpf.o") is None


def test_a_damaged_object_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "probe.bpf.o").write_bytes(b"\x7fELF, but cut")
    assert read(tmp_path, "probe.bpf.c:7", "probe.bpf.o") is None
