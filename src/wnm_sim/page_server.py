"""Serves metrics pages over HTTP on a shared selector, well or badly as ordered."""

import selectors
import socket
from collections.abc import Callable
from typing import Literal, NamedTuple

type Ending = Literal["keep", "close", "hang", "drip", "flood"]

_MOST_REQUEST_BYTES = 65536
_FLOOD_CHUNK = b"flood_of_samples_total 1\n" * 2048
HUGE_BYTES = 64 * 1024 * 1024
_CONTENT = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# Every line is wrong in its own way: no value, two values, no name, not a number, no text at all.
_GARBAGE = (
    b'ant_node_uptime\nant_node_uptime 5 6 seven\n{peer_id="\n# TYPE\n'
    b"ant_networking_connected_peers many\nant_networking_records_stored 1e999\n"
    b'ant_node_antnode_version_info{antnode_version="} 1\n\x00\xff\xfe\x80\xc3\x28\n'
)


class Reply(NamedTuple):
    """Bytes to send, and what comes after them.

    keep: the next request on the same connection; close: the end; hang: silence for
    ever; drip: one byte at every tick for ever; flood: `flood_bytes` more at full speed.
    """

    data: bytes
    ending: Ending = "keep"
    flood_bytes: int = 0


type Answer = Callable[[str], Reply]


def answer(path: str, mode: str, page: Callable[[str], str | None]) -> Reply:
    """The reply to GET `path` in a metrics mode; `page` gives a page's text, None for 404."""
    if mode == "hang":
        return Reply(b"", "hang")
    if mode == "drip":
        return Reply(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", "drip")
    if mode == "huge":
        return Reply(_head("200 OK", HUGE_BYTES), "flood", HUGE_BYTES)
    if mode == "garbage":
        return _whole("200 OK", _GARBAGE)
    if mode == "error500":
        return _whole("500 Internal Server Error", b"the metrics could not be collected\n")
    text = page(path)
    return _whole("404 Not Found", b"") if text is None else _whole("200 OK", text.encode())


def _whole(status: str, body: bytes) -> Reply:
    return Reply(_head(status, len(body)) + body)


def _head(status: str, length: int) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {_CONTENT}", f"Content-Length: {length}")
    return "\r\n".join((*lines, "", "")).encode("ascii")


class _Connection:
    """One client: what it has sent so far and what it is still owed."""

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.inbox = b""
        self.outbox = b""
        self.ending: Ending = "keep"
        self.flood_left = 0


class PageServer:
    """Answers GET requests on one address; any number of servers may share a selector.

    The owner of the selector calls `key.data(events)` for each ready key, and `tick`
    several times a second. `answer` turns a path into a reply.
    """

    def __init__(self, selector: selectors.BaseSelector, answer: Answer) -> None:
        self._selector = selector
        self._answer = answer
        self._listener: socket.socket | None = None
        self._connections: dict[int, _Connection] = {}

    @property
    def listening(self) -> bool:
        """True while new connections are accepted."""
        return self._listener is not None

    def listen(self, host: str, port: int) -> int:
        """Open the port (0 for any) and return its number. Raises OSError when it is taken."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(64)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._listener = listener
        return int(listener.getsockname()[1])

    def close(self) -> None:
        """Close the port and every connection: new clients are refused."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def tick(self) -> None:
        """Send the next byte to every connection that gets them one by one."""
        for connection in list(self._connections.values()):
            if connection.ending == "drip":
                connection.outbox += b"#"
                self._send(connection)

    def _accept(self, _events: int) -> None:
        if self._listener is None:
            return
        try:
            client, _ = self._listener.accept()
        except OSError:  # the client has gone, or there are no descriptors left
            return
        client.setblocking(False)
        connection = _Connection(client)
        self._connections[client.fileno()] = connection
        self._selector.register(client, selectors.EVENT_READ, lambda events: self._serve(connection, events))

    def _serve(self, connection: _Connection, events: int) -> None:
        if events & selectors.EVENT_READ:
            try:
                received = connection.socket.recv(_MOST_REQUEST_BYTES)
            except BlockingIOError:
                return
            except OSError:
                received = b""
            if not received or len(connection.inbox) > _MOST_REQUEST_BYTES:
                self._drop(connection)
                return
            connection.inbox += received
        self._send(connection)

    def _send(self, connection: _Connection) -> None:
        try:
            while self._refill(connection):
                sent = connection.socket.send(connection.outbox)
                connection.outbox = connection.outbox[sent:]
        except BlockingIOError:
            self._wait_for(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
            return
        except OSError:
            self._drop(connection)
            return
        if connection.ending == "close":
            self._drop(connection)
        else:
            self._wait_for(connection, selectors.EVENT_READ)

    def _refill(self, connection: _Connection) -> bool:
        """Put the next bytes into the outbox; False when nothing is owed for now."""
        if connection.outbox:
            return True
        if connection.ending == "flood":
            connection.outbox = _FLOOD_CHUNK[: connection.flood_left]
            connection.flood_left -= len(connection.outbox)
            if not connection.flood_left:
                connection.ending = "close"
            return True
        if connection.ending == "keep" and b"\r\n\r\n" in connection.inbox:
            head, _, connection.inbox = connection.inbox.partition(b"\r\n\r\n")
            self._reply(connection, head)
            return bool(connection.outbox)
        return False

    def _reply(self, connection: _Connection, head: bytes) -> None:
        words = head.split(b"\r\n", 1)[0].split()
        path = words[1].decode("latin-1").partition("?")[0] if len(words) == 3 else ""
        reply = self._answer(path)
        connection.outbox = reply.data
        connection.ending = reply.ending
        connection.flood_left = reply.flood_bytes
        asked_to_close = b"connection: close" in head.lower() or words[-1:] == [b"HTTP/1.0"]
        if reply.ending == "keep" and asked_to_close:
            connection.ending = "close"

    def _wait_for(self, connection: _Connection, events: int) -> None:
        key = self._selector.get_key(connection.socket)
        if key.events != events:
            self._selector.modify(connection.socket, events, key.data)

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.socket.fileno(), None) is not None:
            self._selector.unregister(connection.socket)
            connection.socket.close()
