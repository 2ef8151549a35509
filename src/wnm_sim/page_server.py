"""Serves metrics pages over HTTP, well or badly as ordered; each connection has a thread of its own."""

import _thread
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

HUGE_BYTES = 64 * 1024 * 1024
_MOST_REQUEST_BYTES = 65536
_DRIP_SECONDS = 0.2
_CHUNK = b"flood_of_samples_total 1\n" * 2048
_CONTENT = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# Every line is wrong in its own way: no value, two values, no name, not a number, no text at all.
_GARBAGE = (
    b'ant_node_uptime\nant_node_uptime 5 6 seven\n{peer_id="\n# TYPE\n'
    b"ant_networking_connected_peers many\nant_networking_records_stored 1e999\n"
    b'ant_node_antnode_version_info{antnode_version="} 1\n\x00\xff\xfe\x80\xc3\x28\n'
)

type Answer = Callable[[str], Iterable[bytes] | None]
"""From a path to what is sent, piece by piece; None for silence until the client goes."""


def answer(path: str, mode: str, page: Callable[[str], str | None]) -> Iterable[bytes] | None:
    """The reply to GET `path` in a metrics mode; `page` gives a page's text, None for 404."""
    if mode == "hang":
        return None
    if mode == "drip":
        return _drip()
    if mode == "huge":
        return _flood()
    if mode == "garbage":
        return _whole("200 OK", _GARBAGE)
    if mode == "error500":
        return _whole("500 Internal Server Error", b"the metrics could not be collected\n")
    text = page(path)
    return _whole("404 Not Found", b"") if text is None else _whole("200 OK", text.encode())


def _whole(status: str, body: bytes) -> tuple[bytes]:
    return (_head(status, len(body)) + body,)


def _drip() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    while True:
        time.sleep(_DRIP_SECONDS)
        yield b"#"


def _flood() -> Iterator[bytes]:
    yield _head("200 OK", HUGE_BYTES)
    for sent in range(0, HUGE_BYTES, len(_CHUNK)):
        yield _CHUNK[: HUGE_BYTES - sent]


def _head(status: str, length: int) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {_CONTENT}", f"Content-Length: {length}")
    return "\r\n".join((*lines, "", "")).encode("ascii")


class PageServer:
    """Answers GET requests on one address; any number of servers may share a selector.

    The owner of the selector calls `key.data(events)` for each ready key. `answer` is called in other threads.
    """

    def __init__(self, selector: selectors.BaseSelector, answer: Answer) -> None:
        self._selector = selector
        self._answer = answer
        self._listener: socket.socket | None = None
        self._clients: set[socket.socket] = set()

    @property
    def listening(self) -> bool:
        """True while new connections are accepted."""
        return self._listener is not None

    def listen(self, host: str, port: int) -> int:
        """Open the port (0 for any) and return its number. Raises OSError when it is taken."""
        listener = socket.create_server((host, port), backlog=64)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._listener = listener
        return int(listener.getsockname()[1])

    def close(self) -> None:
        """Close the port and every connection: new clients are refused."""
        for client in list(self._clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, _events: int) -> None:
        try:
            assert self._listener is not None
            client, _ = self._listener.accept()
        except OSError:  # the client has gone, or there are no descriptors left
            return
        client.setblocking(True)
        self._clients.add(client)
        _thread.start_new_thread(self._serve, (client,))

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self._converse(client)
        self._clients.discard(client)

    def _converse(self, client: socket.socket) -> None:
        """Answer one request after another. Raises OSError when the client has gone."""
        inbox = b""
        while True:
            while b"\r\n\r\n" not in inbox:
                received = client.recv(_MOST_REQUEST_BYTES)
                if not received or len(inbox) > _MOST_REQUEST_BYTES:
                    return
                inbox += received
            head, _, inbox = inbox.partition(b"\r\n\r\n")
            words = head.split(b"\r\n", 1)[0].split()
            path = words[1].decode("latin-1").partition("?")[0] if len(words) == 3 else ""
            chunks = self._answer(path)
            if chunks is None:
                while client.recv(_MOST_REQUEST_BYTES):
                    continue
                return
            for chunk in chunks:
                client.sendall(chunk)
            if b"connection: close" in head.lower() or words[-1:] == [b"HTTP/1.0"]:
                return
