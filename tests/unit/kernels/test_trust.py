"""What a row trusts is part of the keys of the cache; what a machine does is not."""

import re
import shutil
from pathlib import Path

import pytest

from runner.errors import ArtifactError, MissingFileError
from runner.files.cache import Cache
from runner.kernels import fetch, trust
from runner.kernels.lock import PinnedSource
from runner.kernels.sources.source import Pin
from runner.matrix.matrix import (
    BaseSource,
    DebianSource,
    Kernel,
    PathSource,
    RpmSource,
    UbuntuSource,
)
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.packaging import Signer
from tests.unit.kernels.silent import Silent
from tests.unit.kernels.test_fetch_debian import publish

REPOSITORY = "https://example.org/os"
FINGERPRINT = "A" * 40


def debian(**keys: object) -> DebianSource:
    return DebianSource.model_validate({"type": "debian", "suite": "sid", **keys})


def ubuntu(**keys: object) -> UbuntuSource:
    return UbuntuSource.model_validate({"type": "ubuntu", "series": "noble", **keys})


def rpm(**keys: object) -> RpmSource:
    return RpmSource.model_validate({"type": "rpm", "baseurl": REPOSITORY, **keys})


@pytest.mark.parametrize(
    "source",
    [
        debian(),
        debian(mirror="http://example.org/debian", check_valid_until=False),
        ubuntu(),
        rpm(gpgcheck=False),
        PathSource(type="path", image=Path("/boot/vmlinuz")),
    ],
    ids=lambda source: source.shown,
)
def test_source_without_keys_of_its_own_adds_nothing(source: BaseSource) -> None:
    # Entries of older versions stay valid.
    assert trust.identity(source) == ()


def test_locked_source_trusts_what_it_stands_for(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_bytes(b"keys")
    source = debian(keyring=keys)
    pin = Pin(provider="debian", origin="sid", items=())

    assert trust.identity(PinnedSource(source=source, pin=pin)) == trust.identity(
        source
    )


def test_keys_count_by_their_content_and_use(tmp_path: Path) -> None:
    one, copy, other = (tmp_path / name for name in ("one", "copy", "other"))
    for path, content in ((one, b"1"), (copy, b"1"), (other, b"2")):
        path.write_bytes(content)

    for make in (debian, ubuntu):
        assert trust.identity(make(keyring=one)) == trust.identity(make(keyring=copy))
        assert trust.identity(make(keyring=one)) != trust.identity(make(keyring=other))
    assert trust.identity(ubuntu(keyring=one)) != trust.identity(
        ubuntu(debug_keyring=one)
    )


def test_keys_at_addresses_count_by_fingerprint_and_place() -> None:
    own = {"fingerprint": FINGERPRINT}
    sources = [
        rpm(**own),
        rpm(**own, repo_gpgcheck=True),
        rpm(**own, gpgkey="https://example.org/KEY"),
        rpm(fingerprint="B" * 40),
        rpm(**own, baseurl="https://example.org/other"),
    ]

    assert len({trust.identity(source) for source in sources}) == len(sources)
    assert trust.identity(rpm(**own)) == trust.identity(rpm(**own, package="kernel"))


def test_file_of_keys_that_does_not_exist_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys"

    with pytest.raises(MissingFileError, match=re.escape(f"{path} does not exist")):
        trust.identity(debian(keyring=path))


def test_file_of_keys_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=re.escape(f"{tmp_path}: Is a directory")):
        trust.identity(debian(keyring=tmp_path))


def test_suite_is_checked_again_when_the_keyring_changed(
    suite: Suite, stranger: Signer, tmp_path: Path
) -> None:
    publish(suite, 50)
    cache = Cache(tmp_path / "cache")
    keyring = Path(shutil.copy(suite.signer.keyring, tmp_path / "keyring.gpg"))
    source = DebianSource(type="debian", suite="bookworm", keyring=keyring)
    kernel = Kernel(id="x", source=source, btf="kernel")
    assert fetch.obtain(kernel, cache, Silent()).release
    keyring.write_bytes(stranger.keyring.read_bytes())

    assert fetch.cached(kernel, cache) is None
    with pytest.raises(ArtifactError, match="sign"):
        fetch.obtain(kernel, cache, Silent())
