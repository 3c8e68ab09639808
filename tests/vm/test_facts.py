"""Kernels that are booted say what their versions and their BTF say of them.

These are upstream's stable kernels, of which the version rules are right: where a probe
disagrees, it is the probe that is wrong.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.bpf import btf
from runner.facts.abilities import ABILITIES, Known
from runner.facts.names import PROGRAM_TYPES
from runner.facts.traced import NOTHING_TRACED
from runner.guest import tracing
from runner.guest.guest import Guest
from runner.kernels import facts as kernel_facts
from runner.kernels.rows import KernelChoice
from runner.run.lease import Need
from runner.run.run import Run
from runner.run.settings import Settings
from runner.text.progress import progress
from runner.versions import KernelVersion
from tests.vm.conftest import ROOT

pytestmark = pytest.mark.vm

# Types that the configuration of Debian's cloud kernels leaves out.
LEFT_OUT = {PROGRAM_TYPES.index("lirc_mode2")}


@pytest.fixture(params=["5.10", "6.1", "6.12", "sid"])
def guest(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Guest]:
    """Return a guest of each of Debian's kernels."""
    choice = KernelChoice(matrix=ROOT / "matrix.yaml", selectors=(request.param,))
    run = Run(Settings(kernels=choice, reports=tmp_path))
    run.obtain(progress())
    try:
        with run.guests().lease(Need(kernel=run.kernels[0], tenant="facts")) as up:
            yield up
    finally:
        run.close()


def in_btf(guest: Guest, enum: str, end: str) -> set[int]:
    assert guest.artifact.btf is not None
    known = btf.of_file(guest.artifact.btf)
    found = known.enumerators(known.find(f"enum {enum}"))
    return {value for name, value in found if value and not name.startswith(end)}


def test_a_kernel_says_of_itself_what_is_known_of_it(guest: Guest) -> None:
    facts, version = guest.facts, guest.artifact.version
    assert facts is not None
    by_version = Known(version=version)

    # Each was decided, but for those that no probe asks for: none of these kernels
    # refuses a probe for another reason.
    unasked = {"kernel_functions", "struct_ops", "syscall_tracepoints"}
    assert set(ABILITIES) - set(facts.abilities) == unasked
    assert facts.abilities == {name: by_version.has(name) for name in facts.abilities}
    helpers = in_btf(guest, "bpf_func_id", "__BPF_FUNC_MAX")
    assert {it for it, is_there in facts.helpers.items() if is_there} == helpers
    # bpf_trace_printk and the two that also warn on the console are not tried.
    asked = set(facts.helpers) - {6, 36, 177}
    assert all(set(it) == asked for it in facts.calls.values())
    for allowed in facts.calls.values():
        assert {it for it, is_allowed in allowed.items() if is_allowed} <= helpers
    # bpf_skb_store_bytes, of kprobes and of sched_cls.
    assert (facts.calls[2][9], facts.calls[3][9]) == (False, True)
    programs = in_btf(guest, "bpf_prog_type", "__MAX")
    there = {it for it, is_there in facts.programs.items() if is_there}
    assert there == programs - LEFT_OUT
    maps = in_btf(guest, "bpf_map_type", "__MAX")
    assert facts.maps == {it: it in maps for it in facts.maps}
    assert len(facts.maps) > 20
    # It is asked once.
    image = guest.artifact.image_sha256
    assert kernel_facts.known(guest.cache, image) == facts


def test_a_kernel_says_what_it_traces(guest: Guest) -> None:
    kept = kernel_facts.known(guest.cache, guest.artifact.image_sha256)
    assert kept is not None
    known = btf.of_file(guest.artifact.btf or Path())

    places = ["tp/sched/sched_switch", "tp/sched/no_such_event", "kprobe/vfs_read"]
    found = tracing.grown(guest.agent, NOTHING_TRACED, places)

    assert found is not None
    # What does not exist in a guest may be a module's, which is loaded later.
    assert found.events.keys() == {"sched/sched_switch"}
    record = found.events["sched/sched_switch"]
    for field in record.fields[4:]:
        struct = "struct trace_event_raw_sched_switch"
        assert field.offset == known.offset_of(struct, field.name)
        assert field.size == known.size_of(struct, field.name)
    assert found.functions is not None
    # Of those without anything special nothing is kept.
    assert "vfs_read" not in found.functions.names
    # Its own code can't be traced.
    assert not found.functions.names["ftrace_location"]
    changed = found.functions.changed("finish_task_switch")
    has_isra = guest.artifact.version >= KernelVersion.parse("6.1")
    assert changed == (("finish_task_switch.isra.0",) if has_isra else ())
    # Nothing is asked twice.
    assert tracing.grown(guest.agent, found, [places[0], places[2]]) is None
