"""One page of one node, fetched without ever waiting."""

import errno
import os
import socket

from wnm.formats.http_response import LONGEST_BODY_BYTES, Head, Unusable, read_head

_RECEIVE_BYTES = 64 * 1024  # a page fits; larger buffers cost more to get than they save


class PageFetch:
    """A page on its way over a socket that never blocks."""

    __slots__ = ("head", "received", "sock", "unsent")

    def __init__(self, family: int) -> None:
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.received = bytearray()
        self.unsent = b""
        self.head: Head | None = None

    def begin(self, path: str, host: str, port: int) -> bool:
        """Connect and ask; whether the request is already out. Raises OSError, OverflowError for a wrong port."""
        shown = f"[{host}]" if ":" in host else host
        lines = (f"GET {path} HTTP/1.0", f"Host: {shown}:{port}", "Connection: close", "", "")
        self.unsent = "\r\n".join(lines).encode("ascii")
        code = self.sock.connect_ex((host, port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        # On the same machine a connection is there at once, which saves a turn of waiting.
        return self.send()

    def send(self) -> bool:
        """Send what is left of the request; False while the socket takes no more. Raises OSError."""
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        except BlockingIOError:
            return False
        except OSError as error:
            # What macOS says while a connection is still being made, and after that has failed.
            if error.errno != errno.ENOTCONN:
                raise
            code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code)) from error
            return False
        return not self.unsent

    def receive(self) -> str | None:
        """The page once it is whole, else None. Raises OSError or Unusable."""
        try:
            data = self.sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return None
        self.received += data
        if self.head is None:
            self.head = read_head(self.received)
        if self.head is None:
            if not data:
                raise Unusable("closed before it answered")
            return None
        return self._body(self.head, ended=not data)

    def _body(self, head: Head, *, ended: bool) -> str | None:
        size = len(self.received) - head.body_at
        if head.body_bytes is None:
            if size > LONGEST_BODY_BYTES:
                raise Unusable("page larger than 1 MiB")
            whole = ended
        else:
            whole = size >= head.body_bytes
            if ended and not whole:
                raise Unusable(f"closed after {size} of {head.body_bytes} bytes")
        if not whole:
            return None
        end = None if head.body_bytes is None else head.body_at + head.body_bytes
        return self.received[head.body_at : end].decode("utf-8", "replace")
