"""Ranges of versions, as keys of the tables in images/kernel."""

from typing import Annotated

from pydantic import AfterValidator

from runner.versions import VersionRange


def _range(text: str) -> str:
    VersionRange.parse(text)
    return text


# ">=5.4,<6", or a vendor's: "rhel:4.18".
Range = Annotated[str, AfterValidator(_range)]
