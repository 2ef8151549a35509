"""Material for reports: nodes with full readings, and a cycle that saw and did something."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from msgspec.structs import replace
from tests.builders import NOW, VERSION, ago, choice, disk, node, row, seen, settings

from wnm.core.action import AddNode, NodeAction, Outcome, Result
from wnm.core.decide.ladder import decide
from wnm.core.decision import Decision
from wnm.core.layers import DATABASE, DEFAULT
from wnm.core.node import Node, ProcessState, Status
from wnm.core.observation import (
    MachineReading,
    NodePage,
    NodeReading,
    NodeSeen,
    Observation,
    ProcessReading,
    Unseen,
)
from wnm.core.reasons import Blocked, legacy, legacy_blocked
from wnm.core.sentences import sentence
from wnm.core.settings import SPECS, Settings
from wnm.views.actions import names_of, outcome_view
from wnm.views.material import CycleView, Material

ATTOS = 12_345_678_901_234_567_891
"""More digits than a float holds."""
LATER = NOW + timedelta(seconds=40)
BLIND = Unseen(reason="nobody looked")


def healthy(number: int, **changes: Any) -> NodeSeen:
    """A running node that says everything of itself."""
    page = NodePage(
        version=VERSION,
        peer_id=f"12D3KooW{number}",
        uptime_seconds=3600,
        records=120 + number,
        connected_peers=80,
        shunned=1,
        network_size=90_000,
        rewards_attos=ATTOS,
        cpu_percent=7.0,
        memory_bytes=90_000_000,
    )
    process = ProcessReading(
        state=ProcessState.RUNNING,
        pid=4000 + number,
        started_at=ago(60),
        cpu_percent=1.25,
        memory_bytes=100_000_000,
    )
    return node(number, sees={"page": page, "process": process}, **{"disk_bytes": 2_500_000_000, **changes})


def stopped(number: int, **changes: Any) -> NodeSeen:
    """A node at rest, with a reading from before it was stopped."""
    ran = healthy(number)
    return NodeSeen(node=row(number, Status.STOPPED, because="load", **changes), reading=ran.reading)


def failing(number: int, error: str = "its process ended unexpectedly", **changes: Any) -> NodeSeen:
    """A node that failed three times in a row."""
    resting = {"failures": 3, "retry_at": NOW + timedelta(minutes=4), "last_error": error}
    return node(number, Status.STOPPED, **{**resting, **changes})


def unread(number: int) -> NodeSeen:
    """A row that nothing was ever seen of."""
    reading = NodeReading(process=BLIND, reachable=None, page=BLIND, root_dir_present=BLIND, program=BLIND)
    bare: dict[str, Any] = {
        "version": None,
        "binary_version": None,
        "pid": None,
        "peer_id": None,
        "process_started_at": None,
    }
    return NodeSeen(node=row(number, **bare), reading=reading)


def blind() -> MachineReading:
    """A machine of which nothing could be seen."""
    return MachineReading(
        boot_id="boot 1",
        usable_cores=4.0,
        window_seconds=None,
        cpu_percent=BLIND,
        memory_percent=BLIND,
        memory_total_bytes=0,
        load=BLIND,
        netio_read_bytes_per_second=BLIND,
        netio_write_bytes_per_second=BLIND,
        hdio_read_bytes_per_second=BLIND,
        hdio_write_bytes_per_second=BLIND,
        file_systems=(),
    )


def texts_of(wished: Settings) -> Mapping[str, str]:
    """The canonical texts of settings."""
    return {name: spec.form.render(getattr(wished, name)) for name, spec in SPECS.items()}


def outcome(action: NodeAction, result: Result = Result.DONE, **changes: Any) -> Outcome:
    """How an action ended."""
    return replace(Outcome(action=action, result=result, ended_at=NOW), **changes)


def cycle(
    view: Observation, decided: Decision, wished: Settings, outcomes: Iterable[Outcome] = (), **changes: Any
) -> CycleView:
    """A cycle as it is remembered."""
    names = names_of((each.node for each in view.nodes), decided)
    remembered = CycleView(
        number=12,
        started_at=NOW,
        ended_at=NOW + timedelta(seconds=1.5),
        exit_code=0,
        rule=decided.rule,
        because=sentence(decided.because, names),
        seen=view,
        decision=decided,
        outcomes=tuple(outcome_view(each.action, names, each) for each in outcomes),
        held=decided.held,
        settings_texts=texts_of(wished),
    )
    return replace(remembered, **changes)


def material(
    nodes: Iterable[NodeSeen] = (),
    *,
    wished: Settings | None = None,
    of_cycle: Any = "decided",
    **changes: Any,
) -> Material:
    """These nodes as the last cycle saw them; `of_cycle` is that cycle, or None. Others go to `seen`."""
    rows_now = tuple(nodes)
    wished = wished or settings(node_cap=len(rows_now))
    if of_cycle == "decided":
        view = seen(rows_now, **{"disks": (disk(used=40.0),), **changes})
        of_cycle = cycle(view, decide(view, wished), wished)
    texts = texts_of(wished)
    origins = dict.fromkeys(texts, DEFAULT) | {"rewards_address": DATABASE, "node_cap": "command line"}
    return Material(
        generated_at=LATER,
        nodes=rows_now,
        settings=wished,
        origins=origins,
        texts=texts,
        cycle=of_cycle,
    )


def colony(count: int) -> tuple[NodeSeen, ...]:
    """So many healthy nodes."""
    return tuple(healthy(number) for number in range(1, count + 1))


def adding(number: int) -> AddNode:
    """The addition of a node."""
    return AddNode(node=row(number), program=choice(), because=legacy("the machine has room"))


def held(what: str = "add a node", **changes: Any) -> Blocked:
    """Something that waits."""
    return legacy_blocked(
        **{"what": what, "waiting_for": "a free start slot", "until": None, "remedy": None, **changes}
    )


def rows(nodes: Iterable[NodeSeen]) -> tuple[Node, ...]:
    """The rows of nodes."""
    return tuple(each.node for each in nodes)
