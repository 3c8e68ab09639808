"""Maps in maps of maps, as they are in the guest when a case is checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from runner.bpf import bpftool
from runner.bpf.bpftool import MapDump
from runner.guest.guest import Guest
from runner.suites.checks import innermaps, mapplaces
from runner.suites.checks.mapplaces import Place
from runner.suites.checks.paths import NoSuchPathError
from runner.suites.comparable import Compared
from runner.suites.model import Expectation, ShowExpectation
from runner.suites.references import resolve


@dataclass(frozen=True, kw_only=True)
class InnerMaps:
    """What was read of inner maps, or why there is nothing to read."""

    rows: Mapping[Place, MapDump | str] = field(default_factory=dict)
    # What bpftool shows of them.
    shows: Mapping[Place, Mapping[str, JsonValue] | str] = field(default_factory=dict)


def read(
    expectations: Iterable[Expectation],
    outer: Mapping[str, MapDump],
    types: Mapping[str, str],
    guest: Guest,
    namespace: Mapping[str, JsonValue],
) -> InnerMaps:
    """Return what is expected of inner maps, or why there is nothing to read.

    `outer` is what was read of the object's maps, and `types` are theirs, as libbpf
    names them. Raises UsageError for a reference that names nothing, BpftoolError for a
    map that can't be read, and GuestError when the guest is lost.
    """
    order = guest.kernel.architecture.elf.byte_order
    rows: dict[Place, MapDump | str] = {}
    shows: dict[Place, Mapping[str, JsonValue] | str] = {}
    for it in expectations:
        if not isinstance(it, mapplaces.Looking) or it.map is None:
            continue
        place = mapplaces.place(it, namespace)
        is_shown = isinstance(it, ShowExpectation | Compared) and bool(it.show)
        known = shows if is_shown else rows
        if place is None or it.map not in outer or place in known:
            continue
        key, type_ = resolve(it.inner, namespace), types.get(it.map, "")
        try:
            id_ = innermaps.id_in(outer[it.map], key, type_)
        except NoSuchPathError as nothing:
            known[place] = str(nothing)
            continue
        if is_shown:
            shows[place] = bpftool.parse_show(guest.run(bpftool.show("map", id_)))
        else:
            text = guest.run(bpftool.map_dump(id_))
            rows[place] = bpftool.parse_map_dump(text, order)
    return InnerMaps(rows=rows, shows=shows)
