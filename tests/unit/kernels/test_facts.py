"""What kernels said is kept by their images."""

from dataclasses import replace
from pathlib import Path

from runner.facts.model import Facts
from runner.facts.traced import EventRecord, Traced
from runner.files.cache import Cache
from runner.kernels import facts

FOUND = Facts(
    release="4.18.0-553.el8_10",
    abilities={"bounded_loops": True, "private_stacks": False},
    helpers={130: True, 211: False},
    programs={26: True},
    maps={27: True},
    milliseconds=12.5,
)


def test_what_a_kernel_said_is_known_in_the_next_run(tmp_path: Path) -> None:
    facts.keep(Cache(tmp_path), "a" * 64, FOUND)

    assert facts.known(Cache(tmp_path), "a" * 64) == FOUND
    assert facts.known(Cache(tmp_path), "b" * 64) is None


def test_damaged_facts_are_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    facts.keep(cache, "a" * 64, FOUND)
    (file,) = (tmp_path / "refs").glob("facts-*.json")

    file.write_text('{"release": 7}')

    assert facts.known(cache, "a" * 64) is None


def test_a_digest_tells_facts_apart_and_not_how_long_they_took() -> None:
    other = Facts(release="5.14.0", abilities={"bounded_loops": False})
    again = Facts(release="x", abilities={"bounded_loops": False}, milliseconds=3)

    assert len({FOUND.digest, other.digest, again.digest}) == 2


def test_what_is_learnt_later_is_known_with_the_rest_and_grows(tmp_path: Path) -> None:
    cache, image, record = Cache(tmp_path), "a" * 64, EventRecord(fields=())
    facts.keep(cache, image, FOUND)

    facts.keep_traced(cache, image, Traced(events={"sched/sched_switch": record}))
    facts.keep_traced(cache, image, Traced(events={"sched/sched_wakeup": record}))

    found = facts.known(Cache(tmp_path), image)
    assert found is not None
    assert found.traced.events.keys() == {"sched/sched_switch", "sched/sched_wakeup"}
    assert replace(found, traced=FOUND.traced) == FOUND
    assert found.digest != FOUND.digest
