"""Programs that a case names by patterns, such as `on_*`, or loads alone (`only`)."""

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase

from runner.suites.model import Case, Program

_SPECIAL = "*?["


def is_pattern(name: str) -> bool:
    """Whether a name may stand for several programs."""
    return any(it in name for it in _SPECIAL)


def has_any(case: Case) -> bool:
    """Whether a case names programs by patterns, or loads some alone."""
    return bool(case.only) or any(is_pattern(it) for it in case.programs)


def matching(pattern: str, names: Collection[str]) -> Iterator[str]:
    """Yield the programs that a name or a pattern means."""
    return (it for it in names if fnmatchcase(it, pattern))


def expanded(case: Case, names: Collection[str]) -> Case:
    """Return a case whose `programs` names each program of its object that it means.

    A name counts more than a pattern, and of several patterns the first one. What
    `only` leaves out is not loaded.
    """
    patterns = [it for it in case.programs if is_pattern(it)]
    programs = {
        name: case.programs[pattern]
        for pattern in reversed(patterns)
        for name in matching(pattern, names)
    }
    programs |= {name: it for name, it in case.programs.items() if not is_pattern(name)}
    for name in names if case.only else ():
        wanted = programs.get(name, Program())
        # It is loaded also if its section is optional.
        chosen = any(fnmatchcase(name, it) for it in case.only)
        load = wanted.load if chosen else False
        programs[name] = wanted.model_copy(update={"load": load})
    return case.model_copy(update={"programs": programs})
