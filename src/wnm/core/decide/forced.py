"""Plans the actions that an operator asks for by hand, chosen by name or by the ladder's own ranking."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial

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
    nodes_in,
)
from wnm.core.decide.adopt import accepted, adoptions
from wnm.core.decide.firewall import with_ports
from wnm.core.decide.growth import free_ids, new_node, no_place, node_cost, one_more, places
from wnm.core.decide.ladder import conclusions, settle
from wnm.core.decide.pressure import counted, is_stopped, oldest_first, removal_order, youngest_first
from wnm.core.decide.storage import (
    Question,
    held_nodes,
    place_news,
    questions,
    without_doubtful,
)
from wnm.core.decide.upgrades import is_outdated, program_for_new, program_for_start, target
from wnm.core.decision import BY_HAND, Decision
from wnm.core.errors import BadInput, NeedsOperator
from wnm.core.lifecycle import runs
from wnm.core.node import Status
from wnm.core.observation import NodeSeen, Observation
from wnm.core.places import PlaceNews
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Task, TaskKind
from wnm.core.release import is_older, merged
from wnm.core.sentences import remedy, waiting_for, what
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
    ADOPT = "adopt"
    ACCEPT_DISK = "accept_disk"


class Request(Value, frozen=True, kw_only=True):
    """One `--force_action`: named nodes, or `count` nodes of the ladder's choice, or a storage folder."""

    action: ForcedAction
    names: tuple[str, ...] = ()
    count: int | None = None
    confirmed: bool = False
    storage: str | None = None


type Ranking = tuple[Callable[[list[NodeSeen]], list[NodeSeen]], Callable[[NodeSeen], bool]]


def _is_up(each: NodeSeen) -> bool:
    return each.node.status is Status.RUNNING


def _is_managed(each: NodeSeen) -> bool:
    return each.node.status not in (Status.DISABLED, Status.REMOVING)


def _is_disabled(each: NodeSeen) -> bool:
    return each.node.status is Status.DISABLED


_RANKING: Mapping[ForcedAction, Ranking] = {
    ForcedAction.START: (oldest_first, is_stopped),
    ForcedAction.STOP: (youngest_first, _is_up),
    ForcedAction.RESTART: (oldest_first, _is_up),
    ForcedAction.UPGRADE: (oldest_first, _is_up),
    ForcedAction.REMOVE: (removal_order, _is_managed),
    ForcedAction.DISABLE: (youngest_first, _is_managed),
    ForcedAction.ENABLE: (oldest_first, _is_disabled),
}
"""The order in which nodes are taken that were not named, and which of them may be."""
_REMOVE = partial(RemoveNode, because=ASKED_FOR)
_SIMPLE: Mapping[ForcedAction, Callable[..., NodeAction]] = {
    ForcedAction.STOP: partial(StopNode, shed=False, because=ASKED_FOR),
    ForcedAction.RESTART: partial(RestartNode, silent=False, because=ASKED_FOR),
    ForcedAction.REMOVE: _REMOVE,
    ForcedAction.TEARDOWN: _REMOVE,
    ForcedAction.DISABLE: partial(DisableNode, because=ASKED_FOR),
    ForcedAction.ENABLE: partial(EnableNode, because=ASKED_FOR),
}
"""The actions that need to know no more than their node."""


def forced(seen: Observation, settings: Settings, request: Request) -> Decision:
    """The decision that a request makes. BadInput when it names what is not there or lacks `--confirm`."""
    _check(request)
    found, asked = seen, questions(seen)
    seen = without_doubtful(seen, asked)
    settled = settle(seen, settings, held_nodes(asked))
    places: tuple[PlaceNews, ...] = ()
    actions: tuple[Action, ...] = ()
    if request.action is ForcedAction.ACCEPT_DISK:
        places = (accepted(found, settings, request.storage, asked),)
    elif request.action is ForcedAction.ADOPT:
        actions = adoptions(found, settings, request.names, asked)
    else:
        actions = _actions(replace(settled.seen, nodes=settled.nodes), settings, request)
        _refuse_doubtful(actions, found, asked, request)
    task = Task(kind=TaskKind.FORCED, text=request.action.value)
    versions = {action.program.version for action in actions if isinstance(action, UpgradeNode)}
    # An upgrade by hand forgives the version that it brings nodes to.
    known = [each for each in settled.seen.remembered.releases if each.version in versions and each.failures]
    # What is due or was interrupted is finished as in any cycle, except on the same nodes.
    taken = nodes_in(actions)
    besides = () if asked else tuple([each for each in settled.actions if node_of(each) not in taken])
    decision = Decision(
        rule=BY_HAND,
        because=Reason(kind=ReasonKind.FORCED, text=request.action.value),
        conclusions=conclusions(seen.nodes, settled.nodes),
        actions=besides + actions,
        held=() if actions or places else (Blocked(kind=BlockKind.NOT_APPLICABLE, action=task),),
        releases=merged(settled.releases, [each.lifted() for each in known]) if known else settled.releases,
        places=places
        or place_news(seen, settings, asked, [each.node for each in actions if isinstance(each, AddNode)]),
    )
    if asked:
        return decision
    return with_ports(decision, seen, settings, [each.node for each in settled.nodes])


_HARMLESS = (AddNode, StopNode, DisableNode, EnableNode)


def _refuse_doubtful(
    actions: tuple[Action, ...], found: Observation, asked: tuple[Question, ...], request: Request
) -> None:
    """Refuse to touch the folder of a node whose disk is in question: it may be another machine's.

    A node whose folder is not there can be removed by name: that is how the operator says that it is lost.
    """
    names = {int(each.node.id): each.node.name for each in found.nodes}
    gone = {each.node.id for each in found.nodes if each.reading.root_dir_present is False}
    for question in asked:
        waits = waiting_for(question.blocked, names)
        if request.action is ForcedAction.TEARDOWN and question.nodes:
            # Its nodes would stay behind, with keys that nobody has a copy of.
            raise NeedsOperator(
                f"cannot tear everything down: {waits}",
                remedy="bring it back, or first remove the nodes on it by name",
            )
        for action in actions:
            if isinstance(action, (*_HARMLESS, Resurvey)) or node_of(action) not in question.nodes:
                continue
            if not isinstance(action, RemoveNode) or action.node not in gone:
                raise NeedsOperator(
                    f"cannot {request.action} {names[node_of(action)]}, it waits for {waits}",
                    remedy=remedy(question.blocked, names) or "try again when its disk can be read",
                )


def _check(request: Request) -> None:
    action, names, count = request.action, request.names, request.count
    asked = f"--force_action {action}"
    teardown, remove = action is ForcedAction.TEARDOWN, action is ForcedAction.REMOVE
    survey, add = action is ForcedAction.SURVEY, action is ForcedAction.ADD
    complaints = {
        f"{asked} removes every node with its data: add --confirm": teardown and not request.confirmed,
        f"{asked} --service_name removes nodes with their data: add --confirm": (
            remove and names and not request.confirmed
        ),
        f"{asked} gives up nodes that are not on the disk: add --confirm": (
            action is ForcedAction.ACCEPT_DISK and not request.confirmed
        ),
        f"{asked} takes no --service_name": (add or survey or teardown) and names,
        f"{asked} needs --service_name NAME --confirm, or --count N": remove and not names and count is None,
        f"{asked} takes no --count": (survey or teardown) and count is not None,
    }
    for complaint, holds in complaints.items():
        if holds:
            raise BadInput(complaint)


def _actions(seen: Observation, settings: Settings, request: Request) -> tuple[Action, ...]:
    """The actions that were asked for; nodes are found even while their disk is away."""
    action = request.action
    if action is ForcedAction.ADD:
        return _add(seen, settings, request.count or 1)
    if action is ForcedAction.SURVEY:
        return (Resurvey(because=ASKED_FOR),)
    chosen = _named(seen, request) if request.names else _ranked(seen, settings, request)
    if action is ForcedAction.ENABLE:
        over = counted(seen) + len(chosen) - settings.node_cap
        if over > 0:
            # The next cycle would remove as many, with their data.
            raise BadInput(
                f"enabling {len(chosen)} would make {over} too many for node_cap {settings.node_cap}; raise it"
            )
    if action is ForcedAction.START:
        return _start(chosen, seen, settings)
    if action is ForcedAction.UPGRADE:
        return tuple([_upgrade(each, _program(seen, settings), request) for each in chosen])
    make = _SIMPLE[action]
    if action is ForcedAction.REMOVE and not request.confirmed:
        make = partial(RetireNode, because=ASKED_FOR)
    return tuple([make(node=each.node.id) for each in chosen])


def _named(seen: Observation, request: Request) -> list[NodeSeen]:
    """The nodes that were named. A disabled one is left alone until it is enabled, by hand too."""
    by_name = {each.node.name: each for each in seen.nodes}
    for name in request.names:
        if name not in by_name:
            known = ", ".join(list(by_name)[:5]) or "none"
            raise BadInput(f"--service_name {name}: no such node; known nodes: {known}")
    found = [by_name[name] for name in dict.fromkeys(request.names)]
    disabled = [each for each in found if _is_disabled(each)]
    if request.action is ForcedAction.ENABLE:
        return disabled
    if disabled and request.action not in (ForcedAction.DISABLE, ForcedAction.REMOVE):
        name = disabled[0].node.name
        raise BadInput(
            f"{name} is disabled: run wnm --force_action enable --service_name {name} before "
            f"--force_action {request.action}"
        )
    return found


def _ranked(seen: Observation, settings: Settings, request: Request) -> list[NodeSeen]:
    if request.action is ForcedAction.TEARDOWN:
        return list(seen.nodes)
    rank, wanted = _RANKING[request.action]
    ranked = rank([each for each in seen.nodes if wanted(each)])
    if request.action is ForcedAction.UPGRADE:
        program = _program(seen, settings)
        ranked = [each for each in ranked if is_outdated(each, program, settings)]
    return ranked[: request.count or 1]


def _start(chosen: list[NodeSeen], seen: Observation, settings: Settings) -> tuple[Action, ...]:
    """Start the nodes, with the program that they are given when wnm starts them by itself."""
    program, fallback = target(seen, settings), program_for_new(seen, settings)
    actions: list[Action] = []
    trying = False
    for each in chosen:
        given = None
        if not runs(each.reading):
            given = program_for_start(each, program, fallback, seen, settings, trying=trying)
        trying = trying or given is not None
        actions.append(StartNode(node=each.node.id, program=given, because=ASKED_FOR))
    return tuple(actions)


def _upgrade(each: NodeSeen, program: ProgramChoice, request: Request) -> UpgradeNode:
    running = each.node.version or each.node.binary_version
    if is_older(program.version, running) and not request.confirmed:
        raise BadInput(
            f"{each.node.name} runs {running}, and {program.version} would be a step back: add --confirm"
        )
    return UpgradeNode(node=each.node.id, program=program, because=ASKED_FOR)


def _program(seen: Observation, settings: Settings) -> ProgramChoice:
    """The program as far as the pin allows; a named node is given it even when that is a step down."""
    return _usable(target(seen, settings))


def _usable(program: ProgramChoice | Blocked) -> ProgramChoice:
    if isinstance(program, Blocked):
        words = f"cannot {what(program)}, {waiting_for(program)}"
        raise NeedsOperator(words, remedy=remedy(program) or "try again")
    return program


def _add(seen: Observation, settings: Settings, count: int) -> tuple[Action, ...]:
    program = _usable(program_for_new(seen, settings))
    free = settings.node_cap - len([each for each in seen.nodes if _is_managed(each)])
    if count > free:
        raise BadInput(
            f"--count {count}: node_cap {settings.node_cap} leaves capacity for {max(free, 0)}; raise node_cap"
        )
    ids = free_ids(seen, settings, count)
    if len(ids) < count:
        raise NeedsOperator(
            f"only {len(ids)} ids have free ports", remedy="change port_start or end what uses the ports"
        )
    cost, view = node_cost(seen), seen
    actions: list[Action] = []
    for node_id in ids:
        found = places(view, settings)
        if not found:
            held = no_place(view, settings)
            raise NeedsOperator(
                f"cannot {what(held)}, it waits for {waiting_for(held)}", remedy="free some space"
            )
        view = replace(view, machine=one_more(view.machine, cost, found[0].file_system.mount_point))
        node = new_node(node_id, found[0], settings, seen.seed, seen.now)
        actions.append(AddNode(node=node, program=program, because=ASKED_FOR))
    return tuple(actions)
