"""Downloads, from a server that does not always behave."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import ArtifactError, NotOnServerError
from runner.kernels import http
from tests.unit.kernels.server import Answer, Server, serving
from tests.unit.kernels.silent import Silent

BODY = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(BODY).hexdigest()
SHA1 = hashlib.sha1(BODY).hexdigest()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "RETRIES", http.RETRIES.new(backoff_factor=0))


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def download(url: str, target: Path, **checksums: str) -> str:
    return http.download(
        url, target, checksums=checksums, progress=Silent(), name="file"
    )


def test_a_file_is_written_and_its_checksum_told(
    server: Server, tmp_path: Path
) -> None:
    url = server.put("/a", BODY)

    assert download(url, tmp_path / "a", sha256=SHA256, sha1=SHA1) == SHA256
    assert (tmp_path / "a").read_bytes() == BODY


def test_an_empty_checksum_is_not_looked_at(server: Server, tmp_path: Path) -> None:
    assert download(server.put("/a", BODY), tmp_path / "a", sha256="") == SHA256


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_another_file_is_refused(
    server: Server, tmp_path: Path, algorithm: str
) -> None:
    url = server.put("/a", b"another")

    with pytest.raises(ArtifactError, match=f"{algorithm} .*, not {'0' * 10}"):
        download(url, tmp_path / "a", **{algorithm: "0" * 64})
    assert not (tmp_path / "a").exists()


def test_a_truncated_download_is_refused(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = Answer(body=BODY, length=len(BODY) + 5)

    with pytest.raises(ArtifactError, match=r"127\.0\.0\.1"):
        download(server.url + "/a", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_what_is_not_there_is_told_apart(server: Server) -> None:
    with pytest.raises(NotOnServerError, match="/nowhere does not exist"):
        http.fetch(server.url + "/nowhere", Silent())


def test_a_server_that_fails_is_told(server: Server) -> None:
    server.answers["/a"] = Answer(status=503)

    with pytest.raises(ArtifactError, match="HTTP 503 Service Unavailable"):
        http.json_of(server.url + "/a")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again(server: Server, status: int) -> None:
    server.before["/a"] = [Answer(status=status), Answer(status=status)]

    assert http.json_of(server.put("/a", b"1")) == 1


def test_a_server_that_refuses_is_not_asked_again(server: Server) -> None:
    server.answers["/a"] = Answer(status=403)

    with pytest.raises(ArtifactError, match="HTTP 403"):
        http.json_of(server.url + "/a")
    assert server.asked == ["/a"]


def test_an_answer_that_is_no_json_is_told(server: Server) -> None:
    with pytest.raises(ArtifactError, match="did not return JSON: b'<html>'"):
        http.json_of(server.put("/a", b"<html>"))


def test_json_is_read(server: Server) -> None:
    assert http.json_of(server.put("/a", b'{"a": [1]}')) == {"a": [1]}


def test_a_small_file_that_is_large_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_LARGEST_ANSWER", 1000)

    with pytest.raises(ArtifactError, match="too large"):
        http.fetch(server.put("/a", BODY), Silent())


def test_a_server_that_is_gone_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

    with pytest.raises(ArtifactError, match="Connection refused") as caught:
        http.json_of(f"http://127.0.0.1:{port}/a")
    assert "proxy" in caught.value.hint


def test_a_server_that_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (0.05, 0.05))
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        pytest.raises(ArtifactError, match=r"is unavailable: .*timed out"),
    ):
        http.json_of(f"http://127.0.0.1:{listening.getsockname()[1]}/a")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_this_machine_is_asked_without_a_proxy(
    variable: str, name: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    url = server.put("/a", b"1").replace("127.0.0.1", name)

    assert http.json_of(url) == 1


def test_other_machines_are_asked_through_the_proxy(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    server.answers["http://elsewhere.invalid/a"] = Answer(body=b"1")

    assert http.json_of("http://elsewhere.invalid/a") == 1


def test_file_that_is_larger_than_told_is_refused(
    server: Server, tmp_path: Path
) -> None:
    url = server.put("/a", BODY)

    with pytest.raises(ArtifactError, match="is too large"):
        http.download(
            url,
            tmp_path / "a",
            checksums={},
            progress=Silent(),
            name="a",
            most=len(BODY) - 1,
        )
    assert not (tmp_path / "a").exists()


def test_sha512_is_compared(server: Server, tmp_path: Path) -> None:
    url = server.put("/a", BODY)
    right = hashlib.sha512(BODY).hexdigest()

    assert download(url, tmp_path / "a", sha512=right) == SHA256
    with pytest.raises(ArtifactError, match="is another file: sha512"):
        download(url, tmp_path / "b", sha512="0" * 128)


def test_redirect_that_leads_nowhere_names_both_addresses(server: Server) -> None:
    server.answers["/a"] = Answer(status=302, location=f"{server.url}/b")

    with pytest.raises(NotOnServerError, match=r"/a, which redirects to .*/b, do"):
        http.small(f"{server.url}/a")


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/a"])
def test_redirect_to_something_else_than_http_is_not_followed(
    address: str, server: Server, tmp_path: Path
) -> None:
    server.answers["/a"] = Answer(status=302, location=address)

    with pytest.raises(ArtifactError, match=address):
        http.small(f"{server.url}/a")
    with pytest.raises(ArtifactError, match=address):
        download(f"{server.url}/a", tmp_path / "a", sha256=SHA256)
    assert not list(tmp_path.iterdir())


def test_file_that_is_shorter_than_told_is_not_only_another_one(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(http.DamagedError, match="it has 3 of 5 bytes") as it:
        http.download(
            server.put("/a", BODY[:3]),
            tmp_path / "a",
            checksums={"sha256": SHA256},
            size=5,
            progress=Silent(),
            name="a",
        )
    assert "is incomplete" in it.value.message
    assert "try again later" in it.value.hint
    assert not (tmp_path / "a").exists()


def test_hint_about_another_file_is_the_callers(server: Server, tmp_path: Path) -> None:
    with pytest.raises(http.DamagedError) as it:
        http.download(
            server.put("/a", BODY),
            tmp_path / "a",
            checksums={"sha256": "0" * 64},
            progress=Silent(),
            name="a",
            hint="pin it again",
        )
    assert it.value.hint == "pin it again"
