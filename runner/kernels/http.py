"""Downloads by HTTP: bounded, verified, and with errors that say what to do."""

import hashlib
import ipaddress
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import JsonValue
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from runner.errors import ArtifactError, NotOnServerError
from runner.kernels import hosts
from runner.text.progress import Progress

# Seconds to connect, and between two pieces.
TIMEOUT = (10.0, 60.0)
# A server that is busy, or hung up before it answered, is asked again after 0, 1 and 2
# seconds, or when it says; one that is not there is asked twice.
RETRIES = Retry(
    total=3,
    connect=1,
    backoff_factor=0.5,
    status_forcelist=(429, 502, 503, 504),
    raise_on_status=False,
)
_PIECE = 1 << 18
_LARGEST_ANSWER = 64 << 20
_AGENT = {"User-Agent": "bpf-kernel-matrix"}
# For what the server itself tells the checksums of.
AMID_UPDATE = (
    "the file is damaged, or the server is in the middle of an update, or a proxy is "
    "stale: try again later"
)


class DamagedError(ArtifactError):
    """The server sent another content than it should have, or only a part of it."""


class ForbiddenError(ArtifactError):
    """The server does not give it to everybody, or does not have it.

    Stores of files in a cloud, where some repositories are, say the one for the other.
    """


def json_of(url: str) -> JsonValue:
    """Return what an interface for programs answers. Raises ArtifactError."""
    with _asking(url) as answer:
        text = body(answer, url)
        try:
            found: JsonValue = json.loads(text)
        except ValueError as error:
            raise ArtifactError(
                f"{url} did not return JSON: {text[:60]!r}",
                hint="there may be a proxy in between; it is set in HTTP_PROXY, "
                "HTTPS_PROXY and NO_PROXY",
            ) from error
        return found


def download(
    url: str,
    target: Path,
    *,
    checksums: dict[str, str],
    progress: Progress,
    name: str,
    size: int = 0,
    most: int | None = None,
    hint: str = "",
) -> str:
    """Write a file and return its SHA-256, in hexadecimal.

    `checksums` has the expected ones by algorithm, as hashlib names it; empty ones are
    not looked at. `size` is the expected one in bytes, 0 if it is not known. `hint`
    says what to do about another file, if not the server told the checksums.
    Raises ArtifactError, and leaves nothing at `target`, when the file has more than
    `most` bytes; DamagedError when it is incomplete or another one.
    """
    with _asking(url) as answer:
        return save(
            answer,
            url,
            target,
            checksums=checksums,
            progress=progress,
            name=name,
            size=size,
            most=most,
            hint=hint,
        )


def save(
    answer: requests.Response,
    url: str,
    target: Path,
    *,
    checksums: dict[str, str],
    progress: Progress,
    name: str,
    size: int = 0,
    most: int | None = None,
    hint: str = "",
) -> str:
    """Write what a server answers to a file; for the rest see `download`."""
    checksums = {algorithm: it for algorithm, it in checksums.items() if it}
    digests = {
        algorithm: hashlib.new(algorithm) for algorithm in ("sha256", *checksums)
    }
    try:
        with progress.task(name) as task, target.open("wb") as file:
            done, total = 0, _length(answer)
            for piece in _pieces(answer, url, most):
                file.write(piece)
                for digest in digests.values():
                    digest.update(piece)
                done += len(piece)
                task.advance_to(done, total)
        if done < size:
            raise DamagedError(
                f"{url} is incomplete, or another file: it has {done} of {size} bytes",
                hint=hint or AMID_UPDATE,
            )
        for algorithm, expected in checksums.items():
            found = digests[algorithm].hexdigest()
            if found != expected:
                raise DamagedError(
                    f"{url} is another file: {algorithm} {found}, not {expected}",
                    hint=hint or AMID_UPDATE,
                )
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return digests["sha256"].hexdigest()


def small(url: str, *, most: int = _LARGEST_ANSWER) -> bytes:
    """Return a file of at most so many bytes; raises what `fetch` does."""
    with _asking(url) as answer:
        return b"".join(_pieces(answer, url, most))


def fetch(url: str, progress: Progress) -> bytes:
    """Return a small file. Raises NotOnServerError and other ArtifactErrors."""
    with progress.task(url) as task, _asking(url) as answer:
        data, total = bytearray(), _length(answer)
        for piece in _pieces(answer, url, _LARGEST_ANSWER):
            data += piece
            task.advance_to(len(data), total)
        return bytes(data)


def body(answer: requests.Response, url: str) -> bytes:
    """Return the body of a small answer. Raises ArtifactError for a large one."""
    return b"".join(_pieces(answer, url, _LARGEST_ANSWER))


def check(answer: requests.Response, url: str) -> None:
    """Refuse an error. Raises NotOnServerError, and ArtifactError for all others."""
    moved = f", which redirects to {answer.url}," if answer.history else ""
    if answer.status_code == requests.codes.not_found:
        raise NotOnServerError(f"{url}{moved} does not exist (HTTP 404)")
    if not answer.ok:
        forbidden = answer.status_code == requests.codes.forbidden
        raise (ForbiddenError if forbidden else ArtifactError)(
            f"{url}{moved}: HTTP {answer.status_code} {answer.reason}",
            hint="the server refused; try again later",
        )


@contextmanager
def _asking(url: str) -> Iterator[requests.Response]:
    with (
        translated(url),
        hosts.turn(url),
        _session() as session,
        session.get(url, stream=True, timeout=TIMEOUT, headers=_AGENT) as answer,
    ):
        check(answer, url)
        yield answer


class DirectToHere(requests.Session):
    """A session that asks this machine itself without a proxy.

    HTTP_PROXY is there for other machines; NO_PROXY is often forgotten.
    """

    def merge_environment_settings(  # type: ignore[override]
        self, url: str, *args: Any, **kwargs: Any
    ) -> Any:
        """Return the settings for an address, without proxies for this machine."""
        settings: Any = super().merge_environment_settings(url, *args, **kwargs)
        if _is_here(url):
            settings["proxies"] = {}
        return settings


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _session() -> requests.Session:
    session = DirectToHere()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
    return session


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn what goes wrong on the way to a server into ArtifactErrors."""
    try:
        yield
    except requests.RequestException as error:
        raise ArtifactError(
            f"{url} is unavailable: {_cause(error)}",
            hint="check your network; set HTTPS_PROXY if you need a proxy",
        ) from error


def _cause(error: BaseException) -> str:
    """Return the innermost reason: requests wraps urllib3's, which wraps others'."""
    inner = error.args[0] if error.args else error
    reason = getattr(inner, "reason", inner)
    return str(reason).rpartition(">: ")[2] or type(error).__name__


def _length(answer: requests.Response) -> int:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else 0


def _pieces(
    answer: requests.Response, url: str, most: int | None = None
) -> Iterator[bytes]:
    done, total = 0, _length(answer)
    for piece in answer.iter_content(_PIECE):
        done += len(piece)
        if most is not None and done > most:
            raise ArtifactError(
                f"{url} is too large: over {most} bytes",
                hint="check the address: it seems to be another file",
            )
        yield piece
    if total and done < total and "Content-Encoding" not in answer.headers:
        raise ArtifactError(
            f"{url}: got only {done} of {total} bytes",
            hint="the connection broke; try again",
        )
