"""Version ranges and failure classes that a suite names."""

from collections.abc import Iterator

from runner.failures.classes import CLASSES
from runner.files.modelfile import Mistake
from runner.text.nearest import near
from runner.versions import VersionRange


def check(text: str, at: tuple[str, ...]) -> Iterator[Mistake]:
    if not text:
        return
    try:
        VersionRange.parse(text)
    except ValueError as error:
        yield Mistake(at, str(error))


def check_class(name: str) -> Iterator[Mistake]:
    names = [it.name for it in CLASSES.values() if it.declarable]
    if name not in names:
        yield Mistake(
            ("expect_failure", "class"),
            f"no failure class {name!r}{near(name, names)}",
        )
