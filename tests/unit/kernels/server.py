"""A server of files on 127.0.0.1 that can misbehave."""

import http.server
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

# Pieces of a file that a server with a rate sends a second.
_A_SECOND = 20

_counting = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server sends for one address."""

    body: bytes = b""
    status: int = 200
    # Promised; None tells the truth.
    length: int | None = None
    # Where it redirects to.
    location: str = ""
    # How it wants to be told who asks.
    challenge: str = ""
    # Whether the second half never comes.
    stalls: bool = False


@dataclass(kw_only=True)
class Server:
    """A server that a test fills while it runs."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    # What is sent first, each once: a server that is busy for a while.
    before: dict[str, list[Answer]] = field(default_factory=dict)
    # What it asks those for who don't send one of these headers, below /v2/.
    challenge: str = ""
    authorizations: tuple[str, ...] = ()
    # What was asked for, in order.
    asked: list[str] = field(default_factory=list)
    # Bytes a second that each connection gets; 0 for as many as there are.
    rate: int = 0
    # Connections that it sends files over now, and the most there were.
    sending: int = 0
    most_sending: int = 0

    def put(self, path: str, body: bytes) -> str:
        """Serve a file and return its address."""
        self.answers[path] = Answer(body=body)
        return self.url + path


@contextmanager
def counted(server: Server) -> Iterator[None]:
    """Count a connection for the length of a `with` block."""
    with _counting:
        server.sending += 1
        server.most_sending = max(server.most_sending, server.sending)
    try:
        yield
    finally:
        with _counting:
            server.sending -= 1


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server for the length of a `with` block."""
    over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            first = server.before.get(self.path)
            # apt writes %7e for ~.
            plain = urllib.parse.unquote(self.path)
            known = server.answers.get(self.path) or server.answers.get(plain)
            answer = first.pop(0) if first else known or Answer(status=404)
            is_closed = server.challenge and self.path.startswith("/v2/")
            sent = self.headers.get("Authorization", "")
            if is_closed and sent not in server.authorizations:
                answer = Answer(status=401, challenge=server.challenge)
            length = len(answer.body) if answer.length is None else answer.length
            self.send_response(answer.status)
            self.send_header("Content-Length", str(length))
            if answer.location:
                self.send_header("Location", answer.location)
            if answer.challenge:
                self.send_header("WWW-Authenticate", answer.challenge)
            self.end_headers()
            # Nobody may be there any more.
            with suppress(BrokenPipeError, ConnectionResetError):
                if answer.stalls:
                    self.wfile.write(answer.body[: len(answer.body) // 2])
                    self.wfile.flush()
                    over.wait()
                else:
                    self._send(answer.body)

        def _send(self, body: bytes) -> None:
            piece = server.rate // _A_SECOND if server.rate else len(body) or 1
            last = max(0, len(body) - 1) // piece * piece
            # With the last piece the other side may be through sooner than this one.
            with counted(server):
                for start in range(0, last, piece):
                    self.wfile.write(body[start : start + piece])
                    time.sleep(1 / _A_SECOND)
            self.wfile.write(body[last:])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server = Server(url=f"http://127.0.0.1:{listening.server_port}")
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            over.set()
            listening.shutdown()
            thread.join()
