"""Keeps what a node's log has told so far, and draws the evidence of its health from that."""

from collections.abc import Sequence
from enum import StrEnum

from wnm.core.node import NodeId
from wnm.core.values import Moment, Value


class Proof(StrEnum):
    """What a node can show of its health without being asked."""

    STARTED = "started"
    NETWORK = "network"
    REPLICATION = "replication"


class LogHealth(Value, frozen=True, kw_only=True):
    """The health that a log shows of the process that wrote its last lines; None or False where it does not say.

    `last_line_at` is when the last line that bears a time was written, `started_at` when the process began,
    with the `version` it named then. `listens` is True once its port is open, `ready_at` when it said that it is
    fully started, `replicates` False when it said that it cannot. `connected_peers` is what it said at `peers_at`.
    `refuses_data` is True from the moment it had no disk left until it stored something again. `stopping_at` is when
    it was told to end, `upgraded_to` the version that it put in the place of its program. `fatal` is why it ended or
    cannot go on, `troubles` its last warnings and errors, `errors` the kinds of error it had. `counters` are its own,
    since its start, as of `counters_at`.

    `shown_before` and `errors_before` are the same process' predecessors': what those showed, and their errors.
    """

    last_line_at: Moment | None = None
    started_at: Moment | None = None
    version: str | None = None
    peer_id: str | None = None
    second_port: int | None = None
    listens: bool = False
    ready_at: Moment | None = None
    replicates: bool | None = None
    connected_peers: int | None = None
    peers_at: Moment | None = None
    stored_at: Moment | None = None
    refuses_data: bool = False
    stopping_at: Moment | None = None
    upgraded_to: str | None = None
    fatal: str | None = None
    troubles: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    counters: tuple[tuple[str, int], ...] = ()
    counters_at: Moment | None = None
    shown_before: tuple[Proof, ...] = ()
    errors_before: tuple[str, ...] = ()

    def shows(self, proof: Proof) -> bool:
        """Whether the process showed this."""
        match proof:
            case Proof.STARTED:
                return self.ready_at is not None
            case Proof.NETWORK:
                return bool(self.connected_peers)
            case Proof.REPLICATION:
                return self.replicates is True


class KeptLog(Value, frozen=True, kw_only=True):
    """How far a node's log has been read, and what it told until there.

    `inode` and `offset` are those of the file `file_name`: the next look goes on from there.
    """

    node: NodeId
    file_name: str
    inode: int
    offset: int
    health: LogHealth


class Sign(Value, frozen=True, kw_only=True):
    """Something that a healthy node of a kind shows: where it is read, and after how long its absence counts."""

    proof: Proof
    where: str
    patience_seconds: float


class Evidence(Value, frozen=True, kw_only=True):
    """What a node showed of its health; `shown` is None where nothing can be known.

    A node whose former process did not show something either may be of a release that does not tell it, or in a
    network that has it for nobody: that is no fault of the process that runs now.
    """

    sign: Sign
    shown: bool | None


def evidence(signs: Sequence[Sign], health: LogHealth | None, *, is_current: bool) -> tuple[Evidence, ...]:
    """Return what a node's log shows of each sign; `is_current` says that its last start is that of the process."""

    def shown(proof: Proof) -> bool | None:
        if health is None:
            return None
        before = health.shown_before if is_current else _shown(health)
        if is_current and health.shows(proof):
            return True
        if is_current and proof is Proof.REPLICATION and health.replicates is False:
            return False
        return False if proof in before else None

    return tuple(Evidence(sign=sign, shown=shown(sign.proof)) for sign in signs)


def _shown(health: LogHealth) -> tuple[Proof, ...]:
    return tuple(proof for proof in Proof if health.shows(proof) or proof in health.shown_before)
