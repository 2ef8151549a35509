"""Fetches the pages of all nodes side by side in one thread, with a bound that holds in total."""

import errno
import os
import re
import resource
import selectors
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cache, partial

from msgspec import Struct

from wnm.core.contracts import Clock
from wnm.core.errors import Transient
from wnm.core.node import Reachability
from wnm.core.observation import Answer, Target, Unseen
from wnm.sensors.host import read_with_timeout

LONGEST_BODY_BYTES = 1024 * 1024
_LONGEST_HEAD_BYTES = 16 * 1024
_RECEIVE_BYTES = 64 * 1024  # a page fits; larger buffers cost more to get than they save
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})(?![0-9])")
_CONTENT_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([^\r\n]*)", re.IGNORECASE)
_ENCODED = re.compile(rb"\n(transfer|content)-encoding:[ \t]*(?!identity\b)\S", re.IGNORECASE)

_METADATA, _METRICS, _EXTENDED = "/metadata", "/metrics", "/metrics_extended"
_PATHS = (_METADATA, _EXTENDED)
# The longer page is the shorter one and a few lines more, so it costs no third connection; not every node has it.
_INSTEAD = {_EXTENDED: _METRICS}
_MOST_SOCKETS = 512
_SOCKETS_FOR_OTHERS = 64  # of what the process may have open


class Unusable(Transient):
    """An answer that is not a plain HTTP page; the text says why."""


class Head(Struct, frozen=True, kw_only=True):
    """The start of the body among the received bytes, and its length; None means until the end."""

    body_at: int
    body_bytes: int | None


def read_head(received: bytes | bytearray) -> Head | None:
    """The head of a response with status 200; None while it is incomplete. Raises Unusable."""
    end, gap = received.find(b"\r\n\r\n"), 4
    if end < 0:
        end, gap = received.find(b"\n\n"), 2
    if not received.startswith(b"HTTP/"[: len(received)]):
        raise Unusable("what listens there does not speak HTTP")
    if end < 0 and len(received) <= _LONGEST_HEAD_BYTES:
        return None
    if not 0 <= end <= _LONGEST_HEAD_BYTES:
        raise Unusable("head larger than 16 KiB")
    head = bytes(received[:end])
    status, length = _STATUS_LINE.match(head), _CONTENT_LENGTH.search(head)
    digits = length[1].strip() if length else b"0"
    why = ""
    if status is None or status[1] != b"200":
        why = f"status {status[1].decode()}" if status else "what listens there does not speak HTTP/1"
    elif _ENCODED.search(head):
        why = "encoded, although a plain page was asked for"
    elif not digits.isdigit():
        why = "its length is not a number"
    elif len(digits) > 20 or int(digits) > LONGEST_BODY_BYTES:
        why = "page larger than 1 MiB"
    if why:
        raise Unusable(why)
    return Head(body_at=end + gap, body_bytes=int(digits) if length else None)


class _Asked(Struct, eq=False):
    """One node that has been asked, and what has come of it so far; `fetches` are under way."""

    target: Target
    deadline: float
    fetches: list["_Fetch"] = []
    pages: dict[str, str] = {}
    troubles: dict[str, None] = {}
    timed_out: bool = False

    def answer(self) -> Answer:
        if self.pages:
            reachable = Reachability.ANSWERS
        else:
            reachable = Reachability.TIMES_OUT if self.timed_out else Reachability.REFUSES
        figures = [self.pages[path] for path in (_EXTENDED, _METRICS) if path in self.pages]
        return Answer(
            reachable=reachable,
            metadata=self.pages.get(_METADATA),
            metrics="\n".join(dict.fromkeys(figures)) if figures else None,
            error="; ".join(self.troubles) or None,
        )

    def note(self, error: OSError | OverflowError | Unusable) -> None:
        """Remember what went wrong with a page."""
        match error:
            case ConnectionRefusedError():
                trouble = "refused the connection"
            case ConnectionResetError() | BrokenPipeError():
                trouble = "closed before it answered"
            case Unusable():
                trouble = str(error)
            case OverflowError():
                trouble = f"{self.target.port} is not a port"
            case _:
                self.timed_out = True
                trouble = f"cannot be reached: {error.strerror or error}"
        self.troubles[trouble] = None


class _Fetch(Struct, eq=False):
    """A page on its way over a socket that never blocks."""

    asked: _Asked
    path: str
    sock: socket.socket
    unsent: bytes
    received: bytearray
    head: Head | None = None

    def send(self) -> bool:
        """Send what is left of the request; False while the socket takes no more. Raises OSError."""
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        except BlockingIOError:
            return False
        except OSError as error:
            # macOS says this while a connection is still being made, and after that has failed.
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
        self.head = self.head or read_head(self.received)
        if self.head is None:
            if not data:
                raise Unusable("closed before it answered")
            return None
        at, awaited = self.head.body_at, self.head.body_bytes
        size = len(self.received) - at
        if awaited is None and size > LONGEST_BODY_BYTES:
            raise Unusable("page larger than 1 MiB")
        if awaited is not None and not data and size < awaited:
            raise Unusable(f"closed after {size} of {awaited} bytes")
        if data and (awaited is None or size < awaited):
            return None
        return self.received[at : None if awaited is None else at + awaited].decode("utf-8", "replace")


def ask_all(
    targets: Sequence[Target],
    *,
    poll_timeout: timedelta,
    survey_delay: timedelta = timedelta(0),
    clock: Clock,
) -> Mapping[int, Answer]:
    """Ask every target for both its pages; one answer per id, no matter what the targets do.

    A node has `poll_timeout` for both pages together, however slowly it drips. Nodes are begun `survey_delay`
    apart, so all of it lasts at most (number of targets - 1) x `survey_delay` + `poll_timeout`. Where not all
    fit under the limit of open sockets at once, they share that time in equal rounds.
    """
    if not targets:
        return {}
    with selectors.DefaultSelector() as selector:
        poll = _Poll(targets, poll_timeout.total_seconds(), survey_delay.total_seconds(), clock, selector)
        try:
            return poll.run()
        finally:
            for asked in poll.asked:
                for fetch in asked.fetches:
                    fetch.sock.close()


class _Poll:
    """The state of one `ask_all`: nodes that wait, those that have been asked (earliest first), answers by id."""

    def __init__(
        self,
        targets: Sequence[Target],
        timeout: float,
        delay: float,
        clock: Clock,
        selector: selectors.BaseSelector,
    ) -> None:
        self._waiting = deque(targets)
        self._clock = clock
        self._selector = selector
        self._delay = delay
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most_sockets = _MOST_SOCKETS
        if allowed != resource.RLIM_INFINITY:
            self._most_sockets = max(min(_MOST_SOCKETS, allowed - _SOCKETS_FOR_OTHERS), len(_PATHS))
        # The sockets have to be used again so many times if every node keeps its own until the end.
        at_once = min(len(targets), int(timeout / delay) + 1) if delay > 0 else len(targets)
        self._patience = timeout / -(-at_once // (self._most_sockets // len(_PATHS)))
        self._next_start = clock.monotonic()
        self.asked: deque[_Asked] = deque()
        self._sockets = 0
        self._address = cache(self._find_address)

    def run(self) -> Mapping[int, Answer]:
        answers: dict[int, Answer] = {}
        most = self._most_sockets - len(_PATHS)
        while True:
            now = self._clock.monotonic()
            while self._waiting and self._sockets <= most and now >= self._next_start:
                self._next_start = now + self._delay
                asked = _Asked(self._waiting.popleft(), now + self._patience)
                self.asked.append(asked)
                for path in _PATHS:
                    if not self._open(asked, path):
                        break
                now = self._clock.monotonic()
            while self.asked and (not self.asked[0].fetches or self.asked[0].deadline <= now):
                asked = self.asked.popleft()
                for fetch in list(asked.fetches):
                    asked.timed_out = True
                    asked.troubles[f"no complete page within {self._patience:.3g} s"] = None
                    self._end(fetch)
                answers[asked.target.id] = asked.answer()
            if not self._waiting and not self._sockets:
                return answers
            moments = [self.asked[0].deadline] if self.asked else []
            if self._waiting and self._sockets <= most:
                moments.append(self._next_start)
            until_next = max(min(moments, default=0.0) - self._clock.monotonic(), 0.0)
            for key, _ in self._selector.select(until_next):
                self._proceed(key.data)

    def _open(self, asked: _Asked, path: str) -> bool:
        """Begin to fetch a page; False when it is plain that nobody listens."""
        host, port = asked.target.host, asked.target.port
        address = self._address(host)
        if address is None:
            asked.note(OSError(f"{host!r} has no address"))
            return False
        shown = f"[{address[1]}]" if ":" in address[1] else address[1]
        request = f"GET {path} HTTP/1.0\r\nHost: {shown}:{port}\r\nConnection: close\r\n\r\n"
        try:
            sock = socket.socket(address[0], socket.SOCK_STREAM)
        except OSError as error:
            asked.note(error)
            return True
        fetch = _Fetch(asked, path, sock, request.encode("ascii"), bytearray())
        try:
            sock.setblocking(False)
            code = sock.connect_ex((address[1], port))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
            # On the same machine a connection is there at once, which saves a turn of waiting.
            sent = fetch.send()
        except (OSError, OverflowError) as error:
            sock.close()
            asked.note(error)
            return False
        self._selector.register(sock, selectors.EVENT_READ if sent else selectors.EVENT_WRITE, fetch)
        asked.fetches.append(fetch)
        self._sockets += 1
        return True

    def _proceed(self, fetch: _Fetch) -> None:
        asked, path = fetch.asked, fetch.path
        try:
            if fetch.unsent:
                if fetch.send():
                    self._selector.modify(fetch.sock, selectors.EVENT_READ, fetch)
                return
            page = fetch.receive()
            if page is None:
                return
            asked.pages[path] = page
            # A whole page has these; the longer one of some releases holds what the other one lacks, and only that.
            instead = path in _INSTEAD and "ant_node_uptime" not in page and "connected_peers" not in page
        except (OSError, Unusable) as error:
            instead = path in _INSTEAD and isinstance(error, Unusable)
            if not instead:
                asked.note(error)
        self._end(fetch)
        if instead:
            self._open(asked, _INSTEAD[path])

    def _end(self, fetch: _Fetch) -> None:
        fetch.asked.fetches.remove(fetch)
        self._selector.unregister(fetch.sock)
        fetch.sock.close()
        self._sockets -= 1

    def _find_address(self, host: str) -> tuple[int, str] | None:
        """Family and numeric address of a host; None when no name server knows one in time."""
        for family in (socket.AF_INET, socket.AF_INET6):
            with suppress(OSError, ValueError):
                socket.inet_pton(family, host)
                return family, host
        try:
            look_up = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
            found = read_with_timeout(look_up, self._patience)
        except ValueError:  # what no name can be: too long, or with a NUL in it
            return None
        if isinstance(found, Unseen):
            return None
        # Version 4 first: that is what node programs listen on.
        addresses = [(int(each[0]), str(each[4][0])) for each in found]
        return min(addresses, key=lambda address: address[0] != socket.AF_INET, default=None)
