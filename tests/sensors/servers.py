"""Real servers on free ports that behave as badly as they are told."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

type Behaviour = Callable[[socket.socket, str], None]
"""What to do with a connection and the path that was asked for."""

PAGES = {
    "/metadata": 'ant_node_antnode_version_info{antnode_version="0.4.17"} 1\n# EOF\n',
    "/metrics": "ant_node_uptime 77\n# EOF\n",
    "/metrics_extended": "ant_node_uptime 77\nant_networking_shunned_count_across_time_frames 1\n# EOF\n",
}


class Server:
    """Accepts until `close`, each connection in a thread of its own; `accepted` counts them."""

    def __init__(self, behave: Behaviour, *, family: int = socket.AF_INET) -> None:
        self._behave = behave
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._socket = socket.create_server((host, 0), family=family, backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self.accepted = 0
        self.closing = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                data = connection.recv(4096)
                if not data:
                    return
                request += data
            self._behave(connection, request.split()[1].decode())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextmanager
def serving(behave: Behaviour, *, family: int = socket.AF_INET) -> Iterator[Server]:
    """A server for the time of a with block."""
    server = Server(behave, family=family)
    try:
        yield server
    finally:
        server.close()


def page(path: str, *, status: str = "200 OK", body: str | None = None, length: bool = True) -> bytes:
    """A whole response."""
    text = (PAGES[path] if body is None else body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n"
    if length:
        head += f"Content-Length: {len(text)}\r\n"
    return f"{head}\r\n".encode() + text


def healthy(connection: socket.socket, path: str) -> None:
    """Answers as a node does."""
    connection.sendall(page(path))


def saying(*parts: bytes, pause_seconds: float = 0.0) -> Behaviour:
    """Sends the parts and closes."""

    def behave(connection: socket.socket, path: str) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_seconds)

    return behave


def hanging(connection: socket.socket, path: str) -> None:
    """Never answers, and keeps the connection until the other side closes it."""
    connection.recv(1)


def dripping(connection: socket.socket, path: str) -> None:
    """Sends a byte of an endless page now and then."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.01)


def dripping_head(connection: socket.socket, path: str) -> None:
    """Never comes to the end of its head."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: y\r\n")
        time.sleep(0.01)


def flooding(connection: socket.socket, path: str) -> None:
    """Sends a page without end as fast as it can."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def resetting(connection: socket.socket, path: str) -> None:
    """Drops the connection without the usual goodbye."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
