"""Maps in maps of maps, as they are in the guest when a case is checked."""

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from runner.bpf import bpftool
from runner.bpf.bpftool import MapDump
from runner.guest.guest import Guest
from runner.suites.checks import innermaps, mapplaces
from runner.suites.checks.mapplaces import Place
from runner.suites.checks.paths import NoSuchPathError
from runner.suites.model import Expectation, MapExpectation, RowsExpectation
from runner.suites.references import resolve


def read(
    expectations: Iterable[Expectation],
    outer: Mapping[str, MapDump],
    types: Mapping[str, str],
    guest: Guest,
    namespace: Mapping[str, JsonValue],
) -> dict[Place, MapDump | str]:
    """Return the rows of the inner maps that are looked into, or why there are none.

    `outer` is what was read of the object's maps, and `types` are theirs, as libbpf
    names them. Raises UsageError for a reference that names nothing, BpftoolError for a
    map that can't be read, and GuestError when the guest is lost.
    """
    order = guest.kernel.architecture.elf.byte_order
    found: dict[Place, MapDump | str] = {}
    for it in expectations:
        if not isinstance(it, MapExpectation | RowsExpectation) or it.map not in outer:
            continue
        place = mapplaces.place(it, namespace)
        if place is None or place in found:
            continue
        key, type_ = resolve(it.inner, namespace), types.get(it.map, "")
        try:
            id_ = innermaps.id_in(outer[it.map], key, type_)
        except NoSuchPathError as nothing:
            found[place] = str(nothing)
        else:
            text = guest.run(bpftool.map_dump(id_))
            found[place] = bpftool.parse_map_dump(text, order)
    return found
