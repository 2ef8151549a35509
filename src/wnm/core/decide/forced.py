"""Plans the actions that an operator asks for by hand, chosen by name or by the ladder's own ranking."""

from collections.abc import Callable
from enum import StrEnum

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
    StartNode,
    StopNode,
    UpgradeNode,
    node_of,
)
from wnm.core.decide.firewall import with_ports
from wnm.core.decide.growth import free_ids, new_node, no_place, node_cost, one_more, places
from wnm.core.decide.ladder import Settled, conclusions, settle
from wnm.core.decide.pressure import counted, is_stopped, oldest_first, removal_order, youngest_first
from wnm.core.decide.storage import missing_storage
from wnm.core.decide.upgrades import is_outdated, may_be_renewed, program_for_new, target, way_back
from wnm.core.decision import BY_HAND, Decision
from wnm.core.errors import BadInput, NeedsOperator
from wnm.core.lifecycle import runs
from wnm.core.node import Status
from wnm.core.observation import NodeSeen, Observation, Unseen
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Task, TaskKind
from wnm.core.release import Release, is_older, merged
from wnm.core.sentences import Names, remedy, waiting_for, what
from wnm.core.settings import Settings
from wnm.core.values import Value

ASKED_FOR = Reason(kind=ReasonKind.BY_HAND)


class ForcedAction(StrEnum):
    """The words of `--force_action` that are about nodes."""

    ADD = "add"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    UPGRADE = "upgrade"
    REMOVE = "remove"
    DISABLE = "disable"
    ENABLE = "enable"
    SURVEY = "survey"
    TEARDOWN = "teardown"


class Request(Value, frozen=True, kw_only=True):
    """One `--force_action`: named nodes, or `count` nodes of the ladder's choice."""

    action: ForcedAction
    names: tuple[str, ...] = ()
    count: int | None = None
    confirmed: bool = False


def forced(seen: Observation, settings: Settings, request: Request) -> Decision:
    """The decision that a request makes. BadInput when it names what is not there or lacks `--confirm`."""
    _check(request)
    settled = settle(seen, settings)
    whole = replace(settled.seen, nodes=settled.nodes)
    actions: tuple[Action, ...]
    held: tuple[Blocked, ...] = ()
    if request.action is ForcedAction.TEARDOWN:
        _require_storages(seen, settled)
    match request.action:
        case ForcedAction.ADD:
            actions = _add(whole, settings, request.count or 1)
        case ForcedAction.SURVEY:
            actions = (Resurvey(because=ASKED_FOR),)
        case _:
            chosen = _choose(whole, settings, request)
            actions = _act_on(chosen, whole, settings, request)
            held = (
                ()
                if actions
                else (
                    Blocked(
                        kind=BlockKind.NOT_APPLICABLE,
                        action=Task(kind=TaskKind.FORCED, text=request.action.value),
                    ),
                )
            )
    decision = Decision(
        rule=BY_HAND,
        because=Reason(kind=ReasonKind.FORCED, text=request.action.value),
        conclusions=conclusions(seen.nodes, settled.nodes),
        actions=_besides(actions, seen, settled) + actions,
        held=held,
        releases=_lifted(request, actions, settled),
    )
    if missing_storage(seen, settled.seen):
        return decision
    return with_ports(decision, seen, settings, (each.node for each in settled.nodes))


def _require_storages(seen: Observation, settled: Settled) -> None:
    """Refuse while a disk is away: its nodes would stay behind, with keys that nobody has a copy of."""
    missing = missing_storage(seen, settled.seen)
    if missing:
        raise NeedsOperator(
            f"cannot tear everything down: {waiting_for(missing[0], _names(settled))}",
            remedy="bring it back, or first remove the nodes on it by name",
        )


def _names(settled: Settled) -> Names:
    return {each.node.id: each.node.name for each in settled.nodes}


def _lifted(request: Request, actions: tuple[Action, ...], settled: Settled) -> tuple[Release, ...]:
    """Return the changed records of versions; an upgrade by hand forgives the version that it brings nodes to."""
    if request.action is not ForcedAction.UPGRADE:
        return settled.releases
    known = settled.seen.remembered.releases
    versions = {action.program.version for action in actions if isinstance(action, UpgradeNode)}
    lifted = [each.lifted() for each in known if each.version in versions and each.failures]
    return merged(settled.releases, lifted)


def _besides(actions: tuple[Action, ...], seen: Observation, settled: Settled) -> tuple[Action, ...]:
    """Return the actions that finish interrupted or due work as in any cycle, except those on the same nodes."""
    if missing_storage(seen, settled.seen):
        return ()
    chosen = {node_of(action) for action in actions if not isinstance(action, Resurvey)}
    return tuple(action for action in settled.actions if node_of(action) not in chosen)


def _check(request: Request) -> None:
    if request.action is ForcedAction.TEARDOWN and not request.confirmed:
        raise BadInput("--force_action teardown removes every node with its data: add --confirm")
    if request.action is ForcedAction.REMOVE and request.names and not request.confirmed:
        raise BadInput("--force_action remove --service_name removes nodes with their data: add --confirm")
    if request.action in (ForcedAction.ADD, ForcedAction.SURVEY, ForcedAction.TEARDOWN) and request.names:
        raise BadInput(f"--force_action {request.action} takes no --service_name")
    if request.action is ForcedAction.REMOVE and not request.names and request.count is None:
        raise BadInput("--force_action remove needs --service_name NAME --confirm, or --count N")
    if request.action in (ForcedAction.SURVEY, ForcedAction.TEARDOWN) and request.count is not None:
        raise BadInput(f"--force_action {request.action} takes no --count")


def _choose(seen: Observation, settings: Settings, request: Request) -> list[NodeSeen]:
    if request.names:
        return _named(seen, settings, request)
    if request.action is ForcedAction.TEARDOWN:
        return list(seen.nodes)
    rank, wanted = _RANKING[request.action]
    ranked = [each for each in rank(seen.nodes) if wanted(each)]
    if request.action is ForcedAction.UPGRADE:
        program = _program(seen, settings)
        ranked = [each for each in ranked if is_outdated(each, program, settings)]
    ranked = ranked[: request.count or 1]
    return _within_cap(ranked, seen, settings) if request.action is ForcedAction.ENABLE else ranked


def _within_cap(enabled: list[NodeSeen], seen: Observation, settings: Settings) -> list[NodeSeen]:
    """The same nodes; BadInput if they would not fit: the next cycle would remove as many, with their data."""
    over = counted(seen) + len(enabled) - settings.node_cap
    if over > 0:
        raise BadInput(
            f"enabling {len(enabled)} would make {over} too many for node_cap {settings.node_cap}; raise it"
        )
    return enabled


def _is_up(each: NodeSeen) -> bool:
    return each.node.status is Status.RUNNING


def _is_managed(each: NodeSeen) -> bool:
    return each.node.status not in (Status.DISABLED, Status.REMOVING)


def _is_disabled(each: NodeSeen) -> bool:
    return each.node.status is Status.DISABLED


type Ranking = tuple[Callable[[tuple[NodeSeen, ...]], list[NodeSeen]], Callable[[NodeSeen], bool]]
_RANKING: dict[ForcedAction, Ranking] = {
    ForcedAction.START: (oldest_first, is_stopped),
    ForcedAction.STOP: (youngest_first, _is_up),
    ForcedAction.RESTART: (oldest_first, _is_up),
    ForcedAction.UPGRADE: (oldest_first, _is_up),
    ForcedAction.REMOVE: (removal_order, _is_managed),
    ForcedAction.DISABLE: (youngest_first, _is_managed),
    ForcedAction.ENABLE: (oldest_first, _is_disabled),
}


def _named(seen: Observation, settings: Settings, request: Request) -> list[NodeSeen]:
    """The nodes that were named. A disabled one is left alone until it is enabled, by hand too."""
    found = [_by_name(seen, name) for name in dict.fromkeys(request.names)]
    if request.action is ForcedAction.ENABLE:
        return _within_cap([each for each in found if _is_disabled(each)], seen, settings)
    disabled = next((each.node.name for each in found if _is_disabled(each)), None)
    if disabled is not None and request.action not in (ForcedAction.DISABLE, ForcedAction.REMOVE):
        raise BadInput(
            f"{disabled} is disabled: run wnm --force_action enable --service_name {disabled} before "
            f"--force_action {request.action}"
        )
    return found


def _by_name(seen: Observation, name: str) -> NodeSeen:
    found = next((each for each in seen.nodes if each.node.name == name), None)
    if found is None:
        known = ", ".join(each.node.name for each in seen.nodes[:5]) or "none"
        raise BadInput(f"--service_name {name}: no such node; known nodes: {known}")
    return found


def _act_on(
    chosen: list[NodeSeen], seen: Observation, settings: Settings, request: Request
) -> tuple[NodeAction, ...]:
    if request.action is not ForcedAction.START:
        return tuple(_act(each, seen, settings, request) for each in chosen)
    actions: list[NodeAction] = []
    trying = False
    for each in chosen:
        program = _renewed(each, seen, settings, trying=trying)
        trying = trying or program is not None
        actions.append(StartNode(node=each.node.id, program=program, because=ASKED_FOR))
    return tuple(actions)


def _act(each: NodeSeen, seen: Observation, settings: Settings, request: Request) -> NodeAction:
    node = each.node.id
    match request.action:
        case ForcedAction.STOP:
            return StopNode(node=node, shed=False, because=ASKED_FOR)
        case ForcedAction.RESTART:
            return RestartNode(node=node, silent=False, because=ASKED_FOR)
        case ForcedAction.UPGRADE:
            return _upgrade(each, _program(seen, settings), request)
        case ForcedAction.REMOVE if not request.confirmed:
            return RetireNode(node=node, because=ASKED_FOR)
        case ForcedAction.DISABLE:
            return DisableNode(node=node, because=ASKED_FOR)
        case ForcedAction.ENABLE:
            return EnableNode(node=node, because=ASKED_FOR)
        case _:
            return RemoveNode(node=node, because=ASKED_FOR)


def _upgrade(each: NodeSeen, program: ProgramChoice, request: Request) -> UpgradeNode:
    running = each.node.version or each.node.binary_version
    if is_older(program.version, running) and not request.confirmed:
        raise BadInput(
            f"{each.node.name} runs {running}, and {program.version} would be a step back: add --confirm"
        )
    return UpgradeNode(node=each.node.id, program=program, because=ASKED_FOR)


def _renewed(each: NodeSeen, seen: Observation, settings: Settings, *, trying: bool) -> ProgramChoice | None:
    """The program that a node is given before it is started, as when wnm starts it by itself."""
    if runs(each.reading):
        return None
    if isinstance(each.reading.program, Unseen):
        program = program_for_new(seen, settings)
        return None if isinstance(program, Blocked) else program
    if (older := way_back(each, seen, settings)) is not None:
        return older
    program = target(seen, settings)
    if isinstance(program, Blocked) or not may_be_renewed(each, program, seen, settings, trying=trying):
        return None
    return program


def _program(seen: Observation, settings: Settings) -> ProgramChoice:
    """The program as far as the pin allows; a named node is given it even when that is a step down."""
    program = target(seen, settings)
    if isinstance(program, Blocked):
        raise _unusable(program)
    return program


def _unusable(held: Blocked) -> NeedsOperator:
    return NeedsOperator(f"cannot {what(held)}, {waiting_for(held)}", remedy=remedy(held) or "try again")


def _add(seen: Observation, settings: Settings, count: int) -> tuple[NodeAction, ...]:
    program = program_for_new(seen, settings)
    if isinstance(program, Blocked):
        raise _unusable(program)
    free = settings.node_cap - sum(_is_managed(each) for each in seen.nodes)
    if count > free:
        raise BadInput(
            f"--count {count}: node_cap {settings.node_cap} leaves capacity for {max(free, 0)}; raise node_cap"
        )
    ids = free_ids(seen, settings, count)
    if len(ids) < count:
        raise NeedsOperator(
            f"only {len(ids)} ids have free ports", remedy="change port_start or end what uses the ports"
        )
    cost, machine = node_cost(seen), seen.machine
    actions = []
    for node_id in ids:
        view = replace(seen, machine=machine)
        found = places(view, settings)
        if not found:
            held = no_place(view, settings)
            raise NeedsOperator(
                f"cannot {what(held)}, it waits for {waiting_for(held)}", remedy="free some space"
            )
        machine = one_more(machine, cost, found[0].file_system.mount_point)
        node = new_node(node_id, found[0], settings, seen.seed, seen.now)
        actions.append(AddNode(node=node, program=program, because=ASKED_FOR))
    return tuple(actions)
