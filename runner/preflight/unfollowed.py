"""Objects whose programs take too long to follow, so that what they read is unknown."""

from collections.abc import Iterator, Sequence

from runner.preflight import dataflow
from runner.preflight.arguments import Form
from runner.preflight.model import Effect, Finding, FindingKind
from runner.preflight.places import place_of
from runner.preflight.rules import Code


def findings(code: Code) -> Iterator[Finding]:
    """Yield that what an object's programs read was not compared, if that is so."""
    at = code.dataflow.given_up
    if at is None:
        return
    function = code.item.function_at(*at)
    name = function.name if function else ""
    yield Finding(
        kind=FindingKind.NOT_FOLLOWED,
        effect=Effect.UNKNOWN,
        place=place_of(code.item, at, name),
        subject=name,
        reason=f"{name} was not followed to its end, after {dataflow.MOST_VISITS:,} "
        "steps through the object: arguments, records and reads without a relocation "
        "of all its programs were not compared with the kernel",
        cure="build large programs as objects of their own, or unroll fewer loops; "
        "a boot shows what is read",
    )


def unjudged(code: Code, found: Sequence[Finding]) -> tuple[str, ...]:
    """Return why nobody knows whether an object loads, of what was not followed.

    Only programs whose arguments have types are refused for those.
    """
    if not any(it.hook.form is Form.TYPED for it in code.attached):
        return ()
    return tuple(str(it) for it in found if it.effect is Effect.UNKNOWN)
