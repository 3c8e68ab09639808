"""BTFHub's archive: a clone, and its addresses on a local server."""

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from runner.errors import ArtifactError
from runner.kernels.btf import hub
from tests.unit.kernels.silent import Silent

RELEASE = "4.4.0-21-generic"
DATA = b"\x9f\xeb and more"


def archive(name: str = f"{RELEASE}.btf", data: bytes = DATA) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:xz") as opened:
        member = tarfile.TarInfo(f"./{name}")
        member.size = len(data)
        opened.addfile(member, io.BytesIO(data))
    return output.getvalue()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "hub/ubuntu/16.04/x86_64"
    folder.mkdir(parents=True)
    (folder / f"{RELEASE}.btf.tar.xz").write_bytes(archive())
    return tmp_path / "hub"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(clone: Path) -> Iterator[str]:
    handler = partial(Quiet, directory=clone)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as it:
        thread = threading.Thread(
            target=it.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        yield f"http://127.0.0.1:{it.server_port}"
        it.shutdown()
        thread.join()


def test_clone_is_searched_without_its_folder_named(clone: Path) -> None:
    found = hub.look_up(str(clone), RELEASE, "", Silent(), "x86_64")

    assert found is not None
    assert found[0] == DATA
    assert found[1].location.endswith(f"ubuntu/16.04/x86_64/{RELEASE}.btf.tar.xz")
    archive = Path(found[1].location).read_bytes()
    assert found[1].sha256 == hashlib.sha256(archive).hexdigest()


def test_release_is_not_looked_for_in_other_folders(clone: Path) -> None:
    assert hub.look_up(str(clone), RELEASE, "ubuntu/18.04", Silent(), "x86_64") is None


def test_address_has_the_same_layout(server: str) -> None:
    for distribution in ("", "ubuntu/16.04"):
        found = hub.look_up(f"{server}/", RELEASE, distribution, Silent(), "x86_64")

        assert found is not None
        assert found[0] == DATA
    assert hub.look_up(server, "4.4.0-22-generic", "", Silent(), "x86_64") is None


def test_self_made_kernel_is_not_asked_for(server: str) -> None:
    assert hub.distributions("4.4.1") == ()
    assert (
        hub.look_up("http://no.such.invalid", "4.4.1", "", Silent(), "x86_64") is None
    )


def test_archive_that_can_not_be_reached_is_told() -> None:
    with pytest.raises(ArtifactError, match="is unreachable") as caught:
        hub.look_up("http://127.0.0.1:9", RELEASE, "", Silent(), "x86_64")

    assert "local clone" in caught.value.hint


def test_clone_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no BTFHub archive at"):
        hub.look_up(str(tmp_path / "none"), RELEASE, "", Silent(), "x86_64")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (archive()[:-20], "can't be unpacked"),
        (b"<html>", "can't be unpacked"),
        (archive("other.btf"), f"does not contain {RELEASE}.btf"),
    ],
    ids=["truncated", "a web page", "another release's"],
)
def test_damaged_archive_is_told(clone: Path, data: bytes, told: str) -> None:
    path = next(clone.rglob("*.xz"))
    path.write_bytes(data)

    with pytest.raises(ArtifactError, match=told):
        hub.look_up(str(clone), RELEASE, "", Silent(), "x86_64")


def test_similar_releases_are_named(clone: Path) -> None:
    assert hub.similar(str(clone), "4.4.0-22-generic", "x86_64") == RELEASE


@pytest.mark.parametrize(
    ("release", "folder"),
    [
        ("3.10.0-1160.el7.x86_64", "centos/7"),
        ("4.14.336-257.562.amzn2.x86_64", "amzn/2"),
        ("5.6.6-300.fc32.x86_64", "fedora/32"),
        ("4.19.0-20-amd64", "debian/10"),
        ("5.4.0-42-generic", "ubuntu/20.04"),
    ],
)
def test_release_tells_its_distribution(release: str, folder: str) -> None:
    assert folder in hub.distributions(release)


def test_each_architecture_has_a_folder(clone: Path, server: str) -> None:
    folder = clone / "ubuntu/20.04/arm64"
    folder.mkdir(parents=True)
    other = archive(data=b"\x9f\xeb of arm64")
    (folder / f"{RELEASE}.btf.tar.xz").write_bytes(other)

    for place, distribution in ((str(clone), ""), (server, "ubuntu/20.04")):
        found = hub.look_up(place, RELEASE, distribution, Silent(), "arm64")
        assert found is not None
        assert found[0] == b"\x9f\xeb of arm64"
        assert found[1].name == f"arm64/{RELEASE}.btf.tar.xz"
    found = hub.look_up(str(clone), RELEASE, "", Silent(), "x86_64")
    assert found is not None
    assert found[0] == DATA
    # s390x has none, whatever is there.
    assert hub.look_up(str(clone), RELEASE, "", Silent(), "") is None
    assert hub.similar(str(clone), RELEASE, "") == ""
