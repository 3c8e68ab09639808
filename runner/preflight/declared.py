"""Parameters as a program's source declares them, by the line of its macro.

BPF_PROG(), BPF_KPROBE() and BPF_KRETPROBE() of libbpf's bpf_tracing.h make an inner
function that is always inlined, so that BTF has no prototype of it. The line of source
that the instructions come from has all that fits on it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from runner.bpf.btf import ENUMERATIONS, Btf, BtfError
from runner.bpf.debuginfo import Function
from runner.bpf.kinds import Kind
from runner.bpf.object import BpfObject

_MACRO = re.compile(r"\bBPF_(?:PROG|KPROBE|KRETPROBE)\s*\(\s*(\w+)\s*,(.*)")
_PARAMETER = re.compile(r"(?P<type>.*[\s*])(?P<name>\w+)")
_QUALIFIERS = re.compile(r"\b(?:const|volatile|struct|union|enum|__\w+)\b")
# Bytes of C's own words for numbers.
_NUMBERS = {
    "int": 4,
    "unsigned": 4,
    "unsigned int": 4,
    "bool": 1,
    "_Bool": 1,
    "char": 1,
    "long": 8,
    "unsigned long": 8,
    "long long": 8,
    "unsigned long long": 8,
}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A parameter that a program declares."""

    # As the source has it: "struct inode *dir".
    text: str
    name: str
    # What it points to, without "struct"; empty for a number.
    to: str
    # Whether that is a struct or union.
    is_record: bool
    # How many pointers: 1 for "struct inode *".
    pointers: int
    # Bytes of a number; 0 where that is not known.
    size: int


def parameters(item: BpfObject, function: Function) -> tuple[Declared, ...]:
    """Return what a program's macro declares; nothing where its source has none."""
    lines = item.debug.lines.get(function.section, ())
    end = function.start + function.size
    for line in lines:
        found = _MACRO.search(line.text) if function.start <= line.start < end else None
        if found and found[1] == function.name:
            return tuple(_parsed(found[2], item.btf))
    return ()


def _parsed(text: str, btf: Btf) -> Iterator[Declared]:
    """Yield parameters up to the macro's end, or to what the line cuts off."""
    depth, begin = 0, 0
    for at, letter in enumerate(text):
        if letter == "(":
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        elif letter in ",)" and not depth:
            found = _parameter(text[begin:at], btf)
            if found is None:
                return
            yield found
            begin = at + 1
            if letter == ")":
                return


def _parameter(text: str, btf: Btf) -> Declared | None:
    found = _PARAMETER.fullmatch(text.strip())
    if found is None or "(" in text or "[" in text:
        return None
    type_, pointers = found["type"].replace("*", " "), found["type"].count("*")
    name = " ".join(_QUALIFIERS.sub(" ", type_).split())
    is_record = bool(re.search(r"\b(?:struct|union)\b", type_))
    return Declared(
        text=" ".join(text.split()),
        name=found["name"],
        to=name if pointers else "",
        is_record=is_record and bool(pointers),
        pointers=pointers,
        size=0 if pointers else _size(name, btf),
    )


def _size(name: str, btf: Btf) -> int:
    if name in _NUMBERS:
        return _NUMBERS[name]
    try:
        id_ = btf.named.get(name)
        found = btf.resolved(id_) if id_ else None
    except BtfError:
        return 0
    is_number = found is not None and found.kind in (Kind.INT, *ENUMERATIONS)
    return found.size if found and is_number else 0
