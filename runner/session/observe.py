"""What bpftool sees in a guest of the maps and programs that a case looks at."""

from runner import bpftool
from runner.agent import LoadedObject, MapInfo, ProgramInfo
from runner.bpftool import MapDump
from runner.checks import Observations
from runner.errors import GuestError
from runner.session.guest import Guest
from runner.suite import Case, MapExpectation, RowsExpectation, ShowExpectation


def observe(case: Case, guest: Guest, loaded: LoadedObject) -> Observations:
    """Dump and show what the case's expectations name; what is missing stays out.

    Raises GuestError when the guest is lost or its kernel can't be asked.
    """
    maps = {info.name: info for info in loaded.maps}
    programs = {info.name: info for info in loaded.programs}
    shown = [it for it in case.expect if isinstance(it, ShowExpectation)]
    dumped = {
        it.map
        for it in case.expect
        if isinstance(it, MapExpectation | RowsExpectation) and it.map in maps
    }
    with guest.doing("reading maps and programs by bpftool"):
        return Observations(
            maps={name: dump(guest, maps[name]) for name in sorted(dumped)},
            map_shows={
                it.map: bpftool.parse_map_show(
                    guest.run(bpftool.map_show(_id(maps[it.map])))
                )
                for it in shown
                if it.map is not None and it.map in maps
            },
            program_shows={
                it.program: bpftool.parse_prog_show(
                    guest.run(bpftool.prog_show(_id(programs[it.program])))
                )
                for it in shown
                if it.program is not None and it.program in programs
            },
            map_names=tuple(maps),
            program_names=tuple(programs),
        )


def dump(guest: Guest, info: MapInfo) -> MapDump:
    """Return a map's rows as `bpftool map dump` shows them."""
    return bpftool.parse_map_dump(guest.run(bpftool.map_dump(_id(info))))


def _id(info: MapInfo | ProgramInfo) -> int:
    # BPF_OBJ_GET_INFO_BY_FD came with 4.13.
    if info.id is None:
        raise GuestError(
            f"the kernel gives {info.name} no id, by which bpftool would find it",
            hint="ids came with 4.13; there is no other way to it yet",
        )
    return info.id
