"""The simulated node: a process that looks to a node manager like the real program."""

import itertools
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from wnm_sim import identity, process_figures, self_upgrade
from wnm_sim.answers import answer
from wnm_sim.arguments import Arguments, UsageError, parse, usage
from wnm_sim.bell import SignalBell
from wnm_sim.folder import FIRST_RECORDS, NodeFolder
from wnm_sim.journal import FailureNote, Journal
from wnm_sim.misbehave import ENVIRONMENT_NAME, FILE_NAME, GOOD, Behaviour, BehaviourFile
from wnm_sim.page_server import PageServer, Reply
from wnm_sim.pages import page
from wnm_sim.strain import Strain
from wnm_sim.version_text import DEFAULT_VERSION, crate_version, one_version
from wnm_sim.vitals import History, Vitals, vitals

_TICK_SECONDS = 0.2
_METRICS_HOST = "127.0.0.1"
_CHUNK_BYTES = 16384


class LastWords(Protocol):
    """How a node program says why it ends, or that something is badly wrong."""

    def leave(self, reason: str) -> None: ...
    def end(self, reason: str) -> None: ...
    def clear(self) -> None: ...


class Flavour(NamedTuple):
    """What differs between the node programs that a simulated node can play.

    `parse` takes the command line and the flags that are refused. `one_version` answers a version flag,
    `spoken_version` is what pages and logs say. `journal` gives the log and the last words for a root.
    """

    name: str
    parse: Callable[[Sequence[str], Collection[str]], Arguments]
    usage: Callable[[], str]
    one_version: Callable[[str, str], str]
    spoken_version: Callable[[str], str]
    key_file: str
    peer_id: Callable[[bytes], str]
    default_root: Callable[[str], Path]
    folder: Callable[[Path], NodeFolder]
    journal: Callable[[Arguments, Path], tuple[Journal, LastWords]]
    keeps_backup: bool


def _antnode_journal(asked: Arguments, root: Path) -> tuple[Journal, LastWords]:
    folder = None
    if asked.log_output_dest != "stdout":
        folder = root / "logs" if asked.log_output_dest == "data-dir" else Path(asked.log_output_dest)
    journal = Journal(folder, as_json=asked.log_format == "json")
    return journal, FailureNote(folder or root, journal)


ANTNODE = Flavour(
    name="antnode",
    parse=parse,
    usage=usage,
    one_version=one_version,
    spoken_version=crate_version,
    key_file="secret-key",
    peer_id=identity.peer_id,
    default_root=identity.default_root,
    folder=NodeFolder,
    journal=_antnode_journal,
    keeps_backup=False,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a node of the default version; returns its exit code (2 for wrong usage)."""
    return run(sys.argv[1:] if argv is None else argv, version=DEFAULT_VERSION, program=None)


def run(
    words: Sequence[str],
    *,
    version: str,
    program: Path | None,
    flavour: Flavour = ANTNODE,
    built_in: Behaviour = GOOD,
) -> int:
    """Run a node of a version until it stops; returns its exit code.

    `program` is the file it was started from, which a self-upgrade replaces; None for none.
    `built_in` is how this version misbehaves when nothing else is ordered.
    """
    try:
        asked = flavour.parse(words, _refused(words, built_in))
    except UsageError as problem:
        print(f"error: {problem}\n\nFor more information, try '--help'.", file=sys.stderr)
        return 2
    if asked.show:
        print(flavour.usage() if asked.show == "--help" else flavour.one_version(asked.show, version))
        return 0
    try:
        node = Node(asked, flavour, version=version, program=program, words=words, built_in=built_in)
        node.start()
    except OSError as problem:
        print(f"Error: {problem}", file=sys.stderr)
        return 1
    return node.live()


class Node:
    """One node from start to stop; single-threaded, woken by requests, signals and ticks."""

    def __init__(
        self,
        asked: Arguments,
        flavour: Flavour,
        *,
        version: str,
        program: Path | None,
        words: Sequence[str],
        built_in: Behaviour,
    ) -> None:
        fresh = identity.new_key()
        given = asked.root_dir or flavour.default_root(flavour.peer_id(fresh))
        root = Path(given).absolute()
        root.mkdir(parents=True, exist_ok=True)
        key = identity.kept_key(root, fresh, flavour.key_file)
        self._asked = asked
        self._words = words
        self._program = program
        self._keeps_backup = flavour.keeps_backup
        self._version = flavour.spoken_version(version)
        self._peer_id = flavour.peer_id(key)
        self._seed = identity.peer_number(key) % 1_000_003
        self._folder = flavour.folder(root)
        self._journal, self._last_words = flavour.journal(asked, root)
        self._orders = BehaviourFile(
            root / FILE_NAME,
            initial=os.environ.get(ENVIRONMENT_NAME, ""),
            complain=self._journal.warn,
            built_in=built_in,
        )
        self._selector = selectors.DefaultSelector()
        self._pages = PageServer(self._selector, self._answer)
        self._strain = Strain(self._folder)
        self._started = time.monotonic()
        self._ordered_at = self._started
        self._next_tick = self._started
        self._restart_at: float | None = None
        self._considered_upgrade = ""
        self._lamented = ""
        self._next_report = self._started
        self._next_record = self._started
        self._exit_code: int | None = None

    def start(self) -> None:
        """Open the ports, then write the files. Raises OSError naming a port in use."""
        self._bell = SignalBell(self._selector, self._signalled)
        self._last_words.clear()
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
            self._strain.apply(self._orders.current, _TICK_SECONDS)
            self._grow(now)
        except OSError as problem:
            self._fail(f"HardDiskWriteError: {problem}", 1)
            return
        self._pages.tick()
        self._lament()
        if self._journal.report_seconds is not None and now >= self._next_report:
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

    def _lament(self) -> None:
        """Leave the ordered reason of a critical failure, once, and go on."""
        reason = self._orders.current.critical_failure
        if reason != self._lamented:
            self._lamented = reason
            if reason:
                self._last_words.leave(reason)

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
        try:
            self._node_socket.recv(65536)
        except OSError:
            return

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

    def _signalled(self, names: str) -> None:
        self._orders.refresh()
        if self._orders.current.ignore_term:
            self._journal.warn(f"Ignoring {names}")
            return
        self._journal.say(f"Stopping after {names}")
        self._stop()

    def _stop(self) -> None:
        self._remember()
        self._folder.remove_pid()
        self._exit_code = 0

    def _remember(self) -> None:
        seen = self._vitals()
        history = History(payments=seen.payments, lived_seconds=seen.lived_seconds)
        try:
            self._folder.write_history(history)
        except OSError as problem:  # a full disk must not turn a clean stop into a crash
            self._journal.warn(f"The history is lost: {problem}")

    def _fail(self, reason: str, exit_code: int) -> None:
        # The pid file stays, as after any crash.
        self._last_words.end(reason)
        self._exit_code = exit_code

    def _upgrade(self, now: float) -> None:
        ordered = self._orders.current
        if ordered.self_upgrade_to != self._considered_upgrade:
            self._considered_upgrade = ordered.self_upgrade_to
            try:
                if ordered.self_upgrade_to and self_upgrade.replace_program(
                    self._program, Path(ordered.self_upgrade_to), keep_backup=self._keeps_backup
                ):
                    self._restart_at = now + ordered.self_upgrade_restart_after_seconds
                    self._journal.say(f"Replaced {self._program} with a newer version")
            except self_upgrade.CannotUpgrade as problem:
                self._journal.warn(f"Cannot upgrade: {problem}")
        if self._program and self._restart_at is not None and now >= self._restart_at:
            self._restart(self._program)

    def _restart(self, program: Path) -> None:
        if self._asked.stop_on_upgrade:
            self._journal.say("Stopping after the upgrade")
            self._stop()
            return
        # The pid file is left to the successor, which writes its own pid into it.
        self._remember()
        self._pages.close()
        self._node_socket.close()
        successor = self_upgrade.start_successor(program, self._words)
        self._journal.say(f"Restarted as process {successor}")
        self._exit_code = 0

    def _answer(self, path: str) -> Reply:
        def body(wanted: str) -> bytes | None:
            text = page(wanted, self._vitals())
            return None if text is None else text.encode()

        return answer(path, self._orders.current.metrics, body)

    def _told_version(self) -> str:
        ordered = self._orders.current
        return ordered.lie_version if ordered.metrics == "lie" else self._version

    def _vitals(self) -> Vitals:
        ordered = self._orders.current
        uptime = time.monotonic() - self._started
        seen = vitals(
            seed=self._seed,
            version=self._told_version(),
            peer_id=self._peer_id,
            uptime_seconds=int(uptime),
            records=self._folder.records,
            memory_megabytes=process_figures.memory_megabytes(),
            cpu_percent=process_figures.cpu_percent(uptime),
            earlier=self._earlier,
        )
        if ordered.connected_peers is not None:
            seen = seen._replace(connected_peers=ordered.connected_peers)
        if ordered.min_node_version:
            seen = seen._replace(min_node_version=ordered.min_node_version)
        if ordered.rewards_attos is not None:
            seen = seen._replace(rewards_attos=ordered.rewards_attos)
        return seen._replace(
            shunned_by_close_group=ordered.shunned_by_close_group, shunned_per_hour=ordered.shunned_per_hour
        )


def _refused(words: Sequence[str], built_in: Behaviour) -> tuple[str, ...]:
    """The flags that this node is ordered not to know, which it must be told before it reads its flags."""
    roots = [word.partition("=")[2] for word in words if word.startswith("--root-dir=")]
    roots += [value for word, value in itertools.pairwise(words) if word == "--root-dir"]
    orders = BehaviourFile(
        Path(roots[0]) / FILE_NAME if roots else Path(os.devnull),
        initial=os.environ.get(ENVIRONMENT_NAME, ""),
        complain=lambda _complaint: None,
        built_in=built_in,
    )
    orders.refresh()
    return orders.current.refuse_flags


if __name__ == "__main__":
    sys.exit(main())
