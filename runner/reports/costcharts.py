"""What programs cost the verifier, kernel by kernel."""

from collections.abc import Sequence
from dataclasses import dataclass

from runner.results import ProgramCost, RunResults


@dataclass(frozen=True, kw_only=True)
class KernelCost:
    """What a program costs one kernel."""

    kernel: str
    cost: ProgramCost


@dataclass(frozen=True, kw_only=True)
class ProgramCosts:
    """What a program costs each kernel that tells, in the order of the run."""

    object_path: str
    name: str
    kernels: tuple[KernelCost, ...]

    @property
    def most(self) -> int:
        """The instructions that the verifier processed, where they were most."""
        return max((it.cost.verified_insns or 0 for it in self.kernels), default=0)

    @property
    def alike(self) -> list[tuple[tuple[str, ...], ProgramCost]]:
        """The kernels with the same cost together, and that cost.

        The time, which is another one each time, is the longest one.
        """
        found: dict[ProgramCost, list[KernelCost]] = {}
        for it in self.kernels:
            timeless = it.cost.model_copy(update={"verification_usec": None})
            found.setdefault(timeless, []).append(it)
        return [(_ids(on), _slowest(cost, on)) for cost, on in found.items()]

    @property
    def differs(self) -> bool:
        """Whether kernels differ."""
        return self.least != self.most

    @property
    def least(self) -> int:
        """The same, where they were fewest."""
        return min((it.cost.verified_insns or 0 for it in self.kernels), default=0)


def _ids(found: Sequence[KernelCost]) -> tuple[str, ...]:
    return tuple(it.kernel for it in found)


def _slowest(cost: ProgramCost, found: Sequence[KernelCost]) -> ProgramCost:
    known = [it.cost.verification_usec for it in found]
    longest = max((it for it in known if it is not None), default=None)
    return cost.model_copy(update={"verification_usec": longest})


def by_program(results: RunResults) -> list[ProgramCosts]:
    """Return the costs of the programs, the most expensive one first.

    Of several cases that load a program, the one counts where it cost most. Kernels
    that do not tell the processed instructions are left out.
    """
    order = {kernel.id: number for number, kernel in enumerate(results.kernels)}
    found: dict[tuple[str, str], dict[str, ProgramCost]] = {}
    for case in results.cases:
        for cost in case.cost:
            if cost.verified_insns is None or case.kernel not in order:
                continue
            known = found.setdefault((case.object_path, cost.program), {})
            other = known.get(case.kernel)
            if other is None or (other.verified_insns or 0) < cost.verified_insns:
                known[case.kernel] = cost
    programs = [
        ProgramCosts(object_path=path, name=name, kernels=_ordered(costs, order))
        for (path, name), costs in found.items()
    ]
    return sorted(programs, key=lambda it: (-it.most, it.object_path, it.name))


def _ordered(
    costs: dict[str, ProgramCost], order: dict[str, int]
) -> tuple[KernelCost, ...]:
    ids: Sequence[str] = sorted(costs, key=order.__getitem__)
    return tuple(KernelCost(kernel=id_, cost=costs[id_]) for id_ in ids)
