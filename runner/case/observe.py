"""What is seen in a guest of the maps and programs that a case looks at.

bpftool looks, wherever the kernel lets it: by ids, which came with 4.13. Below that the
agent reads maps, and nothing says more of programs and maps than the object itself.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from runner import timeouts
from runner.bpf import bpftool, btf, insn
from runner.bpf import object as bpf_object
from runner.bpf.bpftool import MapDump
from runner.bpf.btf import Btf
from runner.case import innermaps
from runner.case.innermaps import InnerMaps
from runner.case.rawdump import map_dump, with_ids, with_variables
from runner.guest.guest import Guest
from runner.guest.replies import LoadedObject, MapInfo
from runner.suites.checks import Observations
from runner.suites.checks.innermaps import OF_MAPS
from runner.suites.comparable import Compared
from runner.suites.model import (
    Case,
    CodeExpectation,
    MapExpectation,
    RowsExpectation,
    ShowExpectation,
    Subject,
)

_NOT_SHOWN = "kernels before 4.13 can't list loaded programs and maps"


def observe(
    case: Case,
    guest: Guest,
    loaded: LoadedObject,
    data: bytes,
    namespace: Mapping[str, JsonValue],
) -> Observations:
    """Dump and show what the case's expectations name; what is missing stays out.

    `data` is the object, `namespace` what references name. Raises GuestError when the
    guest is lost, UsageError for a reference that names nothing.
    """
    maps = {info.name: info for info in loaded.maps}
    ids: dict[Subject, int | None] = {
        **{("program", info.name): info.id for info in loaded.programs},
        **{("map", info.name): info.id for info in loaded.maps},
    }
    dumped: set[str] = {
        it.map
        for it in case.expect
        if isinstance(it, MapExpectation | RowsExpectation) and it.map in maps
    }
    compared = [it for it in case.expect if isinstance(it, Compared)]
    dumped |= {it.dumped for it in compared if it.dumped and it.dumped in maps}
    # An inner map is found by what a map of maps holds.
    dumped |= {
        it.map
        for it in case.expect
        if isinstance(it, ShowExpectation | Compared)
        and it.inner is not None
        and it.map in maps
    }
    shown = [
        it.subject
        for it in case.expect
        if isinstance(it, ShowExpectation) and it.inner is None
    ]
    shown += [it.shown for it in compared if it.show and it.inner is None]
    code = [it for it in case.expect if isinstance(it, CodeExpectation)]
    order = guest.kernel.architecture.elf.byte_order
    has_ids = None not in ids.values()
    types = {info.name: info.type or "" for info in loaded.maps}
    with guest.doing("reading maps and programs"):
        rows = {name: dump(guest, loaded, maps[name], data) for name in sorted(dumped)}
        inner = InnerMaps()
        if has_ids:
            inner = innermaps.read(case.expect, rows, types, guest, namespace)
        return Observations(
            maps=rows,
            inner=inner.rows,
            inner_shows=inner.shows,
            shows={
                it: bpftool.parse_show(guest.run(bpftool.show(it[0], id_)))
                for it in shown
                if (id_ := ids.get(it)) is not None
            },
            xlated={
                it.program: bpftool.parse_prog_dump(
                    guest.run(bpftool.prog_dump(id_)), order
                )
                for it in code
                if it.xlated and (id_ := ids.get(("program", it.program))) is not None
            },
            relocated={
                it.program: insn.decode(
                    guest.agent.instructions(
                        loaded.handle, it.program, timeout=timeouts.READ.seconds
                    ),
                    _ORDERS[order],
                )
                for it in code
                if it.relocated and ("program", it.program) in ids
            },
            layout=_types(guest) if code else None,
            ids=ids,
            not_shown="" if has_ids else _NOT_SHOWN,
        )


# As struct names them.
_ORDERS = {"little": "<", "big": ">"}


def _types(guest: Guest) -> Btf | None:
    path = guest.artifact.btf
    return None if path is None else btf.of_file(path)


def dump(guest: Guest, loaded: LoadedObject, info: MapInfo, data: bytes) -> MapDump:
    """Return a map's rows as `bpftool map dump` shows them; `data` is the object."""
    if info.id is not None:
        order = guest.kernel.architecture.elf.byte_order
        found = bpftool.parse_map_dump(guest.run(bpftool.map_dump(info.id)), order)
        if not data:
            return found
        named = with_ids if info.type in OF_MAPS else with_variables
        return named(found, info.name, data)
    raw = guest.agent.dump(loaded.handle, info.name, timeout=timeouts.READ.seconds)
    return map_dump(raw, bpf_object.read(data).btf)
