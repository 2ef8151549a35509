"""Tracks node versions: marks them as proven or halted, and decides when a new one may be taken."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256

from msgspec.structs import replace

from wnm.core.action import ProgramChoice, Resurvey, node_of
from wnm.core.decision import Decision
from wnm.core.health_gate import patience
from wnm.core.lifecycle import CLOCK_SLACK
from wnm.core.node import Node, NodeId, Reachability, Status
from wnm.core.observation import NodePage, NodeSeen, Observation, ProcessReading, ProgramReading
from wnm.core.reasons import Blocked, BlockKind, Remedy, RemedyKind, Task
from wnm.core.release import Release, release_of
from wnm.core.settings import Settings
from wnm.core.values import Value
from wnm.core.version import is_older


def release_news(
    seen: Observation, settings: Settings, concluded: Iterable[NodeSeen], together: frozenset[NodeId]
) -> tuple[Release, ...]:
    """The records of versions that change: one that is new here, and those whose gate nodes passed or failed.

    `together` are the nodes that ended with others, which is no version's failure.
    """
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
        if was.trial is None:
            late = None if was.id in together else _late_failure(was, each, seen, settings)
            if late is not None:
                record = news.get(late.version) or known[late.version]
                news[late.version] = record.failed(now.name, seen.now, late.reason)
            continue
        record = news.get(was.trial) or release_of(known.values(), was.trial, seen.now)
        if now.trial_failure is not None and was.trial_failure is None:
            news[was.trial] = record.failed(now.name, seen.now, now.trial_failure)
        elif has_passed_gate(was, now):
            news[was.trial] = replace(record, passed=record.passed + 1)
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
    return before.trial is not None and after.former_version is None and before.former_version is not None


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
        and each.node.trial is None
        and each.node.version == version != each.node.failed_version
        and is_healthy(each)
        for each in seen.nodes
    )


def is_healthy(each: NodeSeen) -> bool:
    """Whether a node answers, if it is of a kind that does; else it lacks nothing that it showed before."""
    if each.reading.has_pages:
        return each.reading.reachable is Reachability.ANSWERS
    return all(evidence.shown is not False for evidence in each.reading.evidence)


def nodes_in_gate(version: str, seen: Observation, settings: Settings) -> list[NodeId]:
    """The ids of the nodes that are in the gate of this version, and of those that soon will be again."""
    return [
        each.node.id
        for each in seen.nodes
        if each.node.trial == version and _is_tried(each.node, seen.now, settings)
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
        if node.status is not Status.RUNNING or node.trial is not None or node.binary_version is None:
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
    if version is None or node.trial is not None or node.kind != settings.node_kind:
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
