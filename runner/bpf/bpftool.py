"""What bpftool prints as JSON, as values; checked with bpftool 7.1."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NoReturn

from pydantic import JsonValue

from runner.arch.model import ByteOrder
from runner.bpf.insn import LD_IMM64, Insn
from runner.errors import RunnerError

# Where a guest has it.
PROGRAM = "/usr/sbin/bpftool"
_SYMBOLS = "/proc/kallsyms"

# What it calls them.
_KINDS = {"map": "map", "program": "prog"}

_EXCERPT = 60

# bpftool gives up on a type that it does not know, floats among them, in the middle
# of a struct: {"before":0,"real":(unsupported-kind}. What a JSON string holds is
# matched first, so that it is left alone.
_STRING_OR_UNSUPPORTED = re.compile(
    r'("(?:[^"\\]|\\.)*")|\(unsupported-kind\)?', re.DOTALL
)
UNSUPPORTED = "(unsupported-kind)"

# What bpftool adds to EINVAL.
_TOO_OLD = "kernel too old?"

_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,2}")

_BYTE = re.compile(r"0x[0-9a-fA-F]{2}")


class BpftoolError(RunnerError):
    """bpftool reported an error, or printed what can't be understood."""


class BigEndian(bytes):
    """Bytes of a kernel whose numbers begin with their most significant byte."""


@dataclass(frozen=True, kw_only=True)
class CpuValue:
    """One CPU's value in a row of a per-CPU map."""

    cpu: int
    data: bytes
    # None without BTF.
    formatted: JsonValue = None


@dataclass(frozen=True, kw_only=True)
class MapRow:
    """A row of a map.

    Formatted structs hold the members of anonymous structs and unions as their own,
    as C does; formatted global data is a mapping of the variables.
    """

    key: bytes
    # Empty in a per-CPU map.
    value: bytes = b""
    # Empty in any other map.
    cpus: tuple[CpuValue, ...] = ()
    # None without BTF, and in global data, which has no key type.
    formatted_key: JsonValue = None
    # None without BTF, and in a per-CPU map.
    formatted_value: JsonValue = None
    # Why the value could not be read; perf event arrays never can.
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class MapDump:
    """All rows of a map, in bpftool's order."""

    rows: tuple[MapRow, ...]


def map_dump(id_: int) -> list[str]:
    """Return the command that dumps a map's rows."""
    return [PROGRAM, "-j", "map", "dump", "id", str(id_)]


def show(kind: Literal["map", "program"], id_: int | None = None) -> list[str]:
    """Return the command that shows what a map or program is, or all of them."""
    which = [] if id_ is None else ["id", str(id_)]
    return [PROGRAM, "-j", _KINDS[kind], "show", *which]


def prog_dump(id_: int) -> list[str]:
    """Return the command that prints a program as the kernel runs it.

    bpftool reads all of the kernel's symbols first, for names that are not wanted here.
    That takes most of a second without KVM, so the command hides them from it, and from
    nobody else.
    """
    dump = f"{PROGRAM} -j prog dump xlated id {id_} opcodes"
    hide = f"mount --bind /dev/null {_SYMBOLS} 2>/dev/null"
    return ["unshare", "-m", "sh", "-c", f"{hide}; exec {dump}"]


def parse_list(text: str) -> Sequence[Mapping[str, JsonValue]] | None:
    """Read what `show` prints of all; None where the kernel is too old (before 4.13).

    Raises BpftoolError.
    """
    # Where there are none, bpftool prints nothing at all for maps.
    shown = _parse(text) if text.strip() else []
    if not isinstance(shown, list):
        _refuse("expected a list of programs or maps", shown)
    rows = [it for it in shown if isinstance(it, dict)]
    # Reported in the list, where the next one would be.
    error = next((str(it["error"]) for it in rows if "error" in it), "")
    if error and _TOO_OLD not in error:
        raise BpftoolError(f"bpftool: {error}")
    return None if error else rows


def parse_map_dump(text: str, byte_order: ByteOrder = "little") -> MapDump:
    """Read what `map_dump` prints on a kernel of a byte order. Raises BpftoolError."""
    rows = _parse(text)
    if not isinstance(rows, list):
        _refuse("expected a map dump as a list of rows", rows)
    found = MapDump(rows=tuple(_row(row) for row in rows))
    return found if byte_order == "little" else _big_endian(found)


def _big_endian(dump: MapDump) -> MapDump:
    def turned(row: MapRow) -> MapRow:
        return replace(
            row,
            key=BigEndian(row.key),
            value=BigEndian(row.value),
            cpus=tuple(replace(it, data=BigEndian(it.data)) for it in row.cpus),
        )

    return replace(dump, rows=tuple(map(turned, dump.rows)))


def parse_show(text: str) -> Mapping[str, JsonValue]:
    """Read what `show` prints of one. Raises BpftoolError."""
    value = _parse(text)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict) or not isinstance(value.get("id"), int):
        _refuse("expected a program or map to be an object with an 'id'", value)
    return value


def parse_prog_dump(text: str, byte_order: ByteOrder = "little") -> tuple[Insn, ...]:
    """Read what `prog_dump` prints. Raises BpftoolError."""
    rows = _parse(text)
    if not isinstance(rows, list):
        _refuse("expected a program's dump as a list of instructions", rows)
    found: list[Insn] = []
    for row in rows:
        # Functions and lines of source have rows of their own.
        codes = row.get("opcodes") if isinstance(row, dict) else None
        if codes is None:
            continue
        if not isinstance(codes, dict):
            _refuse("expected 'opcodes' to be an object", codes)
        found += _instructions(codes, byte_order)
    return tuple(found)


def _instructions(
    codes: Mapping[str, JsonValue], byte_order: ByteOrder
) -> Iterator[Insn]:
    """Yield an instruction, and the second half of a wide one."""
    numbers = {}
    for name in ("code", "src_reg", "dst_reg"):
        text = codes.get(name)
        if not isinstance(text, str) or not _HEXADECIMAL.fullmatch(text):
            _refuse("expected code and registers as hexadecimal numbers", codes)
        numbers[name] = int(text, 16)
    immediate = _bytes(codes.get("imm"))
    yield Insn(
        code=numbers["code"],
        dst=numbers["dst_reg"],
        src=numbers["src_reg"],
        offset=_signed(_bytes(codes.get("off")), byte_order),
        imm=_signed(immediate[:4], byte_order),
    )
    if numbers["code"] == LD_IMM64:
        yield Insn(
            code=0, dst=0, src=0, offset=0, imm=_signed(immediate[4:], byte_order)
        )


def _signed(data: bytes, byte_order: ByteOrder) -> int:
    return int.from_bytes(data, byte_order, signed=True)


# -------------------------------------------------------------------- JSON


def _parse(text: str) -> JsonValue:
    if not text.strip():
        raise BpftoolError(
            "bpftool printed nothing",
            hint="nothing has that name, or bpftool crashed; read its stderr",
        )
    try:
        value: JsonValue = json.loads(
            _STRING_OR_UNSUPPORTED.sub(_quote_unsupported, text),
            object_pairs_hook=with_inner_members,
            parse_constant=_no_constant,
        )
    # ValueError covers JSONDecodeError and integers of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise BpftoolError(
            f"bpftool's output is not JSON: {error}: {_excerpt(text)}",
            hint="its output was cut short, or it printed a warning to standard output",
        ) from error
    if isinstance(value, dict) and "error" in value:
        raise BpftoolError(f"bpftool: {value['error']}")
    return value


def _quote_unsupported(match: re.Match[str]) -> str:
    return match[1] or json.dumps(UNSUPPORTED)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a value that bpftool prints")


def with_inner_members(pairs: Iterable[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    """Make a mapping of members; those of anonymous members become its own.

    Raises ValueError when two members of a name have different values.
    """
    members: dict[str, JsonValue] = {}
    for name, value in pairs:
        # bpftool prints one "" for each anonymous struct, so names occur twice.
        inner = value if name == "" and isinstance(value, dict) else {name: value}
        for inner_name, inner_value in inner.items():
            if members.setdefault(inner_name, inner_value) != inner_value:
                raise ValueError(f"{inner_name!r} has two values")
    return members


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…")


def _refuse(rule: str, value: object) -> NoReturn:
    raise BpftoolError(f"can't parse bpftool's output: {rule}: {_excerpt(str(value))}")


# ---------------------------------------------------------------- map dumps


def _row(row: JsonValue) -> MapRow:
    if not isinstance(row, dict):
        _refuse("expected a row to be an object", row)
    # Reported between the rows when the map can't be walked any further.
    if "key" not in row and "error" in row:
        raise BpftoolError(f"bpftool: {row['error']}")
    key = _bytes(row.get("key"))
    formatted = row.get("formatted", {})
    if not isinstance(formatted, dict):
        _refuse("expected 'formatted' to be an object", formatted)
    if "values" in row:
        return MapRow(
            key=key,
            cpus=_cpus(row["values"], formatted.get("values", [])),
            formatted_key=_restore_text(formatted.get("key")),
        )
    value = row.get("value")
    if isinstance(value, dict) and "error" in value:
        return MapRow(key=key, error=str(value["error"]))
    formatted_value = _restore_text(formatted.get("value"))
    return MapRow(
        key=key,
        value=_bytes(value),
        formatted_key=_restore_text(formatted.get("key")),
        formatted_value=formatted_value
        if "key" in formatted
        else _global_data(formatted_value),
    )


def _cpus(values: JsonValue, formatted: JsonValue) -> tuple[CpuValue, ...]:
    if not isinstance(values, list) or not isinstance(formatted, list):
        _refuse("expected 'values' as a list with an object for each CPU", values)
    by_cpu: dict[int, JsonValue] = {}
    for value in formatted:
        cpu, shown = _cpu(value)
        by_cpu[cpu] = _restore_text(shown)
    found = []
    for value in values:
        cpu, data = _cpu(value)
        found.append(CpuValue(cpu=cpu, data=_bytes(data), formatted=by_cpu.get(cpu)))
    return tuple(found)


def _cpu(value: JsonValue) -> tuple[int, JsonValue]:
    if not isinstance(value, dict):
        _refuse("expected a CPU's value to be an object", value)
    cpu = value.get("cpu")
    if isinstance(cpu, bool) or not isinstance(cpu, int) or "value" not in value:
        _refuse("expected a CPU's value to have 'cpu' and 'value'", value)
    return cpu, value["value"]


def _bytes(value: JsonValue) -> bytes:
    if not isinstance(value, list):
        _refuse("expected bytes as a list of strings such as '0x0a'", value)
    data = bytearray()
    for byte in value:
        if not isinstance(byte, str) or not _BYTE.fullmatch(byte):
            _refuse("expected a byte as a string such as '0x0a'", byte)
        data.append(int(byte, 16))
    return bytes(data)


def _restore_text(value: JsonValue) -> JsonValue:
    r"""Put backslashes back into text.

    bpftool's JSON writer prints a backslash as "\n". Only arrays of printable
    characters are printed as text, so a newline in it is always a backslash.
    """
    if isinstance(value, str):
        return value.replace("\n", "\\")
    if isinstance(value, list):
        return [_restore_text(item) for item in value]
    if isinstance(value, dict):
        return {name: _restore_text(item) for name, item in value.items()}
    return value


def _global_data(value: JsonValue) -> JsonValue:
    """Turn {".data": [{"a": 1}, {"b": 2}]} into {"a": 1, "b": 2}."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    (section,) = value.values()
    if not isinstance(section, list):
        return value
    variables: dict[str, JsonValue] = {}
    for variable in section:
        # Static variables of several files may share a name.
        if not isinstance(variable, dict) or variables.keys() & variable.keys():
            return value
        variables.update(variable)
    return variables
