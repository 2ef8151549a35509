"""Fetches the pages of all nodes side by side in one thread, with a bound that holds in total."""

import errno
import os
import re
import resource
import selectors
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache

from msgspec import Struct

from wnm.core.contracts import Clock
from wnm.core.errors import Transient
from wnm.core.node import Reachability
from wnm.core.observation import Answer, Target, Unseen
from wnm.sensors.host import read_with_timeout

LONGEST_BODY_BYTES = 1024 * 1024
_LONGEST_HEAD_BYTES = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})(?![0-9])")
_CONTENT_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([^\r\n]*)", re.IGNORECASE)
_ENCODED = re.compile(rb"\n(transfer|content)-encoding:[ \t]*(?!identity\b)\S", re.IGNORECASE)


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
    if end < 0 or end > _LONGEST_HEAD_BYTES:
        raise Unusable("head larger than 16 KiB")
    head = bytes(received[:end])
    status = _STATUS_LINE.match(head)
    if status is None:
        raise Unusable("what listens there does not speak HTTP/1")
    if status[1] != b"200":
        raise Unusable(f"status {status[1].decode()}")
    if _ENCODED.search(head):
        raise Unusable("encoded, although a plain page was asked for")
    return Head(body_at=end + gap, body_bytes=_body_bytes(head))


def _body_bytes(head: bytes) -> int | None:
    found = _CONTENT_LENGTH.search(head)
    if found is None:
        return None
    digits = found[1].strip()
    if not digits.isdigit():
        raise Unusable("its length is not a number")
    if len(digits) > 20 or int(digits) > LONGEST_BODY_BYTES:
        raise Unusable("page larger than 1 MiB")
    return int(digits)


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


__all__ = ["Answer", "Target", "ask_all"]

_METADATA, _METRICS, _EXTENDED = "/metadata", "/metrics", "/metrics_extended"
_PATHS = (_METADATA, _EXTENDED)
# The longer page is the shorter one and a few lines more, so it costs no third connection; not every node has it.
_INSTEAD = {_EXTENDED: _METRICS}
_IN_EVERY_WHOLE_PAGE = ("ant_node_uptime", "connected_peers")
_MOST_SOCKETS = 512
_SOCKETS_FOR_OTHERS = 64  # of what the process may have open


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
        round_ = _Round(targets, poll_timeout, survey_delay, clock, selector)
        try:
            return round_.run()
        finally:
            round_.close()


class _Asked:
    """One node that has been asked, and what has come of it so far."""

    __slots__ = ("deadline", "fetches", "pages", "target", "timed_out", "troubles")

    def __init__(self, target: Target, deadline: float) -> None:
        self.target = target
        self.deadline = deadline
        self.fetches: dict[str, PageFetch] = {}
        self.pages: dict[str, str] = {}
        self.troubles: dict[str, None] = {}
        self.timed_out = False

    def answer(self) -> Answer:
        if self.pages:
            reachable = Reachability.ANSWERS
        else:
            reachable = Reachability.TIMES_OUT if self.timed_out else Reachability.REFUSES
        metadata = self.pages.get(_METADATA)
        figures = [self.pages[path] for path in (_EXTENDED, _METRICS) if path in self.pages]
        metrics = "\n".join(dict.fromkeys(figures)) if figures else None
        error = "; ".join(self.troubles) or None
        return Answer(reachable=reachable, metadata=metadata, metrics=metrics, error=error)

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


class _Round:
    """The state of one `ask_all`."""

    def __init__(
        self,
        targets: Sequence[Target],
        poll_timeout: timedelta,
        survey_delay: timedelta,
        clock: Clock,
        selector: selectors.BaseSelector,
    ) -> None:
        self._waiting = deque(targets)
        self._clock = clock
        self._selector = selector
        self._delay = survey_delay.total_seconds()
        self._most_sockets = _most_sockets()
        self._patience = poll_timeout.total_seconds() / self._rounds(len(targets), poll_timeout)
        self._next_start = clock.monotonic()
        self._asked: deque[_Asked] = deque()
        self._sockets = 0
        self._answers: dict[int, Answer] = {}
        self._address = cache(self._find_address)

    def _rounds(self, count: int, poll_timeout: timedelta) -> int:
        """Return how many times the sockets have to be used again if every node keeps its own until the end."""
        at_once = count
        if self._delay > 0:
            at_once = min(count, int(poll_timeout.total_seconds() / self._delay) + 1)
        nodes_per_round = self._most_sockets // len(_PATHS)
        return -(-at_once // nodes_per_round)

    def run(self) -> Mapping[int, Answer]:
        while True:
            self._begin_due()
            self._give_up_overdue()
            if not self._waiting and not self._sockets:
                return self._answers
            for key, _ in self._selector.select(self._until_next()):
                self._proceed(*key.data)

    def close(self) -> None:
        for asked in self._asked:
            for fetch in asked.fetches.values():
                fetch.sock.close()

    def _has_free_sockets(self) -> bool:
        return self._sockets + len(_PATHS) <= self._most_sockets

    def _begin_due(self) -> None:
        while self._waiting and self._has_free_sockets():
            now = self._clock.monotonic()
            if now < self._next_start:
                return
            self._next_start = now + self._delay
            self._begin(_Asked(self._waiting.popleft(), now + self._patience))

    def _until_next(self) -> float:
        moments = [self._asked[0].deadline] if self._asked else []
        if self._waiting and self._has_free_sockets():
            moments.append(self._next_start)
        return max(min(moments, default=0.0) - self._clock.monotonic(), 0.0)

    def _begin(self, asked: _Asked) -> None:
        self._asked.append(asked)
        address = self._address(asked.target.host)
        if address is None:
            asked.note(OSError(f"{asked.target.host!r} has no address"))
        else:
            for path in _PATHS:
                if not self._open(asked, path, *address):
                    break
        if not asked.fetches:
            self._settle(asked)

    def _open(self, asked: _Asked, path: str, family: int, host: str) -> bool:
        """Begin to fetch a page; False when it is plain that nobody listens."""
        try:
            fetch = PageFetch(family)
        except OSError as error:
            asked.note(error)
            return True
        try:
            sent = fetch.begin(path, host, asked.target.port)
        except (OSError, OverflowError) as error:
            fetch.sock.close()
            asked.note(error)
            return False
        awaited = selectors.EVENT_READ if sent else selectors.EVENT_WRITE
        self._selector.register(fetch.sock, awaited, (asked, path))
        asked.fetches[path] = fetch
        self._sockets += 1
        return True

    def _proceed(self, asked: _Asked, path: str) -> None:
        fetch = asked.fetches[path]
        try:
            if fetch.unsent:
                if fetch.send():
                    self._selector.modify(fetch.sock, selectors.EVENT_READ, (asked, path))
                return
            page = fetch.receive()
        except (OSError, Unusable) as error:
            if isinstance(error, Unusable) and path in _INSTEAD:
                self._ask_instead(asked, path)
                return
            asked.note(error)
            self._close(asked, path)
            return
        if page is None:
            return
        asked.pages[path] = page
        if path in _INSTEAD and not any(name in page for name in _IN_EVERY_WHOLE_PAGE):
            self._ask_instead(asked, path)  # It holds what the other one lacks, and only that.
        else:
            self._close(asked, path)

    def _ask_instead(self, asked: _Asked, path: str) -> None:
        """Ask for the page that does in the place of one that is not to be had or not whole; in the time left."""
        self._drop(asked, path)
        address = self._address(asked.target.host)
        if address is not None:
            self._open(asked, _INSTEAD[path], *address)
        if not asked.fetches:
            self._settle(asked)

    def _drop(self, asked: _Asked, path: str) -> None:
        fetch = asked.fetches.pop(path)
        self._selector.unregister(fetch.sock)
        fetch.sock.close()
        self._sockets -= 1

    def _close(self, asked: _Asked, path: str) -> None:
        self._drop(asked, path)
        if not asked.fetches:
            self._settle(asked)

    def _settle(self, asked: _Asked) -> None:
        self._answers[asked.target.id] = asked.answer()

    def _give_up_overdue(self) -> None:
        now = self._clock.monotonic()
        while self._asked and (not self._asked[0].fetches or self._asked[0].deadline <= now):
            asked = self._asked.popleft()
            for path in list(asked.fetches):
                asked.timed_out = True
                asked.troubles[f"no complete page within {self._patience:.3g} s"] = None
                self._close(asked, path)

    def _find_address(self, host: str) -> tuple[int, str] | None:
        """Family and numeric address of a host; None when no name server knows one in time."""
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, host)
            except (OSError, ValueError):
                continue
            return family, host
        found = read_with_timeout(lambda: _look_up(host), self._patience)
        return None if isinstance(found, Unseen) or not found else found[0]


def _look_up(host: str) -> list[tuple[int, str]]:
    """Addresses of a name, version 4 first: that is what node programs listen on."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except ValueError:  # what no name can be: too long, or with a NUL in it
        return []
    addresses = [(int(family), str(address[0])) for family, _, _, _, address in found]
    return sorted(addresses, key=lambda address: address[0] != socket.AF_INET)


def _most_sockets() -> int:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return _MOST_SOCKETS
    return max(min(_MOST_SOCKETS, allowed - _SOCKETS_FOR_OTHERS), len(_PATHS))
