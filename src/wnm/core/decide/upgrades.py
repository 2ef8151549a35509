"""Brings running nodes to the available version, oldest first, each through a gate; tracks how versions did here."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256

from msgspec.structs import replace

from wnm.core.action import ProgramChoice, Resurvey, UpgradeNode, node_of
from wnm.core.decide.pressure import free_slots, ids_of, is_resting_removal, must_shed, oldest_first
from wnm.core.decision import Decision, Proposal
from wnm.core.health_gate import patience
from wnm.core.lifecycle import CLOCK_SLACK, backing_off, backs_off, runs
from wnm.core.node import Node, NodeId, Reachability, Status
from wnm.core.observation import NodePage, NodeSeen, Observation, ProcessReading, ProgramReading, Unseen
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Remedy, RemedyKind, Task, TaskKind
from wnm.core.release import Release, comparable, is_older, release_of
from wnm.core.settings import Settings
from wnm.core.values import Value


def release_news(seen: Observation, settings: Settings, concluded: Iterable[NodeSeen]) -> tuple[Release, ...]:
    """The records of versions that change: one that is new here, and those whose gate nodes passed or failed."""
    before = {each.node.id: each.node for each in seen.nodes}
    known = {each.version: each for each in seen.remembered.releases}
    news: dict[str, Release] = {}
    available = seen.available
    version = available.version if isinstance(available, ProgramReading) else None
    if isinstance(version, str):
        record = release_of(known.values(), version, seen.now)
        if version not in known or record.first_seen_at > seen.now + CLOCK_SLACK:
            # A version that comes from the future was seen before the clock was set back.
            news[version] = replace(record, first_seen_at=seen.now)
    for each in concluded:
        was, now = before[each.node.id], each.node
        if was.gate_version is None:
            late = _late_failure(was, each, seen, settings)
            if late is not None:
                record = news.get(late.version) or known[late.version]
                news[late.version] = record.failed(now.name, seen.now, late.reason)
            continue
        record = news.get(was.gate_version) or release_of(known.values(), was.gate_version, seen.now)
        if now.gate_failure is not None and was.gate_failure is None:
            news[was.gate_version] = record.failed(now.name, seen.now, now.gate_failure)
        elif has_passed_gate(was, now):
            news[was.gate_version] = replace(record, passed=record.passed + 1)
    return tuple(news.values())


class _Late(Value, frozen=True, kw_only=True):
    """A failure that a node met on a version after it had passed its gate."""

    version: str
    reason: str


def _late_failure(was: Node, each: NodeSeen, seen: Observation, settings: Settings) -> _Late | None:
    """Return the failure that a node met soon after its version had passed the gate, while others wait for theirs.

    None if nothing. To those others such a version is as bad as one that shows it before. `was` is the node's row
    until now.
    """
    version, now = was.binary_version, each.node
    if version is None or was.status is not Status.RUNNING or seen.rebooted:
        return None
    if seen.now - was.status_since > patience(settings) or not _has_passed(version, seen):
        return None
    if not any(
        is_older(_runs_or_has(other.node), version) for other in seen.nodes if other.node.kind == was.kind
    ):
        return None
    if was.version != version or now.binary_version != version:
        return None  # One that becomes another version ends to be started again.
    if now.status is Status.STOPPED and now.failures > was.failures:
        return _Late(version=version, reason=f"soon after it had passed, {now.last_error}")
    process = each.reading.process
    pid = process.pid if isinstance(process, ProcessReading) else None
    cut_off = any(node_of(one.action) == was.id for one in seen.interrupted)
    if None in (pid, was.pid) or pid == was.pid or cut_off:
        return None
    words = f": {each.reading.last_words}" if each.reading.last_words else ""
    reason = f"soon after it had passed, its process ended and was started again{words}"
    return _Late(version=version, reason=reason)


def _runs_or_has(node: Node) -> str | None:
    return node.version or node.binary_version


def _has_passed(version: str, seen: Observation) -> bool:
    return any(each.version == version and each.passed > 0 for each in seen.remembered.releases)


def passed_gates(decision: Decision) -> tuple[Node, ...]:
    """The nodes that a decision concludes to have passed their gate and that no action is about."""
    acted_on = {node_of(action) for action in decision.actions if not isinstance(action, Resurvey)}
    return tuple(
        each.after
        for each in decision.conclusions
        if has_passed_gate(each.before, each.after) and each.after.id not in acted_on
    )


def has_passed_gate(before: Node, after: Node) -> bool:
    """Whether the node has just passed the gate of the program that it was given: the former one may go."""
    # Only whoever passes loses the version to go back to.
    return (
        before.gate_version is not None and after.former_version is None and before.former_version is not None
    )


def halted(version: str, seen: Observation, settings: Settings) -> Release | None:
    """The record of a version that nothing more is brought to; None if it is not halted."""
    record = release_of(seen.remembered.releases, version, seen.now)
    return record if record.is_halted(settings.upgrade_failures_allowed) else None


def why_it_failed(node: Node, version: str, seen: Observation) -> str | None:
    """Return why a node went back from a version, as far as that is still known."""
    record = release_of(seen.remembered.releases, version, seen.now)
    reasons = [each.reason for each in record.failures if each.node == node.name]
    return reasons[-1] if reasons else None


def held_by_halt(task: Task, record: Release, settings: Settings) -> Blocked:
    """Something that does not happen because a version is halted: by whom, in whose own words, and what lifts it."""
    last = record.failures[-1]
    version, path = record.version, str(settings.antnode_path)
    return Blocked(
        kind=BlockKind.VERSION_HALTED,
        action=task,
        version=version,
        name=last.node,
        text=last.reason,
        remedy=Remedy(kind=RemedyKind.PROVIDE_NEWER, version=version, path=path),
    )


def is_proven(version: str, seen: Observation) -> bool:
    """Whether some node has passed the gate of this version here, or runs it well without having had to."""
    if release_of(seen.remembered.releases, version, seen.now).passed:
        return True
    return any(
        each.node.status is Status.RUNNING
        and each.node.gate_version is None
        and each.node.version == version != each.node.failed_version
        and is_healthy(each)
        for each in seen.nodes
    )


def is_healthy(each: NodeSeen) -> bool:
    """Whether a node answers, if it is of a kind that does; one that does not proves nothing."""
    return not each.reading.has_pages or each.reading.reachable is Reachability.ANSWERS


def nodes_in_gate(version: str, seen: Observation, settings: Settings) -> list[NodeId]:
    """The ids of the nodes that are in the gate of this version, and of those that soon will be again."""
    return [
        each.node.id
        for each in seen.nodes
        if each.node.gate_version == version and _is_tried(each.node, seen.now, settings)
    ]


def _is_tried(node: Node, now: datetime, settings: Settings) -> bool:
    # One that is stopped in between is started again before others try; others do not wait for it for ever.
    if node.status is Status.STOPPED:
        return now - node.status_since < patience(settings)
    return node.status in (Status.UPGRADING, Status.RESTARTING, Status.RUNNING)


def at_hand(version: str, seen: Observation, settings: Settings) -> ProgramChoice | None:
    """The newest program older than a version that some node has and runs well; None if there is none."""
    best: ProgramChoice | None = None
    for each in seen.nodes:
        node, own = each.node, each.reading.program
        if node.status is not Status.RUNNING or node.gate_version is not None or node.binary_version is None:
            continue
        if node.kind != settings.node_kind:
            continue
        if not isinstance(own, ProgramReading) or own.version != node.binary_version:
            continue
        if not is_older(node.binary_version, version) or halted(node.binary_version, seen, settings):
            continue
        if is_urgent(each, version):
            continue  # The network takes nothing from such a node any more.
        if best is None or is_older(best.version, node.binary_version):
            best = ProgramChoice(path=own.path, version=node.binary_version, stamp=own.stamp)
    return best


def way_back(each: NodeSeen, seen: Observation, settings: Settings) -> ProgramChoice | None:
    """An older program for a node that ended soon after it had passed the gate of a version halted since."""
    node = each.node
    version = node.binary_version
    if version is None or node.gate_version is not None or node.kind != settings.node_kind:
        return None
    record = halted(version, seen, settings)
    if record is None or all(failure.node != node.name for failure in record.failures):
        return None
    return at_hand(version, seen, settings)


def is_urgent(each: NodeSeen, version: str) -> bool:
    """Whether the network has left the node's version behind, and this one would help."""
    page = each.reading.page
    if not isinstance(page, NodePage) or page.min_version is None:
        return False
    running = page.version or each.node.version
    return is_older(running, page.min_version) and not is_older(version, page.min_version)


def not_yet(task: Task, version: str, seen: Observation, settings: Settings) -> Blocked | None:
    """Return why a version is not taken at this hour: its spread, then the window; None if it may be taken now."""
    record = release_of(seen.remembered.releases, version, seen.now)
    due = record.first_seen_at + spread_offset(version, seen.machine_seed, settings.upgrade_spread)
    if seen.now < due:
        return Blocked(kind=BlockKind.UPGRADE_SPREAD, action=task, until=due)
    window = settings.upgrade_window
    if window is None:
        return None
    local = seen.now + seen.utc_offset
    if window.is_open(local):
        return None
    opening = window.next_opening(local) - seen.utc_offset
    return Blocked(kind=BlockKind.UPGRADE_WINDOW, action=task, until=opening)


def spread_offset(version: str, machine_seed: int, spread: timedelta) -> timedelta:
    """Return how much later than its release this machine takes a version: constant, and different on each machine."""
    digest = sha256(f"{machine_seed}:{version}".encode()).digest()
    return spread * (int.from_bytes(digest[:8]) / 2**64)


KERNEL_TICKS = timedelta(milliseconds=100)
"""The tolerance for a process that seems to have started earlier: its birth is counted in ticks since boot."""


def upgrade_outdated(seen: Observation, settings: Settings) -> Proposal:
    """Upgrade the oldest running nodes that are older than the available program: first one as the canary, then more.

    Every node has to pass a gate after its upgrade; the first one's decides whether the others follow.
    """
    above = _above_the_pin(seen, settings)
    back = _take_back(seen, settings)
    if back:
        because = Reason(kind=ReasonKind.ENDED_AFTER_UPGRADE, count=len(back))
        return Proposal(actions=back, held=above, because=because)
    program = target(seen, settings)
    if isinstance(program, Blocked):
        # Nodes that run well on an older version need nobody: only growth asks the operator for a program.
        worth_a_word = _anyone_outdated_by(seen, settings)
        return Proposal(held=(*above, replace(program, remedy=None)) if worth_a_word else above)
    above = (*above, *_without_order(program, seen, settings))
    outdated = [
        each
        for each in oldest_first(seen.nodes)
        if each.node.status is Status.RUNNING and is_outdated(each, program, settings)
    ]
    if not outdated:
        return Proposal(held=above)
    version = program.version
    task = Task(kind=TaskKind.UPGRADE, nodes=ids_of(outdated), version=version)
    halt = halted(version, seen, settings)
    if halt is not None:
        return Proposal(held=(*above, held_by_halt(task, halt, settings)))
    pressure = must_shed(task, seen, settings)
    if pressure is not None:
        return Proposal(held=(*above, pressure))
    held, ready = _ready(outdated, program, seen, settings)
    held = [*above, *held]
    free = free_slots(seen.nodes, settings, seen.now).upgrades
    chosen = _first_of(ready, free, program, seen, settings)
    going = {each.node.id for each in chosen}
    left = [each for each in ready if each.node.id not in going]
    if left:
        held.append(_queued(ids_of(left), ids_of(chosen), version, seen, settings))
    actions = tuple(
        UpgradeNode(node=each.node.id, program=program, because=_because(each, program)) for each in chosen
    )
    because = Reason(kind=ReasonKind.NODES_OUTDATED, count=len(outdated), version=version)
    return Proposal(actions=actions, held=tuple(held), because=because)


def _without_order(program: ProgramChoice, seen: Observation, settings: Settings) -> tuple[Blocked, ...]:
    """The nodes of which nobody can tell whether they are older: a nightly build and a release have no order."""
    found = [
        each
        for each in seen.nodes
        if each.node.status is Status.RUNNING and each.node.kind == settings.node_kind
        if each.node.binary_version not in (None, program.version)
        if not comparable(each.node.binary_version, program.version)
    ]
    if not found:
        return ()
    return (
        Blocked(
            kind=BlockKind.VERSION_UNORDERED,
            action=Task(kind=TaskKind.UPGRADE, nodes=ids_of(found), version=program.version),
            version=program.version,
            than=found[0].node.binary_version,
        ),
    )


def _take_back(seen: Observation, settings: Settings) -> tuple[UpgradeNode, ...]:
    """Bring running nodes that a halted version does no good to an older one that works, each through its gate."""
    if must_shed(Task(kind=TaskKind.UPGRADE), seen, settings) is not None:
        return ()
    found = [
        UpgradeNode(
            node=each.node.id,
            program=program,
            because=Reason(
                kind=ReasonKind.VERSION_HALTED,
                version=each.node.binary_version,
                text=why_it_failed(each.node, each.node.binary_version or "", seen),
            ),
        )
        for each in oldest_first(seen.nodes)
        if each.node.status is Status.RUNNING and runs(each.reading) and not backs_off(each.node, seen.now)
        if (program := way_back(each, seen, settings)) is not None
    ]
    return tuple(found[: free_slots(seen.nodes, settings, seen.now).upgrades])


def _above_the_pin(seen: Observation, settings: Settings) -> tuple[Blocked, ...]:
    """The nodes that run more than the pin allows: said, and left as they are."""
    pin = settings.node_version
    above = [
        each
        for each in seen.nodes
        if is_older(pin, each.node.version or each.node.binary_version) and runs(each.reading)
    ]
    if not above:
        return ()
    task = Task(kind=TaskKind.TAKE_BACK, nodes=ids_of(above), version=pin)
    path = str(settings.antnode_path)
    return (Blocked(kind=BlockKind.ABOVE_PIN, action=task, version=pin, path=path),)


def _ready(
    outdated: list[NodeSeen], program: ProgramChoice, seen: Observation, settings: Settings
) -> tuple[list[Blocked], list[NodeSeen]]:
    """Return the blocks of single nodes, and the unblocked ones: urgent ones first, else in their order."""
    version = program.version
    held: list[Blocked] = []
    patient: list[NodeSeen] = []
    urgent: list[NodeSeen] = []
    for each in outdated:
        node = each.node
        task = Task(kind=TaskKind.UPGRADE, nodes=(node.id,))
        if node.failed_version == version:
            why = why_it_failed(node, version, seen)
            held.append(Blocked(kind=BlockKind.FAILED_VERSION, action=task, version=version, text=why))
        elif backs_off(node, seen.now):
            held.append(backing_off(node, task))
        elif not runs(each.reading):
            held.append(Blocked(kind=BlockKind.PROCESS_UNSEEN, action=task))
        elif is_urgent(each, version):
            urgent.append(each)
        else:
            patient.append(each)
    if patient:
        task = Task(kind=TaskKind.UPGRADE, nodes=ids_of(patient), version=version)
        later = _later(task, version, seen, settings)
        if later is not None:
            held.append(later)
            patient = []
    return held, urgent + patient


def _first_of(
    ready: list[NodeSeen], free: int, program: ProgramChoice, seen: Observation, settings: Settings
) -> list[NodeSeen]:
    """Those that go now. Until one has passed the gate only one goes; what the network refuses has nothing to lose."""
    urgent = [each for each in ready if is_urgent(each, program.version)]
    if is_proven(program.version, seen):
        return ready[:free]
    if urgent:
        return urgent[:free]
    if nodes_in_gate(program.version, seen, settings):
        return []
    fit = [each for each in ready if is_healthy(each)]
    # The version that waits may be the very one that makes silent nodes answer again.
    fit = fit or [each for each in ready if _silent_for_long(each, seen.now, settings)]
    return fit[: min(free, 1)]


def _silent_for_long(each: NodeSeen, now: datetime, settings: Settings) -> bool:
    since = each.node.silent_since
    return since is not None and now - since >= patience(settings)


def _queued(
    left: tuple[NodeId, ...],
    chosen: tuple[NodeId, ...],
    version: str,
    seen: Observation,
    settings: Settings,
) -> Blocked:
    """Return what the nodes that do not go now wait for: a slot, or the canary."""
    task = Task(kind=TaskKind.UPGRADE, nodes=left, version=version)
    if is_proven(version, seen):
        return Blocked(kind=BlockKind.UPGRADE_SLOT, action=task)
    canaries = tuple(nodes_in_gate(version, seen, settings)) or chosen
    if canaries:
        return Blocked(kind=BlockKind.CANARY, action=task, version=version, waits_on=canaries)
    return Blocked(kind=BlockKind.CANARY_CANDIDATE, action=task)


def _because(each: NodeSeen, program: ProgramChoice) -> Reason:
    page = each.reading.page
    urgent = is_urgent(each, program.version) and isinstance(page, NodePage)
    return Reason(
        kind=ReasonKind.OUTDATED,
        version=each.node.version or each.node.binary_version,
        than=program.version,
        minimum=page.min_version if urgent and isinstance(page, NodePage) else None,
    )


def target(seen: Observation, settings: Settings) -> ProgramChoice | Blocked:
    """The program that nodes should run, or why none may be handed out."""
    available = usable_program(seen, settings)
    if isinstance(available, Blocked):
        return available
    pin = settings.node_version
    if pin is not None and not _within_pin(available.version, pin):
        return Blocked(
            kind=BlockKind.PINNED,
            action=Task(kind=TaskKind.USE_VERSION, version=available.version),
            version=pin,
            remedy=Remedy(kind=RemedyKind.PROVIDE_PINNED, version=pin, path=available.path),
        )
    return available


def usable_program(seen: Observation, settings: Settings) -> ProgramChoice | Blocked:
    """The program on disk, whatever the pin says, or why it cannot be used."""
    found = seen.available
    task = Task(kind=TaskKind.HAND_OUT_PROGRAM)
    path = settings.antnode_path or "~/.local/bin/antnode"
    remedy = Remedy(kind=RemedyKind.PROVIDE_PROGRAM, path=str(path))
    if isinstance(found, Unseen):
        return Blocked(kind=BlockKind.PROGRAM_UNSEEN, action=task, text=found.reason, remedy=remedy)
    if isinstance(found.version, Unseen):
        return Blocked(kind=BlockKind.PROGRAM_UNSEEN, action=task, text=found.version.reason, remedy=remedy)
    if found.kind is not None and found.kind != settings.node_kind:
        return Blocked(
            kind=BlockKind.PROGRAM_KIND,
            action=task,
            path=found.path,
            text=found.kind,
            than=settings.node_kind,
            remedy=remedy,
        )
    return ProgramChoice(path=found.path, version=found.version, stamp=found.stamp)


def is_outdated(each: NodeSeen, program: ProgramChoice, settings: Settings) -> bool:
    """Whether the node's version is older and replacing or restarting it would help.

    A node whose own copy is already current, and that was started since the copy changed, is believed to run
    it whatever its metadata says: upgrading it again would never end.
    """
    node = each.node
    running = node.version or node.binary_version
    # One of another kind that was taken over: this machine has no program for it.
    if node.kind != settings.node_kind or running is None or not is_older(running, program.version):
        return False
    if node.binary_version is None or is_older(node.binary_version, program.version):
        return True
    return _started_before_its_program(each)


def copy_is_outdated(each: NodeSeen, program: ProgramChoice) -> bool:
    """Whether a stopped node should get the program before it is started; a copy that is not there counts."""
    if isinstance(each.reading.program, Unseen):
        return True
    own = each.node.binary_version
    return own is None or is_older(own, program.version)


def may_be_renewed(
    each: NodeSeen, program: ProgramChoice, seen: Observation, settings: Settings, *, trying: bool
) -> bool:
    """Whether a stopped node gets the program before it is started. Afterwards it has to pass the gate.

    While nobody has passed it yet that is for one node at a time (`trying`: one is chosen already), and for a
    running one rather than for this.
    """
    version = program.version
    if each.node.kind != settings.node_kind:
        return False
    if not copy_is_outdated(each, program) or each.node.failed_version == version:
        return False
    if halted(version, seen, settings) or not_yet(Task(kind=TaskKind.START), version, seen, settings):
        return False
    if is_proven(version, seen):
        return True
    canary = any(
        other.node.status is Status.RUNNING and is_outdated(other, program, settings) for other in seen.nodes
    )
    return not (trying or canary or nodes_in_gate(version, seen, settings))


def program_for_new(seen: Observation, settings: Settings) -> ProgramChoice | Blocked:
    """The program of new nodes: the target, or an older one that works while that is halted or not proven yet."""
    program = target(seen, settings)
    if isinstance(program, Blocked):
        return program
    halt = halted(program.version, seen, settings)
    if halt is None and is_proven(program.version, seen):
        return program
    older = at_hand(program.version, seen, settings)
    if older is not None:
        return older
    return program if halt is None else held_by_halt(Task(kind=TaskKind.ADD), halt, settings)


def program_for_start(
    each: NodeSeen,
    program: ProgramChoice | Blocked,
    fallback: ProgramChoice | Blocked,
    seen: Observation,
    settings: Settings,
    *,
    trying: bool,
) -> ProgramChoice | None:
    """The program that a stopped node is given before it is started; None if it keeps its own."""
    if isinstance(each.reading.program, Unseen):
        return None if isinstance(fallback, Blocked) else fallback
    older = way_back(each, seen, settings)
    if older is not None or isinstance(program, Blocked):
        return older
    return program if may_be_renewed(each, program, seen, settings, trying=trying) else None


def _started_before_its_program(each: NodeSeen) -> bool:
    process, own = each.reading.process, each.reading.program
    if not isinstance(process, ProcessReading) or not isinstance(own, ProgramReading):
        return False
    if process.started_at is None or own.changed_at is None:
        return False
    return process.started_at + KERNEL_TICKS < own.changed_at


def _within_pin(version: str, pin: str) -> bool:
    return comparable(version, pin) and not is_older(pin, version)


def _later(task: Task, version: str, seen: Observation, settings: Settings) -> Blocked | None:
    """Return why upgrades that are not urgent wait: a removal under way, this machine's turn, the hour."""
    removing = [
        each.node.id
        for each in seen.nodes
        if each.node.status is Status.REMOVING and not is_resting_removal(each.node, seen.now)
    ]
    if removing:
        return Blocked(kind=BlockKind.REMOVAL, action=task, waits_on=tuple(removing))
    return not_yet(task, version, seen, settings)


def _anyone_outdated_by(seen: Observation, settings: Settings) -> bool:
    """Whether some node is older than the program on disk, so that withholding it is worth a word.

    Versions of different kinds of program have no order: whoever put another kind there meant it for the nodes.
    """
    found = seen.available
    if isinstance(found, Unseen) or isinstance(found.version, Unseen):
        return False
    version = found.version
    another_kind = found.kind is not None and found.kind != settings.node_kind
    return any(another_kind or is_older(each.node.version or version, version) for each in seen.nodes)
