"""Small values for the ledger's tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from wnm.core.action import Action, AddNode, ProgramChoice
from wnm.core.decision import Conclusion, Decision
from wnm.core.node import Node, NodeId, ProcessState, Reachability, Status, node_name
from wnm.core.observation import (
    Counters,
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
from wnm.core.reasons import Blocked, legacy
from wnm.storage.creation import create
from wnm.storage.database import open_for_reading, open_for_writing
from wnm.storage.ledger import Ending, Ledger
from wnm.storage.timeline import Timeline

NOW = datetime(2025, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SETTINGS = {"node_cap": "3", "rewards_address": "0x" + "1" * 40}
PROGRAM = ProgramChoice(path="/opt/antnode", version="0.4.7", stamp="1-2-3")
AVAILABLE = ProgramReading(path="/opt/antnode", stamp="1-2-3", version="0.4.7", kind="antnode")


def node(number: int = 1, status: Status = Status.RUNNING) -> Node:
    """A node with every optional field filled, so that a lost column shows."""
    name = node_name(number)
    return Node(
        id=NodeId(number),
        name=name,
        kind="antnode",
        manager="setsid",
        root_dir=f"/data/node/{name}",
        log_dir=f"/data/logs/{name}",
        program=f"/data/node/{name}/antnode",
        port=55000 + number,
        metrics_port=13000 + number,
        wallet="0x" + "2" * 40,
        born=NOW - timedelta(days=number),
        environment=(("RUST_LOG", "info"), ("EMPTY", "")),
        start_args=("--peer", "a b"),
        no_upnp=False,
        user="ant",
        status=status,
        status_since=NOW - timedelta(hours=1),
        because="answers",
        restarted=True,
        pid=4000 + number,
        process_started_at=NOW - timedelta(hours=2),
        version="0.4.7-rc.1",
        binary_version="0.4.7",
        binary_stamp="9-9-9",
        peer_id="12D3Koo",
        mount_point="/data",
        disk_bytes=5_000_000_000,
        disk_measured_at=NOW - timedelta(minutes=30),
        failures=2,
        retry_at=NOW + timedelta(minutes=1),
        last_error="it was slow",
        silent_since=NOW - timedelta(minutes=3),
        silence_restarts=1,
    )


def reading() -> NodeReading:
    return NodeReading(
        process=ProcessReading(
            state=ProcessState.RUNNING, pid=4001, started_at=NOW, cpu_percent=1.5, memory_bytes=150_000_000
        ),
        reachable=Reachability.ANSWERS,
        page=NodePage(
            version="0.4.7",
            peer_id="12D3Koo",
            uptime_seconds=100,
            records=1000,
            connected_peers=200,
            shunned=1,
            network_size=100_000,
            rewards_attos=10**21,
            cpu_percent=1.25,
            memory_bytes=150_000_000,
        ),
        root_dir_present=True,
        born=NOW - timedelta(days=3),
        program=AVAILABLE,
        disk_bytes=5_000_000_000,
        mount_point="/data",
        last_words="a last line",
    )


def machine(boot_id: str = "boot-1") -> MachineReading:
    return MachineReading(
        boot_id=boot_id,
        usable_cores=2.0,
        window_seconds=60.0,
        cpu_percent=12.5,
        memory_percent=40.0,
        memory_total_bytes=8_000_000_000,
        load=Load(one=0.5, five=0.25, fifteen=0.125),
        netio_read_bytes_per_second=1000.0,
        netio_write_bytes_per_second=Unseen(reason="the counter began again"),
        hdio_read_bytes_per_second=0.0,
        hdio_write_bytes_per_second=1.5,
        file_systems=(
            FileSystem(mount_point="/", total_bytes=100, free_bytes=50, used_percent=50.0),
            FileSystem(mount_point="/data", total_bytes=100, free_bytes=25, used_percent=75.0),
        ),
    )


def observation(
    nodes: tuple[Node, ...] = (),
    *,
    now: datetime = NOW,
    interrupted: tuple[Interrupted, ...] = (),
    available: ProgramReading | Unseen = AVAILABLE,
    boot_id: str = "boot-1",
) -> Observation:
    return Observation(
        now=now,
        seed=7,
        rebooted=False,
        machine=machine(boot_id),
        nodes=tuple(NodeSeen(node=each, reading=reading()) for each in nodes),
        storages=(Storage(path="/data/node", present=True, empty=False, mount_point="/data"),),
        available=available,
        claims=(),
        bound_ports=frozenset({55001, 13001, 22}),
        interrupted=interrupted,
        remembered=Remembered(),
    )


def decision(
    *actions: Action, conclusions: tuple[Conclusion, ...] = (), held: tuple[Blocked, ...] = ()
) -> Decision:
    rule = "growth" if actions else "idle"
    return Decision(
        rule=rule, because=legacy("there is room"), conclusions=conclusions, actions=actions, held=held
    )


def add(number: int) -> AddNode:
    fresh = replace(
        node(number, Status.RESTARTING), failures=0, retry_at=None, last_error=None, silent_since=None
    )
    return AddNode(node=fresh, program=PROGRAM, because=legacy("there is room"))


def counters(seconds: float = 1.0) -> Counters:
    return Counters(
        boot_id="boot-1",
        taken_at=NOW,
        cpu_busy_seconds=seconds,
        cpu_total_seconds=2 * seconds,
        netio_read_bytes=2**40,
        netio_write_bytes=None,
        hdio_read_bytes=1,
        hdio_write_bytes=2,
    )


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


def ending(
    ended_at: datetime, *, exit_code: int = 0, counters: Counters | None = None, history_days: float = 30
) -> Ending:
    """The end of a cycle."""
    return Ending(ended_at=ended_at, exit_code=exit_code, counters=counters, history_days=history_days)


class Store:
    """A database file and short ways to use it; every use opens it anew, as every cycle does."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "colony.db")
        create(self.path, settings=SETTINGS, now=NOW)

    def insert(self, *nodes: Node) -> None:
        """Rows as a cycle writes them."""
        changes = tuple(Conclusion(before=replace(each, because="?"), after=each) for each in nodes)
        self.idle(decision(conclusions=changes))

    def idle(self, decided: Decision, *, now: datetime = NOW, history_days: float = 30) -> int:
        with open_for_writing(self.path) as database:
            return Ledger(database).record_idle(
                observation(now=now),
                SETTINGS,
                decided,
                now,
                ending(
                    now + timedelta(seconds=2), exit_code=0, counters=counters(), history_days=history_days
                ),
            )

    def nodes(self) -> dict[int, Node]:
        with open_for_reading(self.path) as database:
            return {int(each.id): each for each in Timeline(database).nodes()}
