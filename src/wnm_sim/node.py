"""Runs a simulated node: a process that looks to a node manager like the real program."""

import itertools
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from wnm_sim.command_line import Arguments, UsageError
from wnm_sim.misbehave import FILE_NAME, GOOD, Behaviour, BehaviourFile
from wnm_sim.page_server import PageServer, answer
from wnm_sim.pages import Vitals, page
from wnm_sim.programs import FIRST_RECORDS, KINDS, Antnode, default_root, kept_key, peer_number

_TICK_SECONDS = 0.2
_METRICS_HOST = "127.0.0.1"
_CHUNK_BYTES = 16384
_MOST_FILLED_AT_ONCE_BYTES = 64 * 1024 * 1024


def main(argv: Sequence[str] | None = None) -> int:
    """Run an antnode of the default version; returns its exit code (2 for wrong usage)."""
    return run(sys.argv[1:] if argv is None else argv)


def run(
    words: Sequence[str],
    *,
    kind: str = "antnode",
    version: str = "",
    program: Path | None = None,
    built_in: Behaviour = GOOD,
) -> int:
    """Run a node until it stops; returns its exit code.

    `kind` is one of KINDS, `version` empty for its default one. `program` is the file it was started from,
    which a self-upgrade replaces; None for none. `built_in` is how this version misbehaves when nothing else
    is ordered.
    """
    plays = KINDS[kind]
    version = version or plays.default_version
    try:
        asked = plays.parse(words, _refused(words, built_in))
    except UsageError as problem:
        print(f"error: {problem}\n\nFor more information, try '--help'.", file=sys.stderr)
        return 2
    if asked.show:
        print(plays.usage if asked.show == "--help" else plays.one_version(asked.show, version))
        return 0
    try:
        node = Node(words, asked, plays, version=version, program=program, built_in=built_in)
        node.start()
    except OSError as problem:
        print(f"Error: {problem}", file=sys.stderr)
        return 1
    return node.live()


class Node:
    """One node from start to stop, woken by connections, signals and ticks."""

    def __init__(
        self,
        words: Sequence[str],
        asked: Arguments,
        kind: Antnode,
        *,
        version: str,
        program: Path | None,
        built_in: Behaviour,
    ) -> None:
        fresh = os.urandom(32)
        root = Path(asked.root_dir or default_root(kind.default_root, kind.peer_id(fresh))).absolute()
        root.mkdir(parents=True, exist_ok=True)
        key = kept_key(root, fresh, kind.key_file)
        self._asked = asked
        self._words = words
        self._program = program
        self._keeps_backup = kind.keeps_backup
        self._version = kind.spoken_version(version)
        self._peer_id = kind.peer_id(key)
        self._seed = peer_number(key) % 1_000_003
        self._folder = kind.folder(root)
        self._journal = kind.journal(asked, root)
        self._orders = BehaviourFile(
            root / FILE_NAME, built_in, complain=lambda complaint: self._journal.say(complaint, "WARN")
        )
        self._selector = selectors.DefaultSelector()
        self._pages = PageServer(self._selector, self._answer)
        self._held = b""
        self._started = time.monotonic()
        self._ordered_at = self._started
        self._next_tick = self._started
        self._restart_at: float | None = None
        self._considered_upgrade = ""
        self._told_failure = ""
        self._next_report = self._started
        self._is_ready = False
        self._next_record = self._started
        self._exit_code: int | None = None

    def start(self) -> None:
        """Open the ports, then write the files. Raises OSError naming a port in use."""
        self._listen_to_signals()
        self._orders.refresh()
        self._journal.started(self._told_version(), self._peer_id)
        # Ports before files: a second start on the same root must not overwrite the first's pid.
        self._open_node_port()
        self._open_or_close_pages(self._started)
        self._folder.write_pid()
        self._folder.prepare(grows=not self._orders.current.stores_nothing)
        self._next_record = self._started + self._orders.current.stores_every_seconds
        self._earlier = self._folder.read_history()
        self._folder.write_history(self._earlier)

    def live(self) -> int:
        """Serve until told to stop; returns the exit code."""
        while self._exit_code is None:
            for key, events in self._selector.select(max(0.0, self._next_tick - time.monotonic())):
                key.data(events)
            now = time.monotonic()
            if now >= self._next_tick:
                self._next_tick = now + _TICK_SECONDS
                self._tick(now)
        return self._exit_code

    def _tick(self, now: float) -> None:
        if self._orders.refresh():
            self._ordered_at = now
            self._journal.say(f"Behaviour is now {self._orders.current}")
        if self._exit_code is not None or self._ends_as_ordered(now):
            return
        try:
            self._open_or_close_pages(now)
        except OSError as problem:
            self._fail(str(problem), 1)
            return
        try:
            self._load_machine()
            self._grow(now)
        except OSError as problem:
            self._fail(f"HardDiskWriteError: {problem}", 1)
            return
        self._tell_failure()
        self._tell_ready(now)
        if self._is_ready and self._journal.report_seconds is not None and now >= self._next_report:
            self._next_report = now + self._journal.report_seconds
            self._journal.report(self._vitals())
        self._upgrade(now)

    def _grow(self, now: float) -> None:
        ordered = self._orders.current
        if ordered.stores_nothing or now < self._next_record:
            return
        self._next_record = now + ordered.stores_every_seconds
        for record in self._folder.grow_to(max(self._folder.records + 1, FIRST_RECORDS)):
            self._journal.stored(record, _CHUNK_BYTES)

    def _load_machine(self) -> None:
        """Use memory, disk and CPU as ordered, for one tick. Raises OSError when the disk is full."""
        ordered = self._orders.current
        if len(self._held) != ordered.use_memory_bytes:
            self._held = b""  # freed before the new block is made
            self._held = b"\1" * ordered.use_memory_bytes  # written to, so really in memory
        wanted = int(ordered.fill_disk_bytes_per_second * _TICK_SECONDS)
        if wanted:
            self._folder.fill(min(wanted, _MOST_FILLED_AT_ONCE_BYTES))
        until = time.monotonic() + _TICK_SECONDS * min(ordered.use_cpu_percent, 100) / 100
        while time.monotonic() < until:
            pass

    def _tell_failure(self) -> None:
        """Leave the ordered reason of a critical failure, once, and go on."""
        reason, told = self._orders.current.critical_failure, self._told_failure
        self._told_failure = reason
        if reason not in ("", told):
            self._journal.critical(reason)

    def _tell_ready(self, now: float) -> None:
        """Say once that the start is over, when it is as late as ordered."""
        if self._is_ready or now < self._started + self._orders.current.slow_start_seconds:
            return
        self._is_ready = True
        seen = self._vitals()
        self._next_report = now + (self._journal.report_seconds or 0)
        self._journal.ready(seen)
        with suppress(OSError):
            self._folder.tell_peers(self._peer_id, seen.connected_peers)

    def _ends_as_ordered(self, now: float) -> bool:
        ordered = self._orders.current
        limit = ordered.exit_after_seconds
        if ordered.crash_loop:
            self._fail("crashing as ordered", 1)
        elif limit is not None and now >= self._ordered_at + limit:
            if ordered.exit_code == 0:
                self._stop()
            else:
                self._fail(ordered.exit_reason, ordered.exit_code)
        return self._exit_code is not None

    def _open_node_port(self) -> None:
        family = socket.AF_INET6 if ":" in self._asked.ip else socket.AF_INET
        self._node_socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._node_socket.bind((self._asked.ip, self._asked.port))
        except OSError as problem:
            raise self._taken("UDP", self._asked.ip, self._asked.port, problem) from problem
        self._node_socket.setblocking(False)
        self._selector.register(self._node_socket, selectors.EVENT_READ, self._discard_packet)
        self._journal.listening(self._node_socket.getsockname()[1])

    def _discard_packet(self, _events: int) -> None:
        with suppress(OSError):
            self._node_socket.recv(65536)

    def _open_or_close_pages(self, now: float) -> None:
        port, ordered = self._asked.metrics_port, self._orders.current
        late_enough = now >= self._started + ordered.slow_start_seconds
        if port is None or ordered.metrics == "refuse" or not late_enough:
            self._pages.close()
        elif not self._pages.listening:
            try:
                opened = self._pages.listen(_METRICS_HOST, port)
            except OSError as problem:
                raise self._taken("TCP", _METRICS_HOST, port, problem) from problem
            self._journal.say(f"Metrics on http://{_METRICS_HOST}:{opened}/metrics")

    def _taken(self, kind: str, host: str, port: int, problem: OSError) -> OSError:
        message = f"cannot listen on {kind} {host}:{port}: {problem.strerror}"
        self._journal.say(message, "ERROR")
        return OSError(message)

    def _listen_to_signals(self) -> None:
        """Signals wake the selector, so that a node stops at once and not at its next tick."""
        self._signals, wakeup = socket.socketpair()
        self._signals.setblocking(False)
        wakeup.setblocking(False)
        signal.set_wakeup_fd(wakeup.detach())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)
        self._selector.register(self._signals, selectors.EVENT_READ, self._signalled)

    def _signalled(self, _events: int) -> None:
        names = ", ".join(signal.Signals(number).name for number in self._signals.recv(64))
        self._orders.refresh()
        if self._orders.current.ignore_term:
            self._journal.say(f"Ignoring {names}", "WARN")
            return
        if self._journal.report_seconds is not None and not self._is_ready:
            # ant-node hears signals only from then on: before it they kill, and nothing is written down.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        self._journal.stopping(names)
        self._stop()
        self._journal.stopped()

    def _stop(self) -> None:
        self._remember()
        self._folder.remove_pid()
        self._exit_code = 0

    def _remember(self) -> None:
        try:
            self._folder.write_history(self._vitals().history)
        except OSError as problem:  # a full disk must not turn a clean stop into a crash
            self._journal.say(f"The history is lost: {problem}", "WARN")

    def _fail(self, reason: str, exit_code: int) -> None:
        # The pid file stays, as after any crash.
        self._journal.ended(reason)
        self._exit_code = exit_code

    def _upgrade(self, now: float) -> None:
        ordered = self._orders.current
        if ordered.self_upgrade_to != self._considered_upgrade:
            self._considered_upgrade = ordered.self_upgrade_to
            try:
                if ordered.self_upgrade_to and self._replace_program(Path(ordered.self_upgrade_to)):
                    self._restart_at = now + ordered.self_upgrade_restart_after_seconds
                    self._journal.say(f"Replaced {self._program} with a newer version")
            except OSError as problem:
                self._journal.say(f"Cannot upgrade: {problem}", "WARN")
        if self._program and self._restart_at is not None and now >= self._restart_at:
            self._restart(self._program)

    def _replace_program(self, newer: Path) -> bool:
        """Rename a copy of `newer` over the own program; False when both are already the same.

        Raises OSError when this process was not started from a program file, when there is no such newer
        file, or no permission.
        """
        own = self._program
        if own is None:
            raise OSError("this process was not started from a node program")
        content = newer.read_bytes()
        if own.read_bytes() == content:
            return False
        if self._keeps_backup:
            backup = own.with_name(f"{own.name}.backup")
            backup.write_bytes(own.read_bytes())
            backup.chmod(own.stat().st_mode)
        copy = own.with_name(f"{own.name}.upgrade")
        copy.write_bytes(content)
        copy.chmod(own.stat().st_mode)
        copy.rename(own)
        return True

    def _restart(self, program: Path) -> None:
        if self._asked.stop_on_upgrade:
            self._journal.say("Stopping after the upgrade")
            self._stop()
            return
        # The pid file is left to the successor, which writes its own pid into it.
        self._remember()
        self._pages.close()
        self._node_socket.close()
        successor = os.posix_spawn(program, [str(program), *self._words], os.environ)
        self._journal.say(f"Restarted as process {successor}")
        self._exit_code = 0

    def _answer(self, path: str) -> Iterable[bytes] | None:
        return answer(path, self._orders.current.metrics, lambda wanted: page(wanted, self._vitals()))

    def _told_version(self) -> str:
        ordered = self._orders.current
        return ordered.lie_version if ordered.metrics == "lie" else self._version

    def _vitals(self) -> Vitals:
        uptime = time.monotonic() - self._started
        return Vitals(
            seed=self._seed,
            version=self._told_version(),
            peer_id=self._peer_id,
            uptime_seconds=int(uptime),
            records=self._folder.records,
            memory_megabytes=_memory_megabytes(),
            cpu_percent=_cpu_percent(uptime),
            earlier=self._earlier,
            ordered=self._orders.current,
        )


def _memory_megabytes() -> float:
    """Memory in use now where Linux tells it, else the most this process ever used."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        used_bytes = pages * resource.getpagesize()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        used_bytes = most if sys.platform == "darwin" else most * 1024
    return round(used_bytes / 1_000_000, 4)


def _cpu_percent(uptime_seconds: float) -> float:
    """CPU since the start, 0 to 100 of all cores."""
    share = time.process_time() / max(uptime_seconds, 0.001) / (os.cpu_count() or 1)
    return round(min(share, 1.0) * 100, 4)


def _refused(words: Sequence[str], built_in: Behaviour) -> tuple[str, ...]:
    """The flags that this node is ordered not to know, which it must be told before it reads its flags."""
    roots = [word.partition("=")[2] for word in words if word.startswith("--root-dir=")]
    roots += [value for word, value in itertools.pairwise(words) if word == "--root-dir"]
    path = Path(roots[0]) / FILE_NAME if roots else Path(os.devnull)
    orders = BehaviourFile(path, built_in, complain=lambda _complaint: None)
    orders.refresh()
    return orders.current.refuse_flags


if __name__ == "__main__":
    sys.exit(main())
