"""What apt refuses of an archive, in words that say what to do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822

from runner.errors import ArtifactError, NotOnServerError
from runner.kernels import http
from runner.kernels.sources.aptplace import AptPlace


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    """Something that apt prints when it refuses an archive."""

    # Of apt 2.6 to 3.0.
    printed: re.Pattern[str]
    # Its groups are {0}, {1}; {place} is the archive.
    message: str
    hint: str
    kind: type[ArtifactError] = ArtifactError


# Of a package that the index has.
GONE = "the archive may be in the middle of an update: try again later"
_PACKAGE = r"E: Failed to fetch (\S+\.d?deb) +"

# The first that is found counts: of a bad signature apt says at last "is not signed".
_REFUSALS = (
    _Refusal(
        printed=re.compile(
            r"The repository '(\S+) (\S+) (?:In)?Release' .* a Release f"
        ),
        message="{0} has no suite {1}: it does not have a Release file",
        hint="{place.hint}",
    ),
    _Refusal(
        # No answer at all, whatever the reason.
        printed=re.compile(
            r"E: Failed to fetch \S+/(?:In)?Release +"
            r"((?:Could not|Unable to|Connection|Temporary failure|Something) .*)"
        ),
        message="{place.address} is unavailable: {0}",
        hint="check your network and apt's proxy; {place.hint}",
    ),
    _Refusal(
        printed=re.compile(r" (\S+) (?:In)?Release: .*\bEXPKEYSIG (\w+)"),
        message="{place.address}: {0} is signed by the key {1}, which has expired",
        hint="get the archive's current keys: {keys}",
    ),
    _Refusal(
        printed=re.compile(r" (\S+) (?:In)?Release: .*\bNO_PUBKEY (\w+)"),
        message="{place.address}: {0} is signed by the key {1}, which is not among the "
        "keys of {place.keyring}",
        hint="compare the key with what the vendor publishes; keys come from {keys}",
    ),
    _Refusal(
        printed=re.compile(r" (\S+) (?:In)?Release: .*\bBADSIG (\w+)"),
        message="{place.address}: the signature of {0} by the key {1} does not match "
        "the file",
        hint="try again later: the archive may be in the middle of an update; or "
        "somebody changed it",
    ),
    _Refusal(
        printed=re.compile(
            r"Release file for \S+/dists/(\S+)/(?:In)?Release is expired"
        ),
        message="{place.address}: the index of {0} is past its Valid-Until",
        hint="the archive does not get updates any more; for a copy of an old suite, "
        "set the key check_valid_until to false",
    ),
    _Refusal(
        printed=re.compile(r"The repository '\S+ (\S+) (?:In)?Release' is not signed"),
        message="{place.address}: {0} is not signed by a key that is trusted",
        hint="the trusted keys are those of {place.keyring}, from {keys}",
    ),
    _Refusal(
        # The second are apt's words about a mirror that is a folder.
        printed=re.compile(
            rf"{_PACKAGE}(404 |Failed to stat - stat \(2|File not found)"
        ),
        message="{0} does not exist",
        hint=GONE,
        kind=NotOnServerError,
    ),
    _Refusal(
        printed=re.compile(rf"{_PACKAGE}File has unexpected size \((\d+) != (\d+)\)"),
        message="{0} is damaged: it has {1} bytes, and the archive's index says {2}",
        hint=http.AMID_UPDATE,
        kind=http.DamagedError,
    ),
    _Refusal(
        printed=re.compile(rf"{_PACKAGE}Hash Sum mismatch"),
        message="{0} is another file: its checksum is not that of the archive's index",
        hint=http.AMID_UPDATE,
        kind=http.DamagedError,
    ),
)


def refusal(place: AptPlace, errors: str) -> ArtifactError:
    """Return what apt's errors about a place mean."""
    keys = place.keyring_packages or "the file that the key keyring names"
    for known in _REFUSALS:
        found = known.printed.search(errors)
        if found is not None:
            groups = found.groups()
            return known.kind(
                known.message.format(*groups, place=place, keys=keys),
                hint=known.hint.format(*groups, place=place, keys=keys),
            )
    return ArtifactError(f"apt-get failed: {words(errors)}", hint=place.hint)


def words(errors: str) -> str:
    """Return what apt complains of: its E: lines, or all of it."""
    lines = [line for line in errors.splitlines() if line.startswith("E:")]
    return " ".join(lines) or errors.strip() or "it printed nothing"


def check_contents(place: AptPlace, lists: Path) -> None:
    """Refuse an archive that has nothing for this architecture or of a component.

    For apt that is no error. `lists` is its folder of indices. Raises ArtifactError.
    """
    for path in sorted(lists.glob("*Release")):
        # InRelease files are signed around the fields.
        with path.open("rb") as stream:
            release = Deb822(Deb822.split_gpg_and_payload(stream)[1])
        suite = _suite(path)
        _check(
            "packages for", suite, place, release, "Architectures", [place.architecture]
        )
        _check("the component", suite, place, release, "Components", place.components)


def _suite(release: Path) -> str:
    """Return the suite that a Release file is of, as the row names it.

    The file itself may call bullseye oldoldstable. apt names it after its address, with
    _ for each slash: HOST_debian_dists_buster_updates_InRelease.
    """
    name = release.name.rpartition("_dists_")[2]
    return re.sub("_(?:In)?Release$", "", name).replace("_", "/")


def _check(
    what: str,
    suite: str,
    place: AptPlace,
    release: Deb822,
    key: str,
    wanted: Sequence[str],
) -> None:
    # Debian's suites of security updates say updates/main.
    there = [it.rpartition("/")[2] for it in release.get(key, "").split()]
    # Of packages that are the same everywhere.
    there = [it for it in there if it != "all"]
    for name in wanted:
        if there and name not in there:
            raise ArtifactError(
                f"{place.address}: {suite} does not have {what} {name}",
                hint=f"it has {', '.join(there)}",
            )
