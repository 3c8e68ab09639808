"""apt on a signed archive of the tests' own: what it trusts, and what it refuses."""

from pathlib import Path

import pytest

from runner.errors import ArtifactError, ExitStatus
from runner.files.cache import Cache, sha256_of
from runner.kernels import http
from runner.kernels.sources import apt, debian
from runner.kernels.sources.source import Workplace
from tests.unit.kernels.conftest import Suite
from tests.unit.kernels.packaging import Signer, machine_configuration
from tests.unit.kernels.silent import Silent


class Bar:
    """Keeps what a download told of itself."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.told.append((done, total))


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    made = tmp_path / "downloads"
    made.mkdir()
    return made


def test_the_machines_mirror_is_found(suite: Suite) -> None:
    assert debian.mirror() == f"{suite.repository.address}/"


@pytest.mark.parametrize("sources", ["", "# nothing\n"])
def test_a_machine_without_a_mirror_is_told_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: str
) -> None:
    configuration = machine_configuration(tmp_path / "machine", sources)
    monkeypatch.setenv("APT_CONFIG", str(configuration))

    with pytest.raises(ArtifactError) as caught:
        debian.mirror()

    assert caught.value.message == "apt knows no Debian mirror on this machine"
    assert "/etc/apt/sources.list.d" in caught.value.hint
    assert "apt-get update" in caught.value.hint


def test_another_distributions_mirror_does_not_count(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.repository.publish(
        "noble", [suite.package("a")], suite.signer, origin="Other"
    )
    source = (
        f"deb [signed-by={suite.signer.keyring}] {suite.repository.address} noble main"
    )
    configuration = machine_configuration(suite.folder / "other", source)
    monkeypatch.setenv("APT_CONFIG", str(configuration))

    with pytest.raises(ArtifactError, match="apt knows no Debian mirror"):
        debian.mirror()


def test_a_machine_without_apt_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ArtifactError, match="there is no apt-get here"):
        debian.mirror()


def test_packages_are_described(suite: Suite) -> None:
    needs = "b (= 1), c | d, e:any (>= 2)"
    package = suite.package("a", version="1:2.0~rc1-1", depends=needs)
    suite.publish(package, suite.package("ab"))
    archive = suite.open()

    assert sorted(archive.names("a")) == ["a", "ab"]
    (found,) = archive.describe(["a", "nowhere"])

    assert (found.name, found.version) == ("a", "1:2.0~rc1-1")
    assert found.sha256 == sha256_of(package)
    assert found.size == package.stat().st_size
    assert found.depends == (("b",), ("c", "d"), ("e",))
    assert archive.describe([]) == []
    assert archive.describe(["nowhere"]) == []


def test_a_package_is_downloaded(suite: Suite, downloads: Path) -> None:
    package = suite.package("a", {"boot/file": bytes(100_000)}, version="1:2-1")
    suite.publish(package)
    archive = suite.open()
    (described,) = archive.describe(["a"])
    bar = Bar()

    found = archive.download(described.item, downloads, bar)

    assert found.parent == downloads
    assert sha256_of(found) == described.sha256
    assert all(0 <= done <= total == described.size for done, total in bar.told)


def test_what_the_machine_does_after_an_update_is_not_done(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    hooks = "".join(
        f'APT::Update::{name} {{ "touch {ran}"; }};\n'
        for name in ("Pre-Invoke", "Post-Invoke", "Post-Invoke-Success")
    )
    suite.publish(suite.package("a"))
    given = apt._environment

    def with_hooks(configuration: Path | None) -> dict[str, str]:
        # apt reads them after our settings as it does /etc/apt/apt.conf.d.
        if configuration is not None:
            with configuration.open("a") as stream:
                stream.write(hooks)
        return given(configuration)

    monkeypatch.setattr(apt, "_environment", with_hooks)

    assert suite.open().describe(["a"])

    assert not ran.exists()


def test_other_suites_stand_side_by_side(suite: Suite) -> None:
    suite.publish(suite.package("a", version="1"))
    suite.publish(suite.package("a", version="2"), name="sid")

    assert [it.version for it in suite.open("bookworm").describe(["a"])] == ["1"]
    assert [it.version for it in suite.open("sid").describe(["a"])] == ["2"]


def test_a_newer_index_is_seen(suite: Suite) -> None:
    suite.publish(suite.package("a", version="1"))
    suite.open()
    suite.publish(suite.package("a", version="2"))

    assert [it.version for it in suite.open().describe(["a"])] == ["2"]


def test_a_suite_that_the_mirror_lacks_is_told(suite: Suite) -> None:
    with pytest.raises(ArtifactError) as caught:
        suite.open("buster")

    assert "buster" in caught.value.message
    assert "does not have a Release file" in caught.value.message
    assert "is reachable and has buster" in caught.value.hint
    assert "/etc/apt/sources.list.d" in caught.value.hint


def test_an_unsigned_index_is_refused(suite: Suite) -> None:
    suite.repository.publish("sid", [suite.package("a")], None)

    with pytest.raises(ArtifactError, match="sid is not signed by a key that is tr"):
        suite.open("sid")


def test_a_strangers_signature_is_refused(suite: Suite, stranger: Signer) -> None:
    suite.repository.publish("sid", [suite.package("a")], stranger)

    with pytest.raises(ArtifactError, match="which is not among the keys of"):
        suite.open("sid")


def test_a_changed_release_file_is_refused(suite: Suite) -> None:
    suite.publish(suite.package("a"), name="sid")
    release = suite.repository.root / "dists/sid/InRelease"
    release.write_text(release.read_text().replace("Codename: sid", "Codename: six"))

    with pytest.raises(ArtifactError, match="does not match the file"):
        suite.open("sid")


def test_a_suite_that_turns_bad_is_not_read_from_its_old_index(
    suite: Suite, stranger: Signer
) -> None:
    suite.publish(suite.package("a", version="1"))
    suite.open()
    suite.repository.publish("bookworm", [suite.package("a", version="2")], stranger)

    with pytest.raises(ArtifactError, match="which is not among the keys"):
        suite.open()


def test_an_index_that_is_not_as_signed_is_refused(suite: Suite) -> None:
    suite.publish(suite.package("a"), name="sid")
    for index in (suite.repository.root / "dists/sid/main").rglob("Packages*"):
        index.write_bytes(index.read_bytes() + b"\n")

    with pytest.raises(ArtifactError, match="apt-get failed"):
        suite.open("sid")


def test_a_package_that_is_not_as_signed_is_refused(
    suite: Suite, downloads: Path
) -> None:
    package = suite.package("a")
    suite.publish(package)
    archive = suite.open()
    (described,) = archive.describe(["a"])
    stored = suite.repository.root / "pool" / package.name
    changed = bytearray(stored.read_bytes())
    changed[-1] ^= 1
    stored.write_bytes(changed)

    with pytest.raises(
        ArtifactError, match="is another file: its checksum is not that"
    ):
        archive.download(described.item, downloads, Bar())


def test_a_package_that_is_gone_is_told(suite: Suite, downloads: Path) -> None:
    package = suite.package("a")
    suite.publish(package)
    archive = suite.open()
    (described,) = archive.describe(["a"])
    (suite.repository.root / "pool" / package.name).unlink()

    with pytest.raises(ArtifactError, match="deb does not exist"):
        archive.download(described.item, downloads, Bar())


def test_a_mirror_that_can_not_be_reached_is_told(suite: Suite) -> None:
    (suite.repository.root / "dists").rename(suite.repository.root / "moved")

    with pytest.raises(ArtifactError) as caught:
        suite.open()

    assert "has no suite bookworm" in caught.value.message
    assert "reachable" in caught.value.hint


def test_nothing_of_the_machines_apt_changes(suite: Suite) -> None:
    machine = suite.folder / "machine"
    before = {it: it.stat().st_mtime_ns for it in machine.rglob("*") if it.is_file()}
    suite.publish(suite.package("a"))

    suite.open()

    after = {it: it.stat().st_mtime_ns for it in machine.rglob("*") if it.is_file()}
    # apt rebuilds its own binary caches whenever it is asked anything.
    assert {k: v for k, v in after.items() if k.suffix != ".bin"} == {
        k: v for k, v in before.items() if k.suffix != ".bin"
    }


@pytest.mark.parametrize("content", [b"y", b"more than there was"])
def test_a_package_of_a_sysroot_that_is_another_file_is_refused(
    content: bytes, suite: Suite, tmp_path: Path
) -> None:
    """What sysroots are made of comes all at once; one that changed spoils it."""
    suite.publish(suite.package("libc6"), suite.package("busybox-static"))
    archive = suite.open()
    items = [it.item for it in archive.describe(["libc6", "busybox-static"])]
    (kept,) = (suite.repository.root / "pool").glob("libc6_*")
    data = kept.read_bytes()
    changed = data[: -len(content)] + content if len(content) == 1 else data + content
    kept.write_bytes(changed)
    work = Workplace(
        cache=Cache(tmp_path / "private"), scratch=tmp_path, progress=Silent()
    )
    (tmp_path / "debs").mkdir()

    with pytest.raises(http.DamagedError, match="libc6_") as caught:
        apt.download_all(items, archive.place, tmp_path / "debs", work)

    assert caught.value.exit_status == ExitStatus.INFRASTRUCTURE
    assert "try again later" in caught.value.hint
