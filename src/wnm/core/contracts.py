"""What the hands promise: a normal return means that it is so; everything else is an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from wnm.core.node import Node
from wnm.core.observation import ProcessReading, Unseen


class Clock(Protocol):
    """Time as a parameter. `now` is aware UTC; `monotonic` counts seconds from an arbitrary point."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A long-running program as a process manager knows it, whatever it is for.

    `fingerprint` is a run of neighbouring arguments that no other program on the machine has; a process is
    this unit's only if its command line holds it. `log_file` receives its output.
    """

    name: str
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    working_dir: str
    log_file: str
    fingerprint: tuple[str, str]
    user: str | None = None


class UnitDriver(Protocol):
    """What differs between systemd, launchd and setsid. Everything is idempotent."""

    name: str

    def install(self, unit: Unit) -> None:
        """Return when the unit is known to the service manager; do not start it."""

    def start(self, unit: Unit) -> None:
        """Return when exactly one process of the unit runs. Transient if it ends at once."""

    def stop(self, unit: Unit, grace: timedelta) -> bool:
        """Return when no process of the unit is left; True if it had to be killed. Transient if one remains."""

    def status(self, units: Sequence[Unit]) -> Mapping[str, ProcessReading | Unseen]:
        """The state of every unit by name, read in one go."""

    def remove(self, unit: Unit) -> None:
        """Return when the service manager no longer knows the unit. Its process was stopped before."""


class ProcessManager(Protocol):
    """The life of a node's process and folders."""

    def create_node(self, node: Node, program: str) -> None:
        """Return when the node's folders, program copy and unit are there. Nothing runs yet."""

    def place_program(self, node: Node, program: str) -> None:
        """Return when the node's own copy is `program`, replaced atomically; the old copy is kept beside it."""

    def restore_program(self, node: Node) -> None:
        """Return when the copy kept by `place_program` is the node's program again. Permanent if there is none."""

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

    def remove_node(self, node: Node) -> int:
        """Return the bytes freed when process, unit and folders are gone; its key was backed up if wanted."""


class Firewall(Protocol):
    """Opens and closes nodes' UDP ports."""

    name: str

    def open_port(self, port: int, comment: str) -> None:
        """Return when the port is open for UDP under a rule that carries `comment`."""

    def close_port(self, port: int, comment: str) -> None:
        """Return when no rule of ours opens the port any more."""
