"""What must hold in every cycle, told independently of the code that decides."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from posixpath import dirname

from tests.builders import briefly

from wnm.core.action import (
    Action,
    AddNode,
    DisableNode,
    EnableNode,
    NodeAction,
    RemoveNode,
    RestartNode,
    RetireNode,
    RollBackNode,
    StartNode,
    StopNode,
    UpgradeNode,
    node_of,
)
from wnm.core.decision import Decision
from wnm.core.node import Node, Status
from wnm.core.observation import Load, NodePage, NodeSeen, Observation, Unseen
from wnm.core.release import merged
from wnm.core.sentences import sentence
from wnm.core.settings import Settings
from wnm_sim.machine import SimulatedMachine, node_actions

UNCOUNTED = (Status.DISABLED, Status.REMOVING, Status.DEAD)


def rows_after_conclusions(seen: Observation, decision: Decision) -> dict[int, Node]:
    """The rows as the decision leaves them, before any action."""
    rows: dict[int, Node] = {each.node.id: each.node for each in seen.nodes}
    rows.update({each.after.id: each.after for each in decision.conclusions})
    return rows


def check_decision(seen: Observation, decision: Decision, settings: Settings, *, by_hand: bool) -> None:
    """Everything that a decision may not do."""
    actions = node_actions(decision)
    rows = rows_after_conclusions(seen, decision)
    counts = Counter(node_of(each) for each in actions)
    assert not [number for number, times in counts.items() if times > 1], briefly(decision)
    check_new_nodes(seen, actions, rows)
    for action in actions:
        check_program(action, rows, settings, by_hand=by_hand, harmed=harmed_by(seen, decision, settings))
    if by_hand:
        return
    away = missing_disks(seen)
    folders = {number: dirname(row.root_dir) for number, row in rows.items()}
    for action in actions:
        where = dirname(action.node.root_dir) if isinstance(action, AddNode) else folders[node_of(action)]
        assert where not in away, f"acts on a disk that is away: {briefly(decision)}"
    check_limits(actions, {number: row for number, row in rows.items() if not rests(row, seen.now)}, settings)
    check_cap(actions, rows, settings)
    for action in actions:
        check_grounds(action, seen, rows, settings)


def missing_disks(seen: Observation) -> list[str]:
    """Storages that are not where a node's folder was when it was last seen."""
    away = []
    for each in seen.nodes:
        storage = next(one for one in seen.storages if one.path == dirname(each.node.root_dir))
        gone = each.reading.root_dir_present is False and each.node.status is not Status.DISABLED
        if gone and each.node.mount_point is not None and storage.mount_point != each.node.mount_point:
            away.append(storage.path)
    return away


def check_new_nodes(seen: Observation, actions: tuple[NodeAction, ...], rows: dict[int, Node]) -> None:
    """Ids, ports and folders of new nodes are nobody else's."""
    new = [each.node for each in actions if isinstance(each, AddNode)]
    everybody = [*rows.values(), *new]
    ports = [port for each in everybody for port in (each.port, each.metrics_port)]
    assert len(set(ports)) == len(ports)
    assert len({each.root_dir for each in everybody}) == len(everybody)
    assert len({each.id for each in everybody}) == len(everybody)
    claimed = {claim.id for claim in seen.claims}
    for each in new:
        assert each.id not in claimed
        assert each.port not in seen.bound_ports
        assert each.metrics_port not in seen.bound_ports


def rests(row: Node, now: datetime) -> bool:
    """Whether a node's way out, or back to its former program, failed: until it goes on it takes up no place."""
    pauses = row.retry_at is not None and row.retry_at > now
    return pauses and (row.status is Status.REMOVING or row.gate_failure is not None)


def check_limits(actions: tuple[NodeAction, ...], rows: dict[int, Node], settings: Settings) -> None:
    """No transition has more nodes than its limit, unless it had before."""
    leaving = {each.node for each in actions if isinstance(each, RemoveNode)}
    # A crashed node that is being started again counts against no limit.
    healing = {number for number, row in rows.items() if row.crashed and row.status is Status.RESTARTING}
    present = Counter(
        row.status for number, row in rows.items() if number not in leaving and number not in healing
    )
    entering: Counter[Status] = Counter()
    left: Counter[Status] = Counter()
    for action in actions:
        row = rows.get(node_of(action))
        status = {
            AddNode: Status.RESTARTING,
            StartNode: Status.RESTARTING,
            RestartNode: Status.RESTARTING,
            UpgradeNode: Status.UPGRADING,
            RetireNode: Status.REMOVING,
        }.get(type(action))
        if isinstance(action, RestartNode) and row is not None and row.gate_version is not None:
            continue  # the restart that its upgrade lacks
        if isinstance(action, StartNode) and row is not None and row.crashed:
            continue
        if status is not None and (row is None or row.status is not status):
            entering[status] += 1
            if row is not None:
                left[row.status] += 1
    kinds = {
        Status.RESTARTING: settings.max_concurrent_starts,
        Status.UPGRADING: settings.max_concurrent_upgrades,
        Status.REMOVING: settings.max_concurrent_removals,
    }
    for status, limit in kinds.items():
        assert not entering[status] or present[status] + entering[status] <= limit, (status, limit)
    everything = sum(present[status] + entering[status] - left[status] for status in kinds)
    assert not entering or everything <= settings.max_concurrent_operations


def check_cap(actions: tuple[NodeAction, ...], rows: dict[int, Node], settings: Settings) -> None:
    """Additions end at the cap, removals for the cap too."""
    leaving = {each.node for each in actions if isinstance(each, RemoveNode)}
    counted = sum(row.status not in UNCOUNTED for number, row in rows.items() if number not in leaving)
    added = sum(isinstance(each, AddNode) for each in actions)
    assert added <= max(0, settings.node_cap - counted)


def too_much(seen: Observation, settings: Settings) -> bool:
    """Whether a reading that is not a disk's is above its removal limit."""
    machine = seen.machine
    load = machine.load
    loads = (load.one, load.five, load.fifteen) if isinstance(load, Load) else ()
    pairs = [
        (machine.cpu_percent, settings.cpu_remove),
        (machine.memory_percent, settings.mem_remove),
        *((each, settings.max_load_average_allowed) for each in loads),
    ]
    return any(not isinstance(value, Unseen) and value > limit for value, limit in pairs)


def too_full(mount_point: str | None, seen: Observation, settings: Settings) -> bool:
    """Whether a disk has to be relieved."""
    return any(
        each.used_percent > settings.hd_remove or each.free_bytes < settings.crisis_bytes
        for each in seen.machine.file_systems
        if each.mount_point == mount_point
    )


def check_grounds(action: Action, seen: Observation, rows: dict[int, Node], settings: Settings) -> None:
    """Nothing is stopped or removed without a reason that can be seen, and disabled nodes are left alone."""
    if not isinstance(
        action,
        RemoveNode
        | RetireNode
        | StopNode
        | StartNode
        | RestartNode
        | UpgradeNode
        | RollBackNode
        | DisableNode,
    ):
        assert not isinstance(action, EnableNode)
        return
    known: NodeSeen = next(each for each in seen.nodes if each.node.id == action.node)
    cut_off = [each.action for each in seen.interrupted if node_of(each.action) == action.node]
    status = rows[action.node].status
    if isinstance(action, RollBackNode):
        row = rows[action.node]
        assert row.gate_failure is not None
        assert row.gate_version is not None
        assert row.former_version not in (None, row.gate_version)
    if isinstance(action, DisableNode) or status is Status.DISABLED:
        assert any(isinstance(each, DisableNode) for each in cut_off)
        return
    if isinstance(action, StopNode) and not any(isinstance(each, StopNode) for each in cut_off):
        assert too_much(seen, settings)
        last, window = seen.remembered.last_shed_at, seen.machine.window_seconds or 60
        if last is not None and last <= seen.now:
            waited = (seen.now - last).total_seconds()
            assert waited >= min(2 * window, 120), "the last stop could not show yet"
    if isinstance(action, RemoveNode | RetireNode):
        over = sum(row.status not in UNCOUNTED for row in rows.values()) > settings.node_cap
        assert (
            known.reading.root_dir_present is False
            or known.node.status is Status.REMOVING
            or over
            or too_full(known.node.mount_point, seen, settings)
            or is_shunned(known, settings)
        ), f"{known.node.name} is to be removed without a reason: {sentence(action.because)}"


def is_shunned(known: NodeSeen, settings: Settings) -> bool:
    """Whether a node may be given up because its peers shun it."""
    page = known.reading.page
    rates = page.shun_rates if isinstance(page, NodePage) else None
    times = 0 if rates is None or rates.last_day is None else rates.last_day
    return settings.shun_policy == "recycle" and settings.keep_keys and times > settings.shun_limit


def check_shun_acts(
    seen: Observation, decision: Decision, settings: Settings, earlier: list[datetime]
) -> list[datetime]:
    """What was done about shunned nodes until now, this cycle's included: never more in a day than the budget."""
    acts = [each for each in node_actions(decision) if isinstance(each, RestartNode | RetireNode)]
    marked = [each for each in acts if each.shunned]
    assert not marked or settings.shun_policy in ("restart", "recycle")
    for each in marked:
        assert isinstance(each, RestartNode) == (settings.shun_policy == "restart")
        row = rows_after_conclusions(seen, decision)[each.node]
        assert row.status is Status.RUNNING
    now = [*earlier, *([seen.now] * len(marked))]
    of_a_day = sum(abs(seen.now - at) < timedelta(days=1) for at in now)
    assert not marked or of_a_day <= settings.shun_budget, "more than the budget"
    return now


def check_keys(before: set[str], machine: SimulatedMachine) -> None:
    """No folder with an identity went in this cycle without a copy of its key; `before` had one."""
    assert before - set(machine.world.folders) <= machine.world.keys


def harmed_by(seen: Observation, decision: Decision, settings: Settings) -> set[tuple[str, str]]:
    """Nodes, by name, and the versions that they failed and that are halted since."""
    known = merged(seen.remembered.releases, decision.releases)
    halted = [each for each in known if each.is_halted(settings.upgrade_failures_allowed)]
    return {(failure.node, each.version) for each in halted for failure in each.failures}


def check_program(
    action: Action,
    rows: dict[int, Node],
    settings: Settings,
    *,
    by_hand: bool,
    harmed: Collection[tuple[str, str]],
) -> None:
    """Nobody is brought down but from what harms him, nobody above the pin."""
    if not isinstance(action, UpgradeNode | StartNode) or action.program is None:
        return
    version = _order(action.program.version)
    if settings.node_version is not None:
        assert version <= _order(settings.node_version)
    row = rows[action.node]
    present = row.binary_version if isinstance(action, StartNode) else row.version or row.binary_version
    # A copy that is not there is no version that one could be brought down from.
    saved = (row.name, row.binary_version) in harmed
    if not by_hand and not saved and present is not None and isinstance(action, UpgradeNode):
        assert version > _order(present)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def check_world(machine: SimulatedMachine) -> None:
    """What must be true between any two cycles."""
    world, rows = machine.world, machine.ledger.nodes
    ports = [port for row in rows for port in (row.port, row.metrics_port)]
    assert len(set(ports)) == len(ports)
    assert len({row.root_dir for row in rows}) == len(rows)
    for root_dir, process in world.processes.items():
        assert process.root_dir == root_dir


def check_rest(machine: SimulatedMachine, decision: Decision, abandoned: set[str]) -> None:
    """A machine at rest: no orphan process, folder, unit, port or row, and nothing half-done."""
    world = machine.world
    rows = {row.root_dir: row for row in machine.ledger.nodes}
    states = Counter(row.status for row in rows.values())
    assert not set(states) - {Status.RUNNING, Status.STOPPED, Status.DISABLED}, states
    running = {path for path, row in rows.items() if row.status is Status.RUNNING}
    assert set(world.processes) == running
    # A disabled node is left alone, even when somebody deletes its folder.
    excused = abandoned | {path for path, row in rows.items() if row.status is Status.DISABLED}
    assert set(world.folders) - excused == set(rows) - excused
    # What was cut off before it first ran is completed when it is started.
    complete = [row for path, row in rows.items() if path in world.folders and world.folders[path].born]
    names = {row.name for row in rows.values()}
    assert {row.name for row in complete} <= world.units <= names
    logs = {row.log_dir for row in rows.values()}
    assert {row.log_dir for row in complete} <= world.log_folders <= logs
    assert {comment.removeprefix("wnm ") for comment in world.open_ports} <= names
    assert {f"wnm {rows[path].name}" for path in running} <= set(world.open_ports)
    assert machine.ledger.unconcluded == {}
    counted = states[Status.RUNNING] + states[Status.STOPPED]
    assert counted <= machine.settings.node_cap
    if not decision.held:
        assert states[Status.STOPPED] == 0
        assert counted == machine.settings.node_cap
