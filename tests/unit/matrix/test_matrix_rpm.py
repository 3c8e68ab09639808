"""Mistakes in rows of RPM repositories are refused when the matrix is read."""

from pathlib import Path

import pytest

from runner.errors import ExitStatus, UsageError
from runner.matrix import matrix
from runner.matrix.matrix import RpmSource

BASE = "baseurl: https://example.org/$basearch/"
UNSIGNED = "gpgcheck: false"


def load(tmp_path: Path, *keys: str) -> RpmSource:
    file = tmp_path / "matrix.yaml"
    lines = "".join(f"      {it}\n" for it in ("type: rpm", *keys))
    file.write_text(f"kernels:\n  - id: el9\n    source:\n{lines}")
    (found,) = matrix.load(file).kernels[0].sources
    assert isinstance(found, RpmSource)
    return found


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ((BASE,), "needs the key gpgkey or fingerprint, because the packages'"),
        ((BASE,), "gpgcheck: false accepts packages that nobody signed"),
        (
            (BASE, "gpgkey: https://example.org/KEY"),
            "needs the key fingerprint, because gpgkey is an address",
        ),
        ((UNSIGNED,), "needs one of the keys baseurl, mirrorlist, metalink, packages"),
        (
            (BASE, UNSIGNED, "metalink: https://example.org/"),
            "needs only one of the keys baseurl, metalink",
        ),
        (
            (UNSIGNED, "baseurl: https://example.org/$releasever/"),
            "$releasever has no value; set it in variables",
        ),
        (
            (BASE, UNSIGNED, "debug_package: d", "debug_metalink: https://x/${place}"),
            "${place} has no value; set it in variables",
        ),
        (
            (BASE, UNSIGNED, "debug_mirrorlist: https://example.org/debug"),
            "needs the key debug_package, because of debug_mirrorlist",
        ),
        (
            (
                *(BASE, UNSIGNED, "debug_package: kernel-debuginfo"),
                *("debug_baseurl: https://x/", "debug_metalink: https://x/"),
            ),
            "needs only one of the keys debug_baseurl, debug_metalink",
        ),
        ((BASE, "fingerprint: 1234"), "fingerprint"),
        ((BASE, UNSIGNED, "version: newest"), "version"),
    ],
)
def test_mistake_is_told_where_it_stands(
    tmp_path: Path, keys: tuple[str, ...], told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, *keys)

    assert caught.value.exit_status == ExitStatus.USAGE
    assert told in caught.value.message
    assert f"{tmp_path}/matrix.yaml:" in caught.value.message
    assert ": kernels[0].source" in caught.value.message


def test_key_of_the_repository_is_meant_by_its_fingerprint_alone(
    tmp_path: Path,
) -> None:
    source = load(tmp_path, BASE, f"fingerprint: {'ab ' * 20}")

    assert source.fingerprints == ("AB" * 20,)
    assert source.keys == ()


def test_variables_stand_for_dnfs_and_ones_own(tmp_path: Path) -> None:
    source = load(
        tmp_path,
        "metalink: https://example.org/?repo=f$releasever&arch=$basearch&a=${arch}",
        "variables: {releasever: '44'}",
        UNSIGNED,
    )

    assert source.listed is not None
    assert (
        source.expanded(source.listed)
        == "https://example.org/?repo=f44&arch=x86_64&a=x86_64"
    )
