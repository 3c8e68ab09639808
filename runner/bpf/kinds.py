"""Kinds of BTF's types and of CO-RE's relocations, by their numbers."""

from enum import IntEnum


class Kind(IntEnum):
    """Kinds of types (Documentation/bpf/btf.rst)."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


class RelocationKind(IntEnum):
    """Kinds of CO-RE relocations (enum bpf_core_relo_kind)."""

    BYTE_OFF = 0
    BYTE_SZ = 1
    FIELD_EXISTS = 2
    SIGNED = 3
    LSHIFT_U64 = 4
    RSHIFT_U64 = 5
    LOCAL_TYPE_ID = 6
    TARGET_TYPE_ID = 7
    TYPE_EXISTS = 8
    TYPE_SIZE = 9
    ENUMVAL_EXISTS = 10
    ENUMVAL_VALUE = 11
    TYPE_MATCHES = 12

    @property
    def libbpf_name(self) -> str:
        """Return what libbpf calls it."""
        return self.name.lower()

    @property
    def is_of_field(self) -> bool:
        """Tell whether it is about a field, not a type or an enumerator."""
        return self <= RelocationKind.RSHIFT_U64

    @property
    def is_of_enumerator(self) -> bool:
        """Tell whether it is about an enumerator."""
        return self in (RelocationKind.ENUMVAL_EXISTS, RelocationKind.ENUMVAL_VALUE)


# Ids of types differ from build to build of a kernel.
IDS = (RelocationKind.LOCAL_TYPE_ID, RelocationKind.TARGET_TYPE_ID)
