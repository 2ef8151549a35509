"""Assesses whether a node passes the health gate after its program was replaced."""

from datetime import datetime, timedelta

from wnm.core.node import Node, Reachability
from wnm.core.node_log import Evidence, Proof
from wnm.core.observation import NodePage, NodeReading, ProcessReading, ProgramReading, Unseen
from wnm.core.reasons import BlockKind
from wnm.core.release import is_older
from wnm.core.settings import Settings
from wnm.core.values import Moment, Value

PATIENCE_IN_DELAYS = 3
LEAST_PATIENCE = timedelta(seconds=60)
START_SLACK = timedelta(seconds=5)
"""The tolerance by which a process may seem to have begun later than wnm started it."""
PROGRAM_SLACK = timedelta(seconds=2)


class Verdict(Value, frozen=True, kw_only=True):
    """Whether a node passed, and why; `passed` is None while that is not known.

    Then `waits_for` is what is missing until `until`, and `than` the version that it says it is instead.
    """

    passed: bool | None = None
    because: str = ""
    waits_for: BlockKind = BlockKind.DELAY
    than: str | None = None
    until: Moment | None = None


def assess(
    node: Node, reading: NodeReading, now: datetime, settings: Settings, *, pid_before: int | None
) -> Verdict:
    """Assess a node in its gate, whose process was seen running, on the program that it is to pass with.

    `pid_before` is its process as seen earlier in this gate, None if this is the first time.
    """
    if reading.critical_failure:
        return Verdict(passed=False, because=f"it wrote a critical failure: {reading.critical_failure}")
    process, since = reading.process, node.status_since
    pid, started = (process.pid, process.started_at) if isinstance(process, ProcessReading) else (None, None)
    # Somebody else, such as its service manager, may have started it again since wnm did. Times of processes follow
    # the clock when it is set, so they count only while there is nothing better.
    begun_later = started is not None and started > since + START_SLACK
    if begun_later if None in (pid, pid_before) else pid != pid_before:
        words = f": {reading.last_words}" if reading.last_words else ""
        return Verdict(passed=False, because=f"its process ended and was started again{words}")
    # A process's age is right even when the clock was set forward.
    since = max(since, started) if started is not None and started <= now else since
    delay = settings.delay_upgrade
    proof = f"passed the gate for {node.gate_version}: {_evidence(reading)}"
    missing = _missing(node, reading)
    if missing is None:
        done = now - since >= delay
        return Verdict(passed=True, because=proof) if done else Verdict(until=since + delay)
    kind, words, than = missing
    # Nothing repairs another version or an error; anything else may still come.
    longest = delay if kind in (BlockKind.GATE_VERSION, BlockKind.GATE_ERRORS) else patience(settings)
    lacks = _lacks(reading)
    if lacks is not None and lacks.shown is False and kind is _LACKS[lacks.sign.proof][0]:
        longest = max(delay, timedelta(seconds=lacks.sign.patience_seconds))
    if now - since < longest:
        return Verdict(waits_for=kind, than=than, until=since + longest)
    if kind is BlockKind.GATE_PEER_COUNT or (lacks is not None and lacks.shown is None):
        # Most likely one of its pages came too late; but not every program need have that figure.
        return Verdict(passed=True, because=f"{proof}, though {words}")
    return Verdict(passed=False, because=words)


def patience(settings: Settings) -> timedelta:
    """Return how long a node in its gate may lack readings that can still come."""
    return max(settings.delay_upgrade * PATIENCE_IN_DELAYS, LEAST_PATIENCE)


def not_applicable(node: Node, reading: NodeReading) -> str | None:
    """Return why there is nothing to assess, running or not: the program seen is not the one in the gate."""
    program, expected = reading.program, node.gate_version
    # A remembered version is no proof: an interrupted upgrade may have replaced the program since.
    if (
        not isinstance(program, ProgramReading)
        or program.version == expected
        or isinstance(program.version, Unseen)
    ):
        return None
    if is_older(expected, program.version):
        return f"it has upgraded itself to {program.version}"
    return f"the upgrade to {expected} was interrupted before its program was replaced"


def runs_former(node: Node, reading: NodeReading, now: datetime) -> bool:
    """Whether the process of a node in its gate is still the one from before: its upgrade lacks the restart."""
    process, program, page = reading.process, reading.program, reading.page
    if not isinstance(process, ProcessReading) or not isinstance(program, ProgramReading):
        return False
    if process.started_at is None or program.changed_at is None or program.version != node.gate_version:
        return False
    # Times of processes follow the clock when it is set, those of files do not: alone they prove little.
    said = page.version if isinstance(page, NodePage) else None
    if said != node.former_version and (reading.has_pages or said is not None):
        return False
    return process.started_at + PROGRAM_SLACK < program.changed_at <= now


def _missing(node: Node, reading: NodeReading) -> tuple[BlockKind, str, str | None] | None:
    """Return the proof of health that is missing, in words too, and the version that it says it is instead.

    A node that answers nobody must have stayed up, with its key, and show in its log what its former process showed
    there: never that its store grew, for that somebody has to upload something.
    """
    page, pages = reading.page, reading.has_pages
    said, peers = (page.version, page.connected_peers) if isinstance(page, NodePage) else (None, None)
    if pages and (reading.reachable is not Reachability.ANSWERS or not isinstance(page, NodePage)):
        return BlockKind.GATE_ANSWER, "it does not answer", None
    if not pages and reading.born is None:
        return BlockKind.GATE_KEY, "its key is not there", None
    if said not in (None, node.gate_version):
        words = f"{'it' if pages else 'its log'} says that it is {said} and not {node.gate_version}"
        return BlockKind.GATE_VERSION, words, said
    if not pages and (errors := _new_errors(reading)):
        return BlockKind.GATE_ERRORS, f"its log has an error that it did not have before: {errors[0]}", None
    if not pages:
        lacks = _lacks(reading)
        if lacks is None:
            return None
        kind, words = _LACKS[lacks.sign.proof]
        told = (
            f"{words}: {lacks.sign.where} is missing"
            if lacks.shown is False
            else f"nothing tells whether {words}"
        )
        return kind, told, None
    if peers == 0:
        return BlockKind.GATE_PEERS, "it has no peers", None
    if peers is None:
        return BlockKind.GATE_PEER_COUNT, "it does not say how many peers it has", None
    return None


_LACKS: dict[Proof, tuple[BlockKind, str]] = {
    Proof.STARTED: (BlockKind.GATE_START, "it is not fully started"),
    Proof.NETWORK: (BlockKind.GATE_PEERS, "it has no peers"),
    Proof.REPLICATION: (BlockKind.GATE_REPLICATION, "it does not replicate"),
}


def _lacks(reading: NodeReading) -> Evidence | None:
    """Return what a node that answers nobody does not show; what is only unknown comes last."""
    missing = [each for each in reading.evidence if each.shown is False]
    unknown = [each for each in reading.evidence if each.shown is None]
    return next(iter([*missing, *unknown]), None)


def _new_errors(reading: NodeReading) -> tuple[str, ...]:
    """The kinds of error that a node had since its start, and not before; none where no former start was seen."""
    health = reading.log.health if reading.log is not None else None
    if health is None or Proof.STARTED not in health.shown_before:
        return ()
    return tuple([kind for kind in health.errors if kind not in health.errors_before])


def _evidence(reading: NodeReading) -> str:
    peers = reading.page.connected_peers if isinstance(reading.page, NodePage) else None
    count = "" if peers is None else f"{peers} peer{'' if peers == 1 else 's'}"
    if reading.has_pages:
        return f"answers and has {count}" if count else "answers"
    shown = [each.sign.proof for each in reading.evidence if each.shown]
    said = {
        Proof.STARTED: "is fully started",
        Proof.NETWORK: f"has {count}" if count else "has peers",
        Proof.REPLICATION: "replicates",
    }
    return ", ".join(["stayed up", *[said[proof] for proof in shown]])
