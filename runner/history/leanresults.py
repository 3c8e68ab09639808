"""A run without its evidence, which takes half of the time to read.

A history keeps how cases ended, and neither what was read nor what was printed.
"""

from pydantic import ConfigDict, Field

from runner.results import (
    CaseResult,
    Match,
    Mismatch,
    ObjectUse,
    Phases,
    Printed,
    ProgramCost,
    ProgramState,
    RunResults,
    SourceExcerpt,
)

# A key that no file has: what is under the field's own name is passed over.
_NOT_READ = "\0"


class LeanCost(ProgramCost):
    """What a program cost, as far as machines agree on it."""

    model_config = ConfigDict(extra="ignore")

    insns_limit: int | None = Field(default=None, validation_alias=_NOT_READ)
    total_states: int | None = Field(default=None, validation_alias=_NOT_READ)
    verification_usec: int | None = Field(default=None, validation_alias=_NOT_READ)
    bytes_jited: int | None = Field(default=None, validation_alias=_NOT_READ)
    bytes_memlock: int | None = Field(default=None, validation_alias=_NOT_READ)


class LeanCase(CaseResult):
    """A case without evidence: these fields are empty, whatever the file says."""

    model_config = ConfigDict(extra="ignore")

    cost: tuple[LeanCost, ...] = ()
    matches: tuple[Match, ...] = Field(default=(), validation_alias=_NOT_READ)
    mismatches: tuple[Mismatch, ...] = Field(default=(), validation_alias=_NOT_READ)
    programs: tuple[ProgramState, ...] = Field(default=(), validation_alias=_NOT_READ)
    commands: tuple[Printed, ...] = Field(default=(), validation_alias=_NOT_READ)
    phases: Phases = Field(default=Phases(), validation_alias=_NOT_READ)
    excerpt: SourceExcerpt | None = Field(default=None, validation_alias=_NOT_READ)
    log: str = Field(default="", validation_alias=_NOT_READ)
    description: str = Field(default="", validation_alias=_NOT_READ)
    nodeid: str = Field(default="", validation_alias=_NOT_READ)
    console: str = Field(default="", validation_alias=_NOT_READ)


class LeanResults(RunResults):
    """A run of such cases."""

    model_config = ConfigDict(extra="ignore")

    cases: tuple[LeanCase, ...] = ()
    objects: tuple[ObjectUse, ...] = Field(default=(), validation_alias=_NOT_READ)
