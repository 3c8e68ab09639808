"""What a CO-RE relocation is about, by names."""

from dataclasses import dataclass

from runner.bpf.btf import COMPOSITES, Btf, BtfError
from runner.bpf.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Access:
    """What a relocation is about, by names."""

    # "struct task_struct", without a flavor's suffix.
    type_name: str
    # "thread.fsbase", an enumerator, or empty for the type itself.
    path: str

    def __str__(self) -> str:
        if not self.path:
            return self.type_name
        return f"{self.type_name.rpartition(' ')[2]}.{self.path}"


def access(btf: Btf, type_id: int, path: str, *, enumerator: bool = False) -> Access:
    """Return what a relocation's access string, such as "0:2:1", means.

    Raises BtfError for damaged data.
    """
    try:
        numbers = [int(part) for part in path.split(":")]
        return _access(btf, type_id, numbers, enumerator=enumerator)
    except (ValueError, IndexError) as error:
        raise BtfError(f"a relocation is damaged: {error}") from error


def _access(btf: Btf, type_id: int, numbers: list[int], *, enumerator: bool) -> Access:
    found = btf.resolved(type_id)
    type_name = str(found).partition("___")[0]
    if enumerator:
        name, _ = list(btf.enumerators(found))[numbers[0]]
        return Access(type_name=type_name, path=name.partition("___")[0])
    words: list[str] = []
    for number in numbers[1:]:
        if found.kind is Kind.ARRAY:
            words[-1:] = [f"{words[-1]}[{number}]"] if words else [f"[{number}]"]
            found = btf.resolved(btf.array(found)[0])
            continue
        if found.kind not in COMPOSITES:
            raise ValueError(f"no member {number} of a type of kind {found.kind}")
        member = list(btf.members(found))[number]
        words += [member.name] if member.name else []
        found = btf.resolved(member.type_id)
    return Access(type_name=type_name, path=".".join(words))
