"""Maps of a command that has ended, which its recorder keeps for the suite."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runner.bpf import bpftool
from runner.bpf.bpftool import MapDump
from runner.case import innermaps, loaders
from runner.errors import UsageError
from runner.guest.guest import Guest
from runner.suites.checks.loaded import kept_name
from runner.suites.checks.mapplaces import Place
from runner.suites.model import Case, MapExpectation, RowsExpectation


def wanted(case: Case) -> tuple[str, ...]:
    """Return the maps that a case with a command looks into."""
    looking = (
        it.map for it in case.expect if isinstance(it, MapExpectation | RowsExpectation)
    )
    return tuple(dict.fromkeys(looking))


@dataclass(frozen=True, kw_only=True)
class HeldMaps:
    """The rows of maps that a suite looks into."""

    # By the names that the suite has.
    maps: Mapping[str, MapDump] = field(default_factory=dict)
    # Those in maps of maps, or why there is nothing to read.
    inner: Mapping[Place, MapDump | str] = field(default_factory=dict)


def merged(runs: Iterable[HeldMaps]) -> HeldMaps:
    """Return what all runs of a command held; of two, the last is the newest."""
    every = list(runs)
    return HeldMaps(
        maps={name: it for run in every for name, it in run.maps.items()},
        inner={place: it for run in every for place, it in run.inner.items()},
    )


def dumps(case: Case, guest: Guest) -> HeldMaps:
    """Return the rows of those maps that there are.

    Raises GuestError when the guest is lost.
    """
    with guest.doing("reading maps"):
        try:
            there = loaders.look(guest).loaded.maps
        except UsageError:
            # A kernel before 4.13 keeps none either.
            return HeldMaps()
        # Nobody else loads anything in this guest; of two, the last is the newest.
        infos = {info.name: info for info in there}
        order = guest.kernel.architecture.elf.byte_order
        held = {
            name: info
            for name in wanted(case)
            if (info := infos.get(kept_name(name))) is not None
        }
        maps = {
            name: bpftool.parse_map_dump(guest.run(bpftool.map_dump(info.id)), order)
            for name, info in held.items()
            if info.id is not None
        }
        types = {name: info.type or "" for name, info in held.items()}
        inner = innermaps.read(case.expect, maps, types, guest, {})
        return HeldMaps(maps=maps, inner=inner.rows)
