"""GitHub's API of artifacts, on this machine: real HTTP, and a redirect to a store."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit


def artifact(number: int, run: int, **more: Any) -> dict[str, Any]:
    """Return an artifact as the API describes it; `more` are keys of its run."""
    return {
        "id": number,
        "expired": False,
        "workflow_run": {
            "id": run,
            "head_branch": "trunk",
            "repository_id": 1,
            "head_repository_id": 1,
            **more,
        },
    }


class FakeGitHub(BaseHTTPRequestHandler):
    """Answers for one repository; a subclass has its values."""

    artifacts: ClassVar[list[dict[str, Any]]] = []
    # Run → how it ended, and what started it.
    runs: ClassVar[dict[int, tuple[str, str]]] = {}
    # Artifact → its zip.
    zips: ClassVar[dict[int, bytes]] = {}
    name: ClassVar[str] = "kernel-matrix"
    # What is answered first, in place of anything else.
    statuses: ClassVar[list[int]] = []
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answer a request."""
        self.asked.append(self.path)
        address = urlsplit(self.path)
        parts = address.path.strip("/").split("/")
        if self.statuses:
            self._answer(self.statuses.pop(0), b"{}")
        elif parts[0] == "store":
            # It refuses requests with the API's token, as Azure does.
            known = "Authorization" not in self.headers
            self._answer(200 if known else 400, self.zips[int(parts[1])])
        elif self.headers.get("Authorization") != "Bearer t":
            self._answer(403, b"{}")
        elif parts[3:] == ["actions", "artifacts"] or parts[-1] == "artifacts":
            (wanted,) = parse_qs(address.query)["name"]
            found = self.artifacts if wanted == self.name else []
            self._answer(200, json.dumps({"artifacts": found}).encode())
        elif parts[-2] == "runs":
            conclusion, event = self.runs[int(parts[-1])]
            told = {"conclusion": conclusion, "event": event}
            self._answer(200, json.dumps(told).encode())
        else:
            self.send_response(302)
            self.send_header("Location", f"http://{self._host}/store/{parts[-2]}")
            self.end_headers()

    @property
    def _host(self) -> str:
        return self.headers["Host"]

    def _answer(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def server(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve, and return the address."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@contextmanager
def serving(reports: Path | None, *, name: str, branch: str) -> Iterator[str]:
    """Serve the artifact of one good run on a branch, number 7; None is none."""
    found = [] if reports is None else [artifact(1, 7, head_branch=branch)]
    values = {
        "name": name,
        "artifacts": found,
        "runs": {7: ("success", "push")},
        "zips": {} if reports is None else {1: zipped(reports)},
        "statuses": [],
        "asked": [],
    }
    with server(type("OneRun", (FakeGitHub,), values)) as address:
        yield address


def zipped(folder: Path) -> bytes:
    """Return a folder's files as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(it for it in folder.rglob("*") if it.is_file()):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()
