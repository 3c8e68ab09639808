"""Maps of a command that has ended, which its recorder keeps for the suite."""

from collections.abc import Sequence

from runner.bpf import bpftool
from runner.bpf.bpftool import MapDump
from runner.case import loaders
from runner.errors import UsageError
from runner.guest.guest import Guest
from runner.suites.checks.loaded import kept_name
from runner.suites.model import Case, MapExpectation, RowsExpectation


def wanted(case: Case) -> tuple[str, ...]:
    """Return the maps that a case with a command looks into."""
    looking = (
        it.map for it in case.expect if isinstance(it, MapExpectation | RowsExpectation)
    )
    return tuple(dict.fromkeys(looking))


def dumps(names: Sequence[str], guest: Guest) -> dict[str, MapDump]:
    """Return the rows of those maps that there are, by the names that are given.

    Raises GuestError when the guest is lost.
    """
    with guest.doing("reading maps"):
        try:
            there = loaders.look(guest).loaded.maps
        except UsageError:
            # A kernel before 4.13 keeps none either.
            return {}
        # Nobody else loads anything in this guest; of two, the last is the newest.
        ids = {info.name: info.id for info in there}
        order = guest.kernel.architecture.elf.byte_order
        return {
            name: bpftool.parse_map_dump(guest.run(bpftool.map_dump(id_)), order)
            for name in names
            if (id_ := ids.get(kept_name(name))) is not None
        }
