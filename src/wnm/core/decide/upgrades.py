"""Rule 6: bring running nodes to the available version, oldest first, never downwards."""

from dataclasses import replace
from datetime import timedelta

from wnm.core.action import ProgramChoice, UpgradeNode
from wnm.core.decide.budget import free_slots, is_resting_removal
from wnm.core.decide.pressure import must_shed
from wnm.core.decide.rank import oldest_first
from wnm.core.decision import Held, Proposal
from wnm.core.lifecycle import backs_off, runs
from wnm.core.node import Status
from wnm.core.observation import NodeSeen, Observation, ProcessReading, ProgramReading, Unseen
from wnm.core.settings import Settings
from wnm.core.version import comparable, is_older

KERNEL_TICKS = timedelta(milliseconds=100)
"""How much earlier than it was a process may seem to have started: its birth is counted in ticks since boot."""


def upgrade_outdated(seen: Observation, settings: Settings) -> Proposal:
    """Upgrade the oldest running nodes that are older than the available program, as slots allow."""
    program = target(seen, settings)
    if isinstance(program, Held):
        # Nodes that run well on an older version need nobody: only growth asks the operator for a program.
        return Proposal(held=(replace(program, remedy=None),) if _anyone_outdated_by(seen) else ())
    outdated = [
        each
        for each in oldest_first(seen.nodes)
        if each.node.status is Status.RUNNING and is_outdated(each, program, settings)
    ]
    if not outdated:
        return Proposal()
    what = f"upgrade {len(outdated)} node(s) to {program.version}"
    obstacle = _obstacle(seen, settings)
    if obstacle is not None:
        return Proposal(held=(Held(what=what, waiting_for=obstacle),))
    resting = [each.node for each in outdated if backs_off(each.node, seen.now)]
    held = [
        Held(
            what=f"upgrade {node.name}",
            waiting_for=f"its pause after: {node.last_error}",
            until=node.retry_at,
        )
        for node in resting
    ]
    ready = [each for each in outdated if runs(each.reading) and not backs_off(each.node, seen.now)]
    chosen = ready[: free_slots(seen.nodes, settings, seen.now).upgrades]
    if len(chosen) < len(ready):
        held.append(Held(what=f"upgrade {len(ready) - len(chosen)} more", waiting_for="a free upgrade slot"))
    actions = tuple(
        UpgradeNode(
            node=each.node.id,
            program=program,
            because=f"runs {each.node.version or each.node.binary_version}, available is {program.version}",
        )
        for each in chosen
    )
    because = f"{len(outdated)} node(s) older than {program.version}"
    return Proposal(actions=actions, held=tuple(held), because=because)


def target(seen: Observation, settings: Settings) -> ProgramChoice | Held:
    """The program that nodes should run, or why none may be handed out."""
    available = usable_program(seen, settings)
    if isinstance(available, Held):
        return available
    pin = settings.node_version
    if pin is not None and not _within_pin(available.version, pin):
        return Held(
            what=f"use version {available.version}",
            waiting_for=f"the pin node_version {pin}",
            remedy=f"put version {pin} at {available.path}, or change or clear node_version",
        )
    return available


def usable_program(seen: Observation, settings: Settings) -> ProgramChoice | Held:
    """The program on disk, whatever the pin says, or why it cannot be used."""
    found = seen.available
    remedy = (
        f"put a working node program at {settings.antnode_path or '~/.local/bin/antnode'} or set antnode_path"
    )
    if isinstance(found, Unseen):
        return Held(what="hand out a node program", waiting_for=found.reason, remedy=remedy)
    if isinstance(found.version, Unseen):
        return Held(what="hand out a node program", waiting_for=found.version.reason, remedy=remedy)
    if found.kind is not None and found.kind != settings.node_kind:
        return Held(
            what="hand out a node program",
            waiting_for=f"{found.path} is {found.kind}, this machine runs {settings.node_kind}",
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
    if running is None or not is_older(running, program.version):
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


def _started_before_its_program(each: NodeSeen) -> bool:
    process, own = each.reading.process, each.reading.program
    if not isinstance(process, ProcessReading) or not isinstance(own, ProgramReading):
        return False
    if process.started_at is None or own.changed_at is None:
        return False
    return process.started_at + KERNEL_TICKS < own.changed_at


def _within_pin(version: str, pin: str) -> bool:
    return comparable(version, pin) and not is_older(pin, version)


def _obstacle(seen: Observation, settings: Settings) -> str | None:
    """What keeps upgrades back; None when nothing is being or must be removed."""
    removing = [
        each.node.name
        for each in seen.nodes
        if each.node.status is Status.REMOVING and not is_resting_removal(each.node, seen.now)
    ]
    if removing:
        return f"{removing[0]} to be removed"
    return must_shed(seen, settings)


def _anyone_outdated_by(seen: Observation) -> bool:
    """Whether some running node is older than the program on disk, so that withholding it is worth a word."""
    found = seen.available
    if isinstance(found, Unseen) or isinstance(found.version, Unseen):
        return False
    version = found.version
    return any(is_older(each.node.version or version, version) for each in seen.nodes)
