"""Brings running nodes to the available version, oldest first, each through a gate; tracks how versions did here."""

from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256

from msgspec.structs import replace

from wnm.core.action import ProgramChoice, UpgradeNode, node_of, nodes_in
from wnm.core.decide.pressure import free_slots, ids_of, is_resting_removal, must_shed, oldest_first
from wnm.core.decision import Decision, Proposal
from wnm.core.health_gate import patience
from wnm.core.lifecycle import CLOCK_SLACK, UNDER_WAY, backing_off, backs_off, runs
from wnm.core.node import Node, NodeId, Reachability, Status
from wnm.core.observation import NodePage, NodeSeen, Observation, ProcessReading, ProgramReading, Unseen
from wnm.core.reasons import Blocked, BlockKind, Reason, ReasonKind, Remedy, RemedyKind, Task, TaskKind
from wnm.core.release import Release, comparable, is_older, release_of
from wnm.core.settings import Settings


def release_news(
    seen: Observation, settings: Settings, concluded: Iterable[NodeSeen], together: frozenset[NodeId]
) -> tuple[Release, ...]:
    """The records of versions that change: one that is new here, and those whose gate nodes passed or failed.

    `together` are the nodes that ended with others, which is no version's failure.
    """
    before = {each.node.id: each.node for each in seen.nodes}
    known = {each.version: each for each in seen.remembered.releases}
    news: dict[str, Release] = {}
    version = seen.available.version if isinstance(seen.available, ProgramReading) else None
    if isinstance(version, str):
        record = release_of(known.values(), version, seen.now)
        if version not in known or record.first_seen_at > seen.now + CLOCK_SLACK:
            # A version that comes from the future was seen before the clock was set back.
            news[version] = replace(record, first_seen_at=seen.now)
    for each in concluded:
        was, now = before[each.node.id], each.node
        version, failure = was.gate_version, now.gate_failure
        if version is None:
            late = None if was.id in together else _late_failure(was, each, seen, settings)
            version, failure = was.binary_version, late
        elif was.gate_failure is not None:
            failure = None
        if version is None or (failure is None and not has_passed_gate(was, now)):
            continue
        record = news.get(version) or release_of(known.values(), version, seen.now)
        if failure is not None:
            news[version] = record.failed(now.name, seen.now, failure)
        else:
            news[version] = replace(record, passed=record.passed + 1)
    return tuple(news.values())


def _late_failure(was: Node, each: NodeSeen, seen: Observation, settings: Settings) -> str | None:
    """Return the failure that a node met soon after its version had passed the gate, while others wait for theirs.

    None if nothing. To those others such a version is as bad as one that shows it before. `was` is the node's row
    until now.
    """
    version, now = was.binary_version, each.node
    if version is None or was.status is not Status.RUNNING or seen.rebooted:
        return None
    lately = seen.now - was.status_since <= patience(settings)
    if not lately or not release_of(seen.remembered.releases, version, seen.now).passed:
        return None
    others = [other.node for other in seen.nodes if other.node.kind == was.kind]
    if not [other for other in others if is_older(other.version or other.binary_version, version)]:
        return None
    if was.version != version or now.binary_version != version:
        return None  # One that becomes another version ends to be started again.
    if now.status is Status.STOPPED and now.failures > was.failures:
        return f"soon after it had passed, {now.last_error}"
    process = each.reading.process
    pid = process.pid if isinstance(process, ProcessReading) else None
    cut_off = was.id in [node_of(one.action) for one in seen.interrupted]
    if None in (pid, was.pid) or pid == was.pid or cut_off:
        return None
    words = f": {each.reading.last_words}" if each.reading.last_words else ""
    return f"soon after it had passed, its process ended and was started again{words}"


def passed_gates(decision: Decision) -> tuple[Node, ...]:
    """The nodes that a decision concludes to have passed their gate and that no action is about."""
    acted_on = nodes_in(decision.actions)
    passed = [each.after for each in decision.conclusions if has_passed_gate(each.before, each.after)]
    return tuple([node for node in passed if node.id not in acted_on])


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


def _why_it_failed(node: Node, version: str, seen: Observation) -> str | None:
    """Return why a node went back from a version, as far as that is still known."""
    record = release_of(seen.remembered.releases, version, seen.now)
    reasons = [each.reason for each in record.failures if each.node == node.name]
    return reasons[-1] if reasons else None


def held_by_halt(task: Task, record: Release, settings: Settings) -> Blocked:
    """Something that does not happen because a version is halted: by whom, in whose own words, and what lifts it."""
    last, version = record.failures[-1], record.version
    remedy = Remedy(kind=RemedyKind.PROVIDE_NEWER, version=version, path=str(settings.antnode_path))
    return Blocked(
        kind=BlockKind.VERSION_HALTED,
        action=task,
        version=version,
        name=last.node,
        text=last.reason,
        remedy=remedy,
    )


def is_proven(version: str, seen: Observation) -> bool:
    """Whether some node has passed the gate of this version here, or runs it well without having had to."""
    return release_of(seen.remembered.releases, version, seen.now).passed > 0 or any(
        each.node.status is Status.RUNNING
        and each.node.gate_version is None
        and each.node.version == version != each.node.failed_version
        and _is_healthy(each)
        for each in seen.nodes
    )


def _is_healthy(each: NodeSeen) -> bool:
    """Whether a node answers, if it is of a kind that does; else it lacks nothing that it showed before."""
    if each.reading.has_pages:
        return each.reading.reachable is Reachability.ANSWERS
    return all(evidence.shown is not False for evidence in each.reading.evidence)


def _nodes_in_gate(version: str, seen: Observation, settings: Settings) -> tuple[NodeId, ...]:
    """The ids of the nodes that are in the gate of this version, and of those that soon will be again."""
    found = []
    for each in seen.nodes:
        node = each.node
        # One that is stopped in between is started again before others try; others do not wait for it for ever.
        soon = node.status is Status.STOPPED and seen.now - node.status_since < patience(settings)
        if node.gate_version == version and (soon or node.status in (*UNDER_WAY, Status.RUNNING)):
            found.append(node.id)
    return tuple(found)


def _at_hand(version: str, seen: Observation, settings: Settings) -> ProgramChoice | None:
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
        if _is_urgent(each, version):
            continue  # The network takes nothing from such a node any more.
        if best is None or is_older(best.version, node.binary_version):
            best = ProgramChoice(path=own.path, version=node.binary_version, stamp=own.stamp)
    return best


def _way_back(each: NodeSeen, seen: Observation, settings: Settings) -> ProgramChoice | None:
    """An older program for a node that ended soon after it had passed the gate of a version halted since."""
    node, version = each.node, each.node.binary_version
    if version is None or node.gate_version is not None or node.kind != settings.node_kind:
        return None
    record = halted(version, seen, settings)
    if record is None or node.name not in [failure.node for failure in record.failures]:
        return None
    return _at_hand(version, seen, settings)


def _is_urgent(each: NodeSeen, version: str) -> bool:
    """Whether the network has left the node's version behind, and this one would help."""
    page = each.reading.page
    if not isinstance(page, NodePage) or page.min_version is None:
        return False
    running = page.version or each.node.version
    return is_older(running, page.min_version) and not is_older(version, page.min_version)


def _not_yet(task: Task, version: str, seen: Observation, settings: Settings) -> Blocked | None:
    """Return why a version is not taken at this hour: its spread, then the window; None if it may be taken now."""
    record = release_of(seen.remembered.releases, version, seen.now)
    due = record.first_seen_at + spread_offset(version, seen.machine_seed, settings.upgrade_spread)
    if seen.now < due:
        return Blocked(kind=BlockKind.UPGRADE_SPREAD, action=task, until=due)
    window, local = settings.upgrade_window, seen.now + seen.utc_offset
    if window is None or window.is_open(local):
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
    running = [each for each in oldest_first(seen.nodes) if each.node.status is Status.RUNNING]
    pin = settings.node_version
    held = [] if pin is None else _above_the_pin(pin, seen, settings)
    back = _take_back(running, seen, settings)
    if back:
        because = Reason(kind=ReasonKind.ENDED_AFTER_UPGRADE, count=len(back))
        return Proposal(actions=back, held=tuple(held), because=because)
    program = target(seen, settings)
    if isinstance(program, Blocked):
        # Nodes that run well on an older version need nobody: only growth asks the operator for a program.
        worth_a_word = _anyone_outdated_by(seen, settings)
        return Proposal(held=(*held, replace(program, remedy=None)) if worth_a_word else tuple(held))
    version = program.version
    # A nightly build and a release have no order: nobody can tell which nodes are older.
    unordered = [
        each
        for each in seen.nodes
        if each.node.status is Status.RUNNING and each.node.kind == settings.node_kind
        if each.node.binary_version not in (None, version)
        and not comparable(each.node.binary_version, version)
    ]
    if unordered:
        task = Task(kind=TaskKind.UPGRADE, nodes=ids_of(unordered), version=version)
        than = unordered[0].node.binary_version
        held.append(Blocked(kind=BlockKind.VERSION_UNORDERED, action=task, version=version, than=than))
    outdated = [each for each in running if is_outdated(each, program, settings)]
    if not outdated:
        return Proposal(held=tuple(held))
    task = Task(kind=TaskKind.UPGRADE, nodes=ids_of(outdated), version=version)
    halt = halted(version, seen, settings)
    obstacle = held_by_halt(task, halt, settings) if halt is not None else must_shed(task, seen, settings)
    if obstacle is not None:
        return Proposal(held=(*held, obstacle))
    ready = _ready(outdated, program, seen, settings, held)
    free = free_slots(seen, settings, Status.UPGRADING)
    chosen, kind, canaries = _first_of(ready, free, version, seen, settings)
    left = ids_of([each for each in ready if each not in chosen])
    if left:
        task, canary = Task(kind=TaskKind.UPGRADE, nodes=left, version=version), version if canaries else None
        held.append(Blocked(kind=kind, action=task, version=canary, waits_on=canaries))
    actions = [
        UpgradeNode(node=each.node.id, program=program, because=_because(each, program)) for each in chosen
    ]
    because = Reason(kind=ReasonKind.NODES_OUTDATED, count=len(outdated), version=version)
    return Proposal(actions=tuple(actions), held=tuple(held), because=because)


def _take_back(running: list[NodeSeen], seen: Observation, settings: Settings) -> tuple[UpgradeNode, ...]:
    """Bring running nodes that a halted version does no good to an older one that works, each through its gate."""
    found = []
    failed_anywhere = [each for each in seen.remembered.releases if each.failures]
    for each in running if failed_anywhere else []:
        node, version = each.node, each.node.binary_version
        program = _way_back(each, seen, settings)
        if program is not None and runs(each.reading) and not backs_off(node, seen.now):
            why = _why_it_failed(node, version or "", seen)
            because = Reason(kind=ReasonKind.VERSION_HALTED, version=version, text=why)
            found.append(UpgradeNode(node=node.id, program=program, because=because))
    if not found or must_shed(Task(kind=TaskKind.UPGRADE), seen, settings) is not None:
        return ()
    return tuple(found[: free_slots(seen, settings, Status.UPGRADING)])


def _above_the_pin(pin: str, seen: Observation, settings: Settings) -> list[Blocked]:
    """The nodes that run more than the pin allows: said, and left as they are."""
    above = [
        each
        for each in seen.nodes
        if is_older(pin, each.node.version or each.node.binary_version) and runs(each.reading)
    ]
    task = Task(kind=TaskKind.TAKE_BACK, nodes=ids_of(above), version=pin)
    path = str(settings.antnode_path)
    return [Blocked(kind=BlockKind.ABOVE_PIN, action=task, version=pin, path=path)] if above else []


def _ready(
    outdated: list[NodeSeen],
    program: ProgramChoice,
    seen: Observation,
    settings: Settings,
    held: list[Blocked],
) -> list[NodeSeen]:
    """Return the nodes that nothing blocks, urgent ones first; what blocks the others goes to `held`."""
    version = program.version
    patient: list[NodeSeen] = []
    urgent: list[NodeSeen] = []
    for each in outdated:
        node = each.node
        task = Task(kind=TaskKind.UPGRADE, nodes=(node.id,))
        if node.failed_version == version:
            why = _why_it_failed(node, version, seen)
            held.append(Blocked(kind=BlockKind.FAILED_VERSION, action=task, version=version, text=why))
        elif backs_off(node, seen.now):
            held.append(backing_off(node, task))
        elif not runs(each.reading):
            held.append(Blocked(kind=BlockKind.PROCESS_UNSEEN, action=task))
        elif _is_urgent(each, version):
            urgent.append(each)
        else:
            patient.append(each)
    if patient:
        # Upgrades that are not urgent wait for a removal under way, this machine's turn, the hour.
        task = Task(kind=TaskKind.UPGRADE, nodes=ids_of(patient), version=version)
        removing = [each for each in seen.nodes if each.node.status is Status.REMOVING]
        removing = [each for each in removing if not is_resting_removal(each.node, seen.now)]
        later = _not_yet(task, version, seen, settings)
        if removing:
            later = Blocked(kind=BlockKind.REMOVAL, action=task, waits_on=ids_of(removing))
        if later is not None:
            held.append(later)
            patient = []
    return urgent + patient


def _first_of(
    ready: list[NodeSeen], free: int, version: str, seen: Observation, settings: Settings
) -> tuple[list[NodeSeen], BlockKind, tuple[NodeId, ...]]:
    """Those that go now, what the others wait for, and the canaries if it is them.

    Until one has passed the gate only one goes; what the network refuses has nothing to lose.
    """
    if is_proven(version, seen):
        return ready[:free], BlockKind.UPGRADE_SLOT, ()
    in_gate = _nodes_in_gate(version, seen, settings)
    chosen = [each for each in ready if _is_urgent(each, version)][:free]
    if not chosen and not in_gate:
        fit = [each for each in ready if _is_healthy(each)]
        # The version that waits may be the very one that makes nodes that were silent for long answer again.
        long_ago = seen.now - patience(settings)
        fit = fit or [each for each in ready if (each.node.silent_since or seen.now) <= long_ago]
        chosen = fit[: min(free, 1)]
    canaries = in_gate or ids_of(chosen)
    return chosen, BlockKind.CANARY if canaries else BlockKind.CANARY_CANDIDATE, canaries


def _because(each: NodeSeen, program: ProgramChoice) -> Reason:
    page = each.reading.page
    urgent = isinstance(page, NodePage) and _is_urgent(each, program.version)
    return Reason(
        kind=ReasonKind.OUTDATED,
        version=each.node.version or each.node.binary_version,
        than=program.version,
        minimum=page.min_version if urgent and isinstance(page, NodePage) else None,
    )


def target(seen: Observation, settings: Settings) -> ProgramChoice | Blocked:
    """The program that nodes should run, or why none may be handed out."""
    found, pin, kind = seen.available, settings.node_version, settings.node_kind
    task = Task(kind=TaskKind.HAND_OUT_PROGRAM)
    path = str(settings.antnode_path or "~/.local/bin/antnode")
    remedy = Remedy(kind=RemedyKind.PROVIDE_PROGRAM, path=path)
    blocked = Blocked(kind=BlockKind.PROGRAM_UNSEEN, action=task, remedy=remedy)
    if isinstance(found, Unseen):
        return replace(blocked, text=found.reason)
    if isinstance(found.version, Unseen):
        return replace(blocked, text=found.version.reason)
    if found.kind not in (None, kind):
        return replace(blocked, kind=BlockKind.PROGRAM_KIND, path=found.path, text=found.kind, than=kind)
    version = found.version
    if pin is not None and (not comparable(version, pin) or is_older(pin, version)):
        task = Task(kind=TaskKind.USE_VERSION, version=version)
        remedy = Remedy(kind=RemedyKind.PROVIDE_PINNED, version=pin, path=found.path)
        return Blocked(kind=BlockKind.PINNED, action=task, version=pin, remedy=remedy)
    return ProgramChoice(path=found.path, version=version, stamp=found.stamp)


def is_outdated(each: NodeSeen, program: ProgramChoice, settings: Settings) -> bool:
    """Whether the node's version is older and replacing or restarting it would help.

    A node whose own copy is already current, and that was started since the copy changed, is believed to run
    it whatever its metadata says: upgrading it again would never end.
    """
    node, process, own = each.node, each.reading.process, each.reading.program
    running = node.version or node.binary_version
    # One of another kind that was taken over: this machine has no program for it.
    if node.kind != settings.node_kind or running is None or not is_older(running, program.version):
        return False
    if node.binary_version is None or is_older(node.binary_version, program.version):
        return True
    if not isinstance(process, ProcessReading) or not isinstance(own, ProgramReading):
        return False
    if process.started_at is None or own.changed_at is None:
        return False
    return process.started_at + KERNEL_TICKS < own.changed_at


def _may_be_renewed(
    each: NodeSeen, program: ProgramChoice, seen: Observation, settings: Settings, *, trying: bool
) -> bool:
    """Whether a stopped node gets the program before it is started. Afterwards it has to pass the gate.

    While nobody has passed it yet that is for one node at a time (`trying`: one is chosen already), and for a
    running one rather than for this.
    """
    version, own = program.version, each.node.binary_version
    if each.node.kind != settings.node_kind or each.node.failed_version == version:
        return False
    if own is not None and not is_older(own, version):
        return False
    if halted(version, seen, settings) or _not_yet(Task(kind=TaskKind.START), version, seen, settings):
        return False
    if is_proven(version, seen):
        return True
    running = [other for other in seen.nodes if other.node.status is Status.RUNNING]
    canary = any(is_outdated(other, program, settings) for other in running)
    return not (trying or canary or _nodes_in_gate(version, seen, settings))


def program_for_new(seen: Observation, settings: Settings) -> ProgramChoice | Blocked:
    """The program of new nodes: the target, or an older one that works while that is halted or not proven yet."""
    program = target(seen, settings)
    if isinstance(program, Blocked):
        return program
    halt = halted(program.version, seen, settings)
    if halt is None and is_proven(program.version, seen):
        return program
    older = _at_hand(program.version, seen, settings)
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
    older = _way_back(each, seen, settings)
    if older is not None or isinstance(program, Blocked):
        return older
    return program if _may_be_renewed(each, program, seen, settings, trying=trying) else None


def _anyone_outdated_by(seen: Observation, settings: Settings) -> bool:
    """Whether some node is older than the program on disk, so that withholding it is worth a word.

    Versions of different kinds of program have no order: whoever put another kind there meant it for the nodes.
    """
    found = seen.available
    if isinstance(found, Unseen) or isinstance(found.version, Unseen):
        return False
    version, another_kind = found.version, found.kind not in (None, settings.node_kind)
    return any(another_kind or is_older(each.node.version or version, version) for each in seen.nodes)
