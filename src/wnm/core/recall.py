"""Defines the records that one cycle loads from the ledger: nodes, interrupted actions, counters and more."""

from wnm.core.foreign import ForeignReading, Reservation
from wnm.core.node import Node
from wnm.core.node_log import KeptLog
from wnm.core.observation import Interrupted, ProgramReading, Remembered
from wnm.core.rates import Counters
from wnm.core.values import Moment, Value


class Recall(Value, frozen=True, kw_only=True):
    """The records of the last cycle; None where there was no cycle yet.

    `firewall_note` is what the last cycle found to say of the firewall, `logs` are how far nodes' logs were read.
    """

    nodes: tuple[Node, ...]
    interrupted: tuple[Interrupted, ...]
    remembered: Remembered
    boot_id: str | None
    counters: Counters | None
    available: ProgramReading | None
    last_cycle_at: Moment | None
    firewall_note: str | None = None
    machine_seed: int = 0
    reservations: tuple[Reservation, ...] = ()
    foreign_readings: tuple[ForeignReading, ...] = ()
    logs: tuple[KeptLog, ...] = ()
