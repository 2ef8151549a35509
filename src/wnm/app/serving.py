"""Runs `wnm serve`: shows the status page on this machine's own address, read only, until it is ended.

Nothing is asked of whoever connects: every account of this machine may look, and nobody else can reach it. From
another machine it is read through `ssh -L 8966:127.0.0.1:8966 HOST`.
"""

import errno
import gc
import logging
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from msgspec import Struct

from wnm.app.context import Context
from wnm.app.invocation import Report
from wnm.app.material import material
from wnm.app.publish import status_page
from wnm.core.contracts import Clock
from wnm.core.errors import NeedsOperator, WnmError
from wnm.storage.database import Database, open_for_reading
from wnm.storage.ledger import Ledger
from wnm.system.clock import SystemClock
from wnm.views import reports
from wnm.views.doctor import LATE_AFTER
from wnm.views.html.page import policy
from wnm.views.material import Material
from wnm.views.payload import write_json
from wnm.views.words import span

KEPT_SECONDS = 2.0
log = logging.getLogger(__name__)


class Answer(Struct, frozen=True, kw_only=True):
    """The answer to a request: the HTTP code, the media type, and the text."""

    code: int
    kind: str
    text: str


def plain(code: int, line: str) -> Answer:
    """A line for people."""
    return Answer(code=code, kind="text/plain; charset=utf-8", text=f"{line}\n")


class Views:
    """The answers by path. May be asked from threads; the database is read for one of them at a time."""

    def __init__(self, context: Context, clock: Clock) -> None:
        self._context = context
        self._clock = clock
        self._alone = threading.Lock()
        self._kept: dict[str, tuple[float, Answer]] = {}

    def answer(self, path: str) -> Answer:
        """The view of that path; 404 if there is none, 503 with the reason where it cannot be made now."""
        make = _VIEWS.get(path)
        if make is None:
            return plain(404, f"nothing is here; there are {', '.join(_VIEWS)}")
        with self._alone:
            made_at, kept = self._kept.get(path, (0.0, None))
            now = self._clock.monotonic()
            if kept is not None and now - made_at < KEPT_SECONDS:
                return kept
            try:
                with open_for_reading(self._context.database_path) as database:
                    answer = make(self._material(database), database)
            except WnmError as error:
                log.warning("%s", error)
                answer = plain(503, f"wnm: {error}")
            except Exception as error:
                log.error("a bug in wnm: %s: %s", type(error).__name__, error)
                log.debug("the same in full", exc_info=error)
                answer = plain(500, "this is a bug in wnm: it is told where wnm serve was started")
            self._kept[path] = (self._clock.monotonic(), answer)
            return answer

    def check(self) -> None:
        """Read everything once. NeedsOperator if there is no database that can be read."""
        with open_for_reading(self._context.database_path) as database:
            self._material(database)

    def _material(self, database: Database) -> Material:
        resolved = self._context.resolve(Ledger(database).layers())
        return material(database, resolved, self._clock.now())


def _health(found: Material, database: Database) -> Answer:
    """Whether cycles run; how the nodes are is no concern of it."""
    cycle = found.cycle
    if cycle is None:
        return plain(503, "no cycle has run yet")
    age = max(found.generated_at - cycle.started_at, timedelta(0))
    code, word = (200, "ok") if age <= LATE_AFTER else (503, "late")
    return plain(code, f"{word}: the last cycle began {span(age)} ago")


_VIEWS: Mapping[str, Callable[[Material, Database], Answer]] = {
    "/": lambda found, database: Answer(
        code=200, kind="text/html; charset=utf-8", text=status_page(found, database)
    ),
    "/status.json": lambda found, database: Answer(
        code=200, kind="application/json", text=f"{write_json(reports.nodes_payload(found))}\n"
    ),
    "/healthz": _health,
}

ADDRESS = "127.0.0.1"
PORT = 8966
SECONDS_FOR_A_REQUEST = 10
ENDED_BY = frozenset({signal.SIGTERM, signal.SIGINT})
# A page of some other site could have its name point here and then read what is answered, so only names that
# nobody can give away are answered. The port is left open: a tunnel may begin at another one.
_HOST = re.compile(r"(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?", re.IGNORECASE)


def serve(context: Context, tell: Callable[[str], None]) -> Report:
    """Answer until SIGTERM or SIGINT comes; `tell` gets the address as soon as it answers.

    NeedsOperator without a database, or where the port is taken.
    """
    # A run that lasts has to look for cycles of references, other than the short ones.
    gc.enable()
    views = Views(context, SystemClock())
    views.check()
    # Signals wait until they are asked for, in every thread: so ending is a normal return.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDED_BY)
    with _Server(PORT if context.asked.port is None else context.asked.port, views) as server:
        tell(f"wnm: the status page is at http://{ADDRESS}:{server.port}/")
        answering = threading.Thread(target=server.serve_forever, name="answering")
        answering.start()
        signal.sigwait(ENDED_BY)
        server.shutdown()
        answering.join()
    return Report()


class _Server(ThreadingMixIn, TCPServer):
    """A thread for each request; whoever reads slowly keeps nobody waiting."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, port: int, views: Views) -> None:
        self.views = views
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            is_taken = error.errno == errno.EADDRINUSE
            why = "is taken by another program" if is_taken else f"cannot be used ({error.strerror})"
            remedy = "choose another one with --port N, or --port 0 for one that is free"
            raise NeedsOperator(f"port {port} of {ADDRESS} {why}", remedy=remedy) from error

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an error, but not a client that hung up in the middle."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            log.error("a request could not be answered: %s: %s", type(error).__name__, error)


_HEADERS = {
    "Connection": "close",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class _Handler(BaseHTTPRequestHandler):
    """One request; it is answered, and the connection closed."""

    server: _Server
    server_version = "wnm"
    sys_version = ""
    timeout = SECONDS_FOR_A_REQUEST

    def do_GET(self) -> None:
        self._send(self._answer())

    do_HEAD = do_GET  # noqa: N815 - the standard library's name

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that the standard library refuses by itself, also one with a method that has no function."""
        is_method = code == 501
        line = "this only shows: use GET" if is_method else message or "this cannot be answered"
        self._send(plain(405 if is_method else code, line))

    def version_string(self) -> str:
        return self.server_version

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Requests are not worth a line."""

    def _answer(self) -> Answer:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0].strip()):
            return plain(421, f"this is only answered as http://{ADDRESS} or http://localhost")
        return self.server.views.answer(self.path.partition("?")[0])

    def _send(self, answer: Answer) -> None:
        body = answer.text.encode(errors="replace")
        self.close_connection = True
        self.send_response(answer.code)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", f"{policy()}; frame-ancestors 'none'")
        if answer.code == 405:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
