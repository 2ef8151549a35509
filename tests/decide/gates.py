"""Nodes in the gate, for the tests of the gate."""

from datetime import timedelta
from typing import Any

from tests.builders import (
    NEWER,
    VERSION,
    ago,
    available,
    choice,
    concluded,
    interrupted,
    knowing,
    limits,
    node,
    release,
    row,
    seen,
    settings,
)

from wnm.core.action import NodeAction, UpgradeNode
from wnm.core.decide.ladder import decide
from wnm.core.decision import Decision
from wnm.core.node import Node, NodeId, ProcessState, Reachability, Status
from wnm.core.node_log import Evidence, KeptLog, LogHealth, Proof, Sign
from wnm.core.observation import NodePage, NodeSeen, ProcessReading, ProgramReading, Unseen
from wnm.core.reasons import legacy

GOOD = NodePage(version=NEWER, connected_peers=5)
SILENT = {"reachable": Reachability.TIMES_OUT, "page": Unseen(reason="timed out")}
STOPPED, GONE, RUNS = Status.STOPPED, ProcessState.STOPPED, ProcessState.RUNNING
ONE = NodeId(1)
UPGRADE = UpgradeNode(node=ONE, program=choice(NEWER), because=legacy("-"))
QUIET = 75.0
BACK = "roll back 1"
NEW = available(NEWER)
NEWEST = "0.4.9"
FLEET = (node(1), node(2), node(3))
HALTED = knowing(release(NEWER, failed=[1]))


def showing(
    started: bool | None = True, network: bool | None = True, replication: bool | None = True, **told: Any
) -> dict[str, Any]:
    """What is seen of a node that answers nobody and whose log shows these signs, and told this besides."""
    health = LogHealth(**{"shown_before": tuple(Proof), **told})
    return {
        "reachable": None,
        "page": NodePage(version=NEWER, connected_peers=5),
        "has_pages": False,
        "log": KeptLog(node=ONE, file_name="ant-node.log", inode=1, offset=1, health=health),
        "evidence": tuple(
            Evidence(sign=Sign(proof=proof, where="a line in its log", patience_seconds=180), shown=shows)
            for proof, shows in zip(Proof, (started, network, replication), strict=True)
        ),
    }


def shown(version: str) -> ProgramReading:
    """What a node has on disk."""
    return ProgramReading(path="p", stamp=f"stamp of {version}", version=version, changed_at=ago(9))


def look(known: NodeSeen, delay: float = 5, actions: tuple[NodeAction, ...] = (), **changes: Any) -> Decision:
    """The decision about one node, on a machine that is too busy to grow; `actions` were interrupted."""
    chosen = settings(node_cap=1, delay_upgrade=timedelta(minutes=delay))
    return decide(seen([known], cpu=QUIET, interrupted=interrupted(*actions), **changes), chosen)


def after(decision: Decision, known: NodeSeen) -> Node:
    """The node's row as the decision leaves it."""
    return concluded(decision).get(1, known.node)


def gate_row(number: int = 1, minutes: float = 2, **changes: Any) -> Node:
    """The row of a node that was upgraded so many minutes ago and has been seen since."""
    fields: dict[str, Any] = {
        "status": Status.UPGRADING,
        "status_since": ago(minutes),
        "process_started_at": ago(minutes),
        "version": NEWER,
        "binary_version": NEWER,
        "binary_stamp": f"stamp of {NEWER}",
        "gate_version": NEWER,
        "former_version": VERSION,
    }
    return row(number, **{**fields, **changes})


def tried(
    number: int = 1,
    minutes: float = 2,
    *,
    sees: dict[str, Any] | None = None,
    state: ProcessState | None = None,
    started: float | None = None,
    placed: float | None = None,
    **changes: Any,
) -> NodeSeen:
    """A node in the gate that answers and has peers, and what is seen of it.

    Its process was `started` so many minutes ago, its program `placed`; both with the upgrade unless given.
    """
    remembered = gate_row(number, minutes, **changes)
    known = {each: getattr(remembered, each) for each in Node.__struct_fields__ if each != "id"}
    up = state in (None, ProcessState.RUNNING)
    look: dict[str, Any] = {
        "program": ProgramReading(
            path=remembered.program,
            stamp=remembered.binary_stamp or "",
            version=remembered.binary_version or "",
            changed_at=ago(minutes if placed is None else placed),
        )
    }
    if up:
        look["page"] = GOOD
    if up and started is not None:
        look["process"] = ProcessReading(
            state=ProcessState.RUNNING, pid=remembered.pid or 1000 + number, started_at=ago(started)
        )
    return node(number, known.pop("status"), sees={**look, **(sees or {})}, state=state, **known)


def process_of(number: int = 1, pid: int | None = None, started: float = 2) -> ProcessReading:
    """A running process; by default the one that the row of a node remembers."""
    return ProcessReading(state=ProcessState.RUNNING, pid=pid or 1000 + number, started_at=ago(started))


def went_back(number: int = 1, **changes: Any) -> NodeSeen:
    """A node that failed the gate of the newer version and runs on its former one again."""
    return node(number, failed_version=NEWER, former_version=VERSION, last_error="failed the gate", **changes)


def urgent(number: int, **changes: Any) -> NodeSeen:
    """A node that the network takes nothing from any more."""
    page = NodePage(version=VERSION, min_version=NEWER, connected_peers=0)
    return node(number, sees={"page": page}, **changes)


def upgrades(
    nodes: tuple[NodeSeen, ...], *, wished: dict[str, Any] | None = None, **changes: Any
) -> Decision:
    """The decision on a machine that is too busy to grow and allows three of everything."""
    chosen = settings(**{"node_cap": len(nodes), **limits(3), **(wished or {})})
    return decide(seen(nodes, **{"available": NEW, "cpu": QUIET, **changes}), chosen)
