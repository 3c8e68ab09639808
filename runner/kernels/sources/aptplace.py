"""Where packages of an APT archive are, and whose signatures count."""

from dataclasses import dataclass
from pathlib import Path

from runner.errors import ArtifactError, MissingFileError


@dataclass(frozen=True, kw_only=True)
class AptPlace:
    """Suites of an archive, as lines of sources.list name them."""

    # The archive's address.
    address: str
    # "jammy", "jammy-updates"; the first names the place for people.
    suites: tuple[str, ...]
    components: tuple[str, ...] = ("main",)
    # As dpkg calls it. This machine's own need not have it.
    architecture: str
    # The keys that may sign the suites; a file.
    keyring: Path
    # The packages that contain that file; empty if the row names it.
    keyring_packages: str = ""
    # Whether an index past its Valid-Until is refused; None leaves it to the machine's
    # apt.conf.
    check_valid_until: bool | None = None
    # What to do where the archive can't be reached, or lacks a suite.
    hint: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.suites[0]

    def lines(self) -> str:
        """Return what sources.list says."""
        # No other indices, which the machine's apt.conf may want of its own sources.
        options = f"arch={self.architecture} target=Packages"
        if self.check_valid_until:
            # apt looks at Valid-Until only where it looks at Date.
            options += " check-date=yes check-valid-until=yes"
        elif self.check_valid_until is not None:
            options += " check-valid-until=no"
        return "".join(
            f"deb [{options}] {self.address} {suite} {' '.join(self.components)}\n"
            for suite in self.suites
        )

    def keys(self) -> bytes:
        """Return the keys that are trusted.

        Raises ArtifactError if nobody installed them, and MissingFileError for a file
        of the row's that does not exist.
        """
        if self.keyring.is_file():
            return self.keyring.read_bytes()
        if self.keyring_packages:
            raise ArtifactError(
                f"the public keys of {self.address} are not here: {self.keyring} is "
                "missing",
                hint=f"install {self.keyring_packages}; or name a file of keys with "
                "the key keyring",
            )
        raise MissingFileError(
            f"keyring: {self.keyring} does not exist",
            hint="download the archive's public keys to it",
        )
