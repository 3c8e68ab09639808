"""An object in the other byte order, for libbpf to read; no kernel could run it.

libbpf up to 1.4 opens objects of this machine's byte order only. What it reads of one
when it opens it is converted here: the tables of ELF, instructions, BTF and .BTF.ext.
Values of variables stay as they are.
"""

import struct
from collections.abc import Callable, Mapping

from runner.bpf.insn import SIZE
from runner.bpf.object import BpfObject, ObjectError

_OTHER = {"<": ">", ">": "<"}
_DATA = 5
# Elf64_Ehdr behind e_ident, Elf64_Shdr.
_HEADER, _HEADER_AT = "HHIQQQIHHHHHH", 16
_SECTION = "IIQQQQIIQQ"
_SECTION_SIZE = 64
# By sh_type: Elf64_Sym, Elf64_Rela, Elf64_Rel.
_TABLES: Mapping[int, str] = {2: "IBBHQQ", 4: "QQq", 9: "QQ"}
_PROGBITS = 1
_EXECUTABLE = 4
# What libbpf takes as a number: kern_version.
_VERSION = "version"
# Magic, version and flags.
_BTF_HEAD = 4


def swapped(item: BpfObject) -> bytes:
    """Return an object in the other byte order. Raises ObjectError."""
    try:
        return bytes(_swapped(item))
    except (struct.error, IndexError, ValueError) as error:
        raise item.damaged(str(error)) from error


def in_order(item: BpfObject, order: str) -> bytes:
    """Return an object in a byte order, "<" or ">". Raises ObjectError."""
    return item.data if item.order == order else swapped(item)


def _swapped(item: BpfObject) -> bytearray:
    data, order = bytearray(item.data), item.order
    header = struct.unpack_from(order + _HEADER, data, _HEADER_AT)
    table, size, count = header[5], header[10], header[11]
    if size != _SECTION_SIZE:
        raise ObjectError(f"{item.path}: its sections are not those of 64 bits")
    # More than 65,279 sections stand elsewhere; no compiler makes so many.
    if count != len(item.sections):
        raise item.damaged(f"it has {count} sections")
    for index, section in enumerate(item.sections):
        at = table + index * size
        fields = struct.unpack_from(order + _SECTION, data, at)
        convert = _conversion(section.name, fields[1], fields[2])
        start, length = section.offset, len(section.data)
        data[start : start + length] = convert(section.data, order)
        struct.pack_into(_OTHER[order] + _SECTION, data, at, *fields)
    struct.pack_into(_OTHER[order] + _HEADER, data, _HEADER_AT, *header)
    data[_DATA] = 2 if order == "<" else 1
    return data


def _conversion(name: str, kind: int, flags: int) -> Callable[[bytes, str], bytes]:
    if kind in _TABLES:
        return lambda data, order: _rows(data, order, _TABLES[kind])
    if kind == _PROGBITS and flags & _EXECUTABLE:
        return _code
    return _BY_NAME.get(name, lambda data, order: data)


def _rows(data: bytes, order: str, layout: str) -> bytes:
    row, other = struct.Struct(order + layout), struct.Struct(_OTHER[order] + layout)
    whole = len(data) // row.size * row.size
    return (
        b"".join(other.pack(*it) for it in row.iter_unpack(data[:whole])) + data[whole:]
    )


def _code(data: bytes, order: str) -> bytes:
    """Convert instructions: their registers' halves change places, too."""
    row, other = struct.Struct(order + "BBhi"), struct.Struct(_OTHER[order] + "BBhi")
    whole = len(data) // SIZE * SIZE
    return (
        b"".join(
            other.pack(code, (registers & 15) << 4 | registers >> 4, offset, imm)
            for code, registers, offset, imm in row.iter_unpack(data[:whole])
        )
        + data[whole:]
    )


def _words(data: bytes, order: str) -> bytes:
    return _rows(data, order, "I")


def _btf_head(data: bytes, order: str) -> bytes:
    magic, version, flags = struct.unpack_from(order + "HBB", data)
    return struct.pack(_OTHER[order] + "HBB", magic, version, flags)


def _btf(data: bytes, order: str) -> bytes:
    """Convert BTF: all but its strings is words of 32 bits."""
    if not data:
        return data
    header, types, size = struct.unpack_from(order + "III", data, _BTF_HEAD)
    found = bytearray(data)
    found[:_BTF_HEAD] = _btf_head(data, order)
    for start, end in ((_BTF_HEAD, header), (header + types, header + types + size)):
        found[start:end] = _words(data[start:end], order)
    return bytes(found[: len(data)])


def _btf_ext(data: bytes, order: str) -> bytes:
    """Convert .BTF.ext, which is words of 32 bits."""
    if not data:
        return data
    return _btf_head(data, order) + _words(data[_BTF_HEAD:], order)


_BY_NAME: Mapping[str, Callable[[bytes, str], bytes]] = {
    ".BTF": _btf,
    ".BTF.ext": _btf_ext,
    _VERSION: _words,
}
