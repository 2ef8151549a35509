"""Assesses whether a node passes the health gate after its program was replaced."""

from datetime import datetime, timedelta

from wnm.core.node import Node, Reachability
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
    # Nothing repairs another version; anything else may still come.
    longest = delay if kind is BlockKind.GATE_VERSION else patience(settings)
    if now - since < longest:
        return Verdict(waits_for=kind, than=than, until=since + longest)
    if kind is BlockKind.GATE_PEER_COUNT:
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

    A node that answers nobody must have stayed up, with its key, and have stored something.
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
    if not pages:
        grown = reading.stored_at is not None and reading.stored_at > node.status_since
        return None if grown else (BlockKind.GATE_STORE, "its store has not grown", None)
    if peers == 0:
        return BlockKind.GATE_PEERS, "it has no peers", None
    if peers is None:
        return BlockKind.GATE_PEER_COUNT, "it does not say how many peers it has", None
    return None


def _evidence(reading: NodeReading) -> str:
    if not reading.has_pages:
        return "stayed up and its store has grown"
    peers = reading.page.connected_peers if isinstance(reading.page, NodePage) else None
    return "answers" if peers is None else f"answers and has {peers} peer{'' if peers == 1 else 's'}"
