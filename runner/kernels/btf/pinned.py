"""BTF that a lock pins: made as a row says, of the files that the lock has."""

from collections.abc import Sequence

from runner.errors import ArtifactError
from runner.kernels.sources.source import PIN_AGAIN, Item
from runner.matrix.matrix import BaseBtf, BtfSource, BtfWord


class PinnedBtf(BaseBtf):
    """A row's key btf, and the files that it meant when it was locked."""

    setting: BtfSource | BtfWord
    # Empty for BTF that the kernel's own files have: those are pinned themselves.
    items: tuple[Item, ...] = ()

    @property
    def type(self) -> str:
        """Return what the row says, in a word."""
        return self.setting if isinstance(self.setting, str) else self.setting.type


def hold(setting: BaseBtf | str, items: Sequence[Item]) -> None:
    """Refuse BTF that was made of other files than its lock has. Raises ArtifactError.

    `items` are those it was made of. What no lock binds may be made of any.
    """
    if not isinstance(setting, PinnedBtf):
        return
    locked = {item.name: item.sha256 for item in setting.items}
    made = {item.name: item.sha256 for item in items}
    if made == locked:
        return
    told = "; ".join(
        f"{name} has the sha256 {made.get(name, 'none')}, but the lock has "
        f"{locked.get(name, 'none')}"
        for name in {**locked, **made}
        if locked.get(name) != made.get(name)
    )
    raise ArtifactError(
        f"its BTF comes from other files than the lock has: {told}",
        hint=PIN_AGAIN,
    )
