"""Defines the interfaces of backends: a normal return means that it is done; everything else is an error."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from wnm.core.node import Node
from wnm.core.observation import FirewallReading, ProcessReading, Unseen
from wnm.core.values import Value


class Clock(Protocol):
    """Time as a parameter. `now` is aware UTC; `monotonic` counts seconds from an arbitrary point."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class Unit(Value, frozen=True, kw_only=True):
    """A long-running program as a process manager knows it, whatever it is for.

    `fingerprint` is a run of neighbouring arguments that no other program on the machine has; a process is
    this unit's only if its command line holds it. `log_file` receives its output. `user` is the account it runs
    as, None for the one that its service manager belongs to. `writable` are the folders that it may write,
    `read_only` files in them that it may not; `stop_grace` is how long it may take to end when the machine goes
    down. Drivers honour these three as far as their service manager can.

    `found` says that it was there before wnm and was taken over: what its service manager has of it counts as ours,
    provided that it runs a program with this fingerprint, and is never written. One that is missing is written as
    ours.
    """

    name: str
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    working_dir: str
    log_file: str
    fingerprint: tuple[str, str]
    user: str | None = None
    writable: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    stop_grace: timedelta = timedelta(seconds=30)
    found: bool = False


class UnitDriver(Protocol):
    """The part that differs between systemd, launchd and setsid. Everything is idempotent; threads may call it."""

    name: str
    restarts: bool
    """Whether the service manager starts a unit again that ended by itself."""

    @property
    def folders(self) -> Sequence[str]:
        """The folders that files of units are written to, made where they are missing."""

    def install(self, unit: Unit) -> None:
        """Return when the unit is known to the service manager; do not start it.

        Permanent, and nothing is changed, if something that wnm did not write for this very unit has its name.
        """

    def start(self, unit: Unit) -> None:
        """Return when exactly one process of the unit runs, and will again after a reboot where that is possible.

        Missing parts of an own unit are installed again. Transient, with its last words, if it ends at once.
        """

    def stop(self, unit: Unit, grace: timedelta) -> bool:
        """Return when no process of the unit is left and none will come back by itself, after a reboot neither.

        True if it had to be killed. Transient if one remains. A unit that is not known is stopped.
        """

    def status(self, units: Sequence[Unit]) -> Mapping[str, ProcessReading | Unseen]:
        """The state of every unit by name, read in one go."""

    def remove(self, unit: Unit) -> None:
        """Return when the service manager no longer knows the unit. Its process was stopped before."""

    def claimed(self) -> Mapping[str, str]:
        """The names of all units that are there, whoever wrote them, and where each is: they cannot be given again.

        Transient if that cannot be read.
        """

    def settle(self) -> None:
        """Called once after a batch of changes: return when the service manager has taken note of all of them."""


class ProcessManager(Protocol):
    """The life of a node's process and folders."""

    def create_node(self, node: Node, program: str) -> None:
        """Return when the node's folders, program copy and unit are there. Nothing runs yet."""

    def place_program(self, node: Node, program: str) -> None:
        """Return when the node's own copy is `program`, replaced atomically; the old copy is kept beside it."""

    def check_program(self, node: Node, version: str) -> None:
        """Return when the node's copy runs as the node's account and says this version.

        ProgramFailed if it does not run, Transient if it says another one.
        """

    def restore_program(self, node: Node) -> None:
        """Return when the copy kept by `place_program` is the node's program again. Permanent if there is none."""

    def forget_former_program(self, node: Node) -> None:
        """Return when the copy kept by `place_program` is gone: there is no way back any more."""

    def start_node(self, node: Node) -> None:
        """Return when exactly one process of the node runs."""

    def stop_node(self, node: Node) -> bool:
        """Return when no process of the node is left; True if it had to be killed."""

    def restart_node(self, node: Node) -> bool:
        """Stop, then start; True if it had to be killed."""

    def get_status(self, node: Node) -> ProcessReading | Unseen:
        """The state of one node's process."""

    def survey_nodes(self, nodes: Sequence[Node]) -> Mapping[int, ProcessReading | Unseen]:
        """The states of all nodes' processes by id, in one pass."""

    def trim_logs(self, nodes: Sequence[Node]) -> Sequence[str]:
        """Keep the files that nodes' output goes to within their limit; returns what went wrong, a line each."""

    def claimed_names(self) -> Mapping[str, str]:
        """The names that units on this machine have already, and where each is."""

    def settle(self) -> None:
        """Called once after the actions of a cycle: return when the service manager has taken note of them."""

    def remove_node(self, node: Node) -> int:
        """Return the bytes freed when process, unit and folders are gone; its key was backed up if wanted."""


class Firewall(Protocol):
    """Opens and closes nodes' UDP ports. May be called from threads."""

    name: str

    def read(self) -> FirewallReading | Unseen:
        """All rules, read in one go; later calls of the other two rely on it."""

    def open_port(self, port: int, comment: str) -> None:
        """Return when the port is open for UDP: under a rule that carries `comment`, or under somebody else's."""

    def close_port(self, port: int, comment: str) -> None:
        """Return when no rule that carries `comment` opens the port; rules of others stay."""
