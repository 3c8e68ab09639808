"""Which kernels a row is about, as keys of the tables in images/kernel."""

from typing import Annotated

from pydantic import AfterValidator

from runner.arch import ARCHITECTURES, find
from runner.versions import VersionRange


def _range(text: str) -> str:
    VersionRange.parse(text)
    return text


def _architecture(text: str) -> str:
    found = find(text)
    if found is None:
        raise ValueError(
            f"there is no architecture {text!r}; there are "
            f"{', '.join(it.name for it in ARCHITECTURES)}"
        )
    return found.name


# As runner/arch names it.
ArchitectureName = Annotated[str, AfterValidator(_architecture)]
# ">=5.4,<6", or a vendor's: "rhel:4.18".
Range = Annotated[str, AfterValidator(_range)]
