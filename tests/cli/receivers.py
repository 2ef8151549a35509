"""Receivers of alerts that behave as they are told: a real web server, and a real program."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "s3cret-t0ken"


@dataclass(kw_only=True)
class Receiver:
    """Counts what it is sent. `mood` is ok, error, echo, hang, drip or redirect.

    A hanging one lets go with `release`.
    """

    port: int = 0
    mood: str = "ok"
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{TOKEN}"

    def messages(self) -> list[dict[str, Any]]:
        """The messages so far."""
        return [json.loads(body) for method, _, _, body in list(self.requests) if method == "POST"]

    def events(self) -> list[tuple[str, str]]:
        """Event and key of each of them."""
        return [(each["event"], each["key"]) for each in self.messages()]

    def ids(self) -> list[str]:
        return [each["id"] for each in self.messages()]

    def pings(self) -> int:
        return sum(method == "GET" for method, *_ in list(self.requests))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever was cut off is no concern of the test."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def do_GET(self) -> None:
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        receiver = self.server.receiver
        receiver.requests.append((self.command, self.path, dict(self.headers), body))
        match receiver.mood:
            case "hang":
                receiver.release.wait(120)
            case "drip":
                with suppress(OSError):
                    self.wfile.write(b"HTTP/1.0 200 OK\r\n")
                    while not receiver.release.wait(0.2):
                        self.wfile.write(b"X-More: yes\r\n")
                return
            case "error":
                self.send_error(500)
                return
            case "echo":
                self.send_error(500, f"no {self.path}")
                return
            case "redirect":
                self.send_response(302)
                self.send_header("Location", receiver.url)
                self.end_headers()
                return
        with suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Nothing is logged."""


@contextmanager
def receiving(mood: str = "ok", port: int = 0) -> Iterator[Receiver]:
    """A web server for the time of a with block."""
    with _Server(("127.0.0.1", port), _Handler) as server:
        server.receiver = Receiver(port=server.server_address[1], mood=mood)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.receiver
        finally:
            server.receiver.release.set()
            server.shutdown()
            thread.join()


def write_command(path: Path, then: str = "") -> Path:
    """A program that appends what it reads to `path`.got, a line each time, and then does `then`."""
    path.write_text(f'#!/bin/sh\ncat >> "$0.got"\necho >> "$0.got"\n{then}\n')
    path.chmod(0o755)
    return path


def got(path: Path) -> list[dict[str, Any]]:
    """What that program was given."""
    file = path.with_name(f"{path.name}.got")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
