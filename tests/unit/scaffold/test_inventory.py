from pathlib import Path

from runner.scaffold import inventory
from tests.unit.scaffold import sources
from tests.unit.scaffold.objects import inventory_of


def test_a_counter_is_known_by_its_instructions(tmp_path: Path) -> None:
    found = inventory_of(tmp_path, sources.COUNTER.replace("SECTION", "xdp"))

    (count,) = found.maps
    assert (count.name, count.type, count.max_entries) == ("count", "array", 1)
    assert count.is_counted
    (hit,) = found.programs
    assert (hit.section, {*hit.maps}) == ("xdp", {"count"})


def test_a_map_is_told_apart_from_one_that_is_cleared(tmp_path: Path) -> None:
    found = inventory_of(tmp_path, sources.BY_PID)

    cleared = {it.name: it.is_deleted_from for it in found.maps}
    assert cleared == {"by_pid": False, "started": True}
    assert all(it.is_updated for it in found.maps)
    assert [it.path for it in found.maps[0].values] == ["comm", "uid"]


def test_a_struct_that_the_btf_has_is_a_record(tmp_path: Path) -> None:
    assert list(inventory_of(tmp_path, sources.EVENTS).records) == ["event"]
    assert not inventory_of(tmp_path, sources.NAMELESS_EVENTS).records


def test_what_a_function_does_is_done_by_who_calls_it(tmp_path: Path) -> None:
    body = sources.COUNTER.replace('SEC("SECTION")\nint', "__noinline static int")
    body += 'SEC("xdp") int caller(void *ctx) { return hit(ctx); }\n'

    (caller,) = inventory_of(tmp_path, body).programs
    assert (caller.name, {*caller.maps}) == ("caller", {"count"})


def test_a_source_that_does_not_compile_says_what_its_text_says() -> None:
    text = """
    #include "mine.h"
    /* SEC("xdp") int no(void *ctx) */
    struct {
            __uint(type, BPF_MAP_TYPE_HASH);
            __type(key, u32);
    } one SEC(".maps"), two SEC(".maps");
    SEC("uprobe//usr/lib/libc.so.6:malloc") // a place
    int BPF_UPROBE(on_malloc, size_t size)
    SEC("?fentry/vfs_read")
    static __always_inline int on_read(void *ctx) {}
    char LICENSE[] SEC("license") = "GPL";
    """
    found = inventory.of_source(text)

    assert found.is_guess
    assert [(it.name, it.section, it.is_optional) for it in found.programs] == [
        ("on_malloc", "uprobe//usr/lib/libc.so.6:malloc", False),
        ("on_read", "fentry/vfs_read", True),
    ]
    assert [it.type for it in found.maps][:1] == ["hash"]
