"""A map's rows, as bpftool would dump them.

bpftool asks for maps by their ids, which kernels have since 4.13. Below that the agent
reads the rows, and this formats them by the object's own BTF.

Global data, which no kernel has that has no ids (5.2), is dumped by bpftool; only its
variables are named here, where a loader gave the map no BTF.
"""

from collections.abc import Iterable
from dataclasses import replace

from pydantic import JsonValue

from runner.bpf import mapdefinitions
from runner.bpf import object as bpf_object
from runner.bpf.bpftool import CpuValue, MapDump, MapRow
from runner.bpf.btf import Btf, BtfError
from runner.bpf.kinds import Kind
from runner.bpf.values import Formatter, GivenUpError
from runner.guest.replies import RawDump, RawRow
from runner.suites.checks.equality import number


def map_dump(dump: RawDump, btf: Btf) -> MapDump:
    """Return a map's rows as bpftool would dump them, by the object's BTF.

    Raises BtfError when the BTF does not hold what the map names.
    """
    if dump.value_type and btf.type(dump.value_type).kind is Kind.DATASEC:
        raise BtfError("bpftool formats global data")
    formatter = Formatter(btf)
    return MapDump(rows=tuple(_row(row, dump, formatter) for row in dump.rows))


def with_variables(dump: MapDump, name: str, data: bytes) -> MapDump:
    """Return a dump of global data that names its variables.

    Not every loader gives such maps their BTF, by which bpftool would do it: then the
    object's own is used. `name` is the map's, `data` the object.
    """
    if not dump.rows or any(it.formatted_value is not None for it in dump.rows):
        return dump
    item = bpf_object.read(data)
    sections = [
        it
        for it in item.btf.sections()
        if it.name.startswith(".") and name.endswith(it.name)
    ]
    if not sections:
        return dump
    # What stands in the BTF itself is 0 until a loader has put it there.
    places = {it.name: it.value for it in item.symbols}
    formatter = Formatter(item.btf)
    rows = tuple(
        replace(
            row,
            formatted_value={
                variable: formatter.partial(type_, row.value[places[variable] :])
                for variable, type_ in item.btf.variables(sections[0])
                if variable in places
            },
        )
        for row in dump.rows
    )
    return MapDump(rows=rows)


def with_ids(dump: MapDump, name: str, data: bytes) -> MapDump:
    """Return a dump of a map of maps whose keys are formatted, with ids as its values.

    libbpf gives such maps no BTF, so bpftool shows bytes. `data` is the object.
    """
    if not dump.rows or any(it.formatted_value is not None for it in dump.rows):
        return dump
    btf = bpf_object.read(data).btf
    definition = mapdefinitions.of_object(btf).get(name)
    key = definition.key if definition is not None else None
    formatter = Formatter(btf)
    rows = (
        replace(
            row,
            formatted_key=None if key is None else formatter.partial(key, row.key),
            formatted_value=number(row.value),
        )
        for row in dump.rows
    )
    return MapDump(rows=tuple(rows))


def _row(row: RawRow, dump: RawDump, formatter: Formatter) -> MapRow:
    if row.error:
        return MapRow(key=row.key, error=row.error)
    parts = row.values if row.value is None else (row.value,)
    key, values = _values_of(row.key, parts, dump, formatter)
    shown = [*values, *[None] * (len(parts) - len(values))]
    if row.value is not None:
        return MapRow(
            key=row.key, value=row.value, formatted_key=key, formatted_value=shown[0]
        )
    cpus = (
        CpuValue(cpu=cpu, data=data, formatted=value)
        for cpu, (data, value) in enumerate(zip(parts, shown, strict=True))
    )
    return MapRow(key=row.key, cpus=tuple(cpus), formatted_key=key)


def _values_of(
    key: bytes, parts: Iterable[bytes], dump: RawDump, formatter: Formatter
) -> tuple[JsonValue, list[JsonValue]]:
    """Return a row's key and its values, up to where bpftool stops."""
    shown: list[JsonValue] = []
    shown_key: JsonValue = None
    if not dump.value_type:
        return shown_key, shown
    try:
        if dump.key_type:
            shown_key = formatter.value(dump.key_type, key)
    except GivenUpError as given_up:
        return given_up.value, shown
    for data in parts:
        try:
            shown.append(formatter.value(dump.value_type, data))
        except GivenUpError as given_up:
            return shown_key, [*shown, given_up.value]
    return shown_key, shown
