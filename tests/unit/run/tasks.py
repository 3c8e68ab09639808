"""Tasks of kernels that there are only in tests."""

from dataclasses import dataclass

from runner.matrix.matrix import DebianSource, Kernel
from runner.run.lease import Need


def need(kernel: str, tenant: str) -> Need:
    """Return the need of a kernel's tenant."""
    source = DebianSource(type="debian", suite="bookworm")
    return Need(kernel=Kernel(id=kernel, source=source), tenant=tenant)


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """A task that is known by its number."""

    need: Need
    number: int

    def __str__(self) -> str:
        return f"{self.need.kernel.id}{self.need.tenant}{self.number}"
