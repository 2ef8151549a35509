"""Values for tests: an ordinary machine with ordinary nodes, of which a test changes what it is about."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from wnm.core.action import (
    Action,
    AddNode,
    DisableNode,
    EnableNode,
    NodeAction,
    ProgramChoice,
    RemoveNode,
    RestartNode,
    Resurvey,
    RetireNode,
    RollBackNode,
    StartNode,
    StopNode,
    UpgradeNode,
    node_of,
)
from wnm.core.decision import Decision
from wnm.core.forms import WeightedWallet
from wnm.core.host import Host
from wnm.core.node import Node, NodeId, ProcessState, Reachability, Status, node_name
from wnm.core.observation import (
    Claim,
    FileSystem,
    Interrupted,
    Load,
    MachineReading,
    NodePage,
    NodeReading,
    NodeSeen,
    Observation,
    ProcessReading,
    ProgramReading,
    Remembered,
    Storage,
    Unseen,
)
from wnm.core.release import GateFailure, Release
from wnm.core.sentences import waiting_for, what
from wnm.core.settings import SPECS, Settings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GB = 10**9
ALICE = "0x" + "a1" * 20
BOB = "0x" + "b2" * 20
HOME = "/data/node"
PROGRAM = "/opt/antnode"
VERSION = "0.4.7"
NEWER = "0.4.8"
ROUTINE = "its ordinary life"
HOST = Host(platform="linux", is_root=False, user="ada", home="/home/ada", environ={}, usable_cores=4.0)
UP = (Status.RUNNING, Status.RESTARTING, Status.UPGRADING)


def settings(**changes: Any) -> Settings:
    """The defaults, nodes in /data/node, one wallet, as changed."""
    fixed = {
        "rewards_address": (WeightedWallet(name_or_address=ALICE, weight=1),),
        "node_storage": (HOME,),
        "log_storage": "/data/logs",
        "antnode_path": PROGRAM,
    }
    defaults = {name: spec.default_for(HOST) for name, spec in SPECS.items() if name not in fixed}
    return Settings(**{**defaults, **fixed, **changes})


def limits(count: int) -> dict[str, Any]:
    """The settings that let `count` nodes be in each transition and in all of them."""
    kinds = ("starts", "upgrades", "removals", "operations")
    return {f"max_concurrent_{kind}": count for kind in kinds}


def ago(minutes: float) -> datetime:
    """A moment before NOW."""
    return NOW - timedelta(minutes=minutes)


def ahead(minutes: float) -> datetime:
    """A moment after NOW."""
    return ago(-minutes)


def row(number: int, status: Status = Status.RUNNING, **changes: Any) -> Node:
    """A node's row; a lower number was born earlier."""
    name = node_name(number)
    node = Node(
        id=NodeId(number),
        name=name,
        kind="antnode",
        manager="setsid",
        root_dir=f"{HOME}/{name}",
        log_dir=f"/data/logs/{name}",
        program=f"{HOME}/{name}/antnode",
        port=55000 + number,
        metrics_port=13000 + number,
        wallet=ALICE,
        born=ago(60 * 24 * (1000 - number)),
        status=status,
        status_since=ago(600),
        because=ROUTINE,
        pid=1000 + number if status in UP else None,
        process_started_at=ago(600) if status in UP else None,
        version=VERSION,
        binary_version=VERSION,
        binary_stamp=f"stamp of {VERSION}",
        mount_point="/",
    )
    return replace(node, **changes)


def process(state: ProcessState, node: Node, **changes: Any) -> ProcessReading:
    """A process in this state; a running one is the one that the row remembers."""
    if state is not ProcessState.RUNNING:
        return ProcessReading(state=state)
    started = node.process_started_at or ago(600)
    reading = ProcessReading(state=state, pid=node.pid or 1000 + node.id, started_at=started)
    return replace(reading, **changes)


def reading(node: Node, state: ProcessState | None = None, **changes: Any) -> NodeReading:
    """What is seen of a healthy node in this state, by default the one that its status promises."""
    if state is None:
        state = ProcessState.RUNNING if node.status in UP else ProcessState.STOPPED
    up = state is ProcessState.RUNNING
    binary = node.binary_version
    healthy = NodeReading(
        process=process(state, node),
        reachable=Reachability.ANSWERS if up else None,
        page=NodePage(version=node.version) if up else Unseen(reason="not asked"),
        root_dir_present=True,
        born=node.born,
        program=Unseen(reason="not there")
        if binary is None
        else ProgramReading(path=node.program, stamp=f"stamp of {binary}", version=binary),
        mount_point=node.mount_point,
    )
    return replace(healthy, **changes)


def node(
    number: int,
    status: Status = Status.RUNNING,
    *,
    sees: dict[str, Any] | None = None,
    state: ProcessState | None = None,
    **changes: Any,
) -> NodeSeen:
    """A node as remembered, and what is seen of it: `state` of its process and the `sees` fields as given."""
    remembered = row(number, status, **changes)
    return NodeSeen(node=remembered, reading=reading(remembered, state, **(sees or {})))


def folderless(number: int, status: Status = Status.RUNNING, **changes: Any) -> NodeSeen:
    """A node whose root directory is gone."""
    gone = {
        "root_dir_present": False,
        "program": Unseen(reason="not there"),
        "born": None,
        "mount_point": None,
    }
    return node(number, status, sees=gone, **changes)


def hung(number: int, status: Status = Status.RUNNING, **changes: Any) -> NodeSeen:
    """A node whose process runs and whose metrics time out."""
    silence = {"reachable": Reachability.TIMES_OUT, "page": Unseen(reason="timed out")}
    return node(number, status, sees=silence, state=ProcessState.RUNNING, **changes)


def disk(mount_point: str = "/", used: float = 20.0, total: int = 1000 * GB, **changes: Any) -> FileSystem:
    """A file system, `used` percent full."""
    free = int(total * (100 - used) / 100)
    system = FileSystem(
        mount_point=mount_point,
        total_bytes=total,
        free_bytes=free,
        used_percent=used,
        free_inodes=60_000_000,
        inodes_used_percent=4.0,
    )
    return replace(system, **changes)


def storage(path: str = HOME, mount_point: str | None = "/", **changes: Any) -> Storage:
    """A storage folder that is there and holds something."""
    return replace(Storage(path=path, present=True, empty=False, mount_point=mount_point), **changes)


def machine(
    *, cpu: Any = 20.0, memory: Any = 20.0, load: Any = 0.5, disks: Iterable[FileSystem] = (), **changes: Any
) -> MachineReading:
    """A machine of 4 cores and 16 GB. `load` is one number for all three averages, or three."""
    if isinstance(load, float | int):
        load = (load, load, load)
    if isinstance(load, tuple):
        load = Load(one=load[0], five=load[1], fifteen=load[2])
    calm = MachineReading(
        boot_id="boot 1",
        usable_cores=4.0,
        window_seconds=60.0,
        cpu_percent=cpu,
        memory_percent=memory,
        memory_total_bytes=16 * GB,
        load=load,
        netio_read_bytes_per_second=1000.0,
        netio_write_bytes_per_second=1000.0,
        hdio_read_bytes_per_second=1000.0,
        hdio_write_bytes_per_second=1000.0,
        file_systems=tuple(disks) or (disk(),),
        cores=4,
    )
    return replace(calm, **changes)


def available(version: str | Unseen = VERSION, **changes: Any) -> ProgramReading:
    """The program that nodes are given."""
    return replace(ProgramReading(path=PROGRAM, stamp="new", version=version, kind="antnode"), **changes)


def choice(version: str = VERSION) -> ProgramChoice:
    """The same, as an action names it."""
    return ProgramChoice(path=PROGRAM, version=version, stamp="new")


def seen(nodes: Iterable[NodeSeen] = (), **changes: Any) -> Observation:
    """A cycle's view. Unknown names (`cpu`, `disks`, …) are passed to `machine`; times are about NOW."""
    fields = set(Observation.__struct_fields__)
    about_machine = {name: changes.pop(name) for name in set(changes) - fields}
    view = Observation(
        now=NOW,
        seed=7,
        rebooted=False,
        machine=machine(**about_machine),
        nodes=tuple(nodes),
        storages=(storage(),),
        available=available(),
        claims=(),
        bound_ports=frozenset(),
        interrupted=(),
        remembered=Remembered(),
    )
    return replace(view, **changes)


def release(version: str = NEWER, *, passed: int = 0, failed: Iterable[int] = (), **changes: Any) -> Release:
    """What is known of a version: how many nodes passed its gate, and the numbers of those that failed it."""
    failures = tuple(
        GateFailure(node=node_name(number), at=ago(30), reason="it has no peers") for number in failed
    )
    known = Release(version=version, first_seen_at=ago(60), passed=passed, failures=failures)
    return replace(known, **changes)


def knowing(*releases: Release) -> Remembered:
    """What is remembered of versions."""
    return Remembered(releases=releases)


def proven(*versions: str) -> Remembered:
    """Versions, by default the newer one, whose gate a node has passed here."""
    return knowing(*(release(version, passed=1) for version in versions or (NEWER,)))


def interrupted(*actions: NodeAction) -> tuple[Interrupted, ...]:
    """Actions that an earlier cycle began and did not conclude."""
    return tuple(Interrupted(operation_id=index, action=action) for index, action in enumerate(actions, 1))


def claims(*numbers: int) -> tuple[Claim, ...]:
    """Ids that something on the machine uses."""
    return tuple(Claim(id=NodeId(number), by="a folder") for number in numbers)


_VERBS: dict[type[Action], str] = {
    Resurvey: "resurvey",
    AddNode: "add",
    StartNode: "start",
    StopNode: "stop",
    RestartNode: "restart",
    UpgradeNode: "upgrade",
    RollBackNode: "roll back",
    RetireNode: "retire",
    RemoveNode: "remove",
    DisableNode: "disable",
    EnableNode: "enable",
}


def brief(action: Action) -> str:
    """An action in a few words: its verb, its node, and the version that an old copy is replaced by."""
    verb = _VERBS[type(action)]
    if isinstance(action, Resurvey):
        return verb
    if isinstance(action, StopNode) and action.shed:
        verb = "shed"
    if isinstance(action, UpgradeNode):
        return f"{verb} {action.node} to {action.program.version}"
    if isinstance(action, StartNode) and action.program is not None:
        return f"{verb} {action.node} with {action.program.version}"
    return f"{verb} {node_of(action)}"


def briefly(decision: Decision) -> str:
    """The actions of a decision, separated by commas; empty when there are none."""
    return ", ".join(map(brief, decision.actions))


def reasons(decision: Decision) -> str:
    """What a decision holds back and why, a line each."""
    return "\n".join(f"{what(held)}: waits for {waiting_for(held)}" for held in decision.held)


def cases(names: str, table: dict[str, Any]) -> pytest.MarkDecorator:
    """A table of cases: the reason of each is its key and becomes the test's name."""
    rows = [
        pytest.param(*(values if isinstance(values, tuple) else (values,)), id=reason)
        for reason, values in table.items()
    ]
    return pytest.mark.parametrize(names, rows)


def concluded(decision: Decision) -> dict[int, Node]:
    """The nodes that a decision says something new of, by id."""
    return {each.after.id: each.after for each in decision.conclusions}
