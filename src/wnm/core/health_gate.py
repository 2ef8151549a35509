"""Assesses whether a node passes the health gate after its program was replaced."""

from datetime import datetime, timedelta

from wnm.core.node import Node, Reachability
from wnm.core.observation import NodePage, NodeReading, ProcessReading, ProgramReading
from wnm.core.reasons import BlockKind
from wnm.core.release import is_older
from wnm.core.settings import Settings
from wnm.core.values import Moment, Value

PATIENCE_IN_DELAYS = 3
LEAST_PATIENCE = timedelta(seconds=60)
START_SLACK = timedelta(seconds=5)
"""The tolerance by which a process may seem to have begun later than wnm started it."""
PROGRAM_SLACK = timedelta(seconds=2)


class Passed(Value, frozen=True, kw_only=True):
    """The node runs well on its new program."""

    because: str


class Failed(Value, frozen=True, kw_only=True):
    """The node does not; it goes back to its former program."""

    because: str


class NotApplicable(Value, frozen=True, kw_only=True):
    """There is nothing to assess: the node does not run the program that it was to try."""

    because: str


class Waits(Value, frozen=True, kw_only=True):
    """Not known yet; `kind` is what is missing, `than` the version that it says it is instead."""

    kind: BlockKind
    than: str | None = None
    until: Moment


type Verdict = Passed | Failed | NotApplicable | Waits


def assess(
    node: Node, reading: NodeReading, now: datetime, settings: Settings, *, pid_before: int | None
) -> Verdict:
    """Assess a node in its gate, whose process was seen running.

    `pid_before` is its process as seen earlier in this gate, None if this is the first time.
    """
    expected = node.gate_version or ""
    void = not_applicable(node, reading)
    if void is not None:
        return void
    if reading.critical_failure:
        return Failed(because=f"it wrote a critical failure: {reading.critical_failure}")
    if _was_restarted(node, reading, pid_before):
        words = f": {reading.last_words}" if reading.last_words else ""
        return Failed(because=f"its process ended and was started again{words}")
    elapsed = _elapsed(node, reading, now)
    delay = settings.delay_upgrade
    missing = _missing(node, reading, expected)
    if missing is None and elapsed >= delay:
        return Passed(because=f"passed the gate for {expected}: {_evidence(reading)}")
    if missing is None:
        return Waits(kind=BlockKind.DELAY, until=now - elapsed + delay)
    longest = delay if missing.final else patience(settings)
    if elapsed < longest:
        return Waits(kind=missing.wish, than=missing.than, until=now - elapsed + longest)
    if missing.forgiven:
        return Passed(because=f"passed the gate for {expected}: {_evidence(reading)}, though {missing.words}")
    return Failed(because=missing.words)


def patience(settings: Settings) -> timedelta:
    """Return how long a node in its gate may lack readings that can still come."""
    return max(settings.delay_upgrade * PATIENCE_IN_DELAYS, LEAST_PATIENCE)


def not_applicable(node: Node, reading: NodeReading) -> NotApplicable | None:
    """Return why there is nothing to assess, running or not: the program seen is not the one in the gate."""
    program, expected = reading.program, node.gate_version
    # A remembered version is no proof: an interrupted upgrade may have replaced the program since.
    if not isinstance(program, ProgramReading) or not isinstance(program.version, str):
        return None
    if program.version == expected:
        return None
    if is_older(expected, program.version):
        return NotApplicable(because=f"it has upgraded itself to {program.version}")
    return NotApplicable(because=f"the upgrade to {expected} was interrupted before its program was replaced")


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


class _Missing(Value, frozen=True, kw_only=True):
    """A missing proof of health, and what the node waits for until then.

    `final` is what no waiting repairs; `forgiven` what is waited for, and not held against it if it never comes.
    """

    words: str
    wish: BlockKind
    than: str | None = None
    final: bool = False
    forgiven: bool = False


def _elapsed(node: Node, reading: NodeReading, now: datetime) -> timedelta:
    """Return how long the node has been in its gate; a process's age is right even when the clock was set forward."""
    since, process = node.status_since, reading.process
    if isinstance(process, ProcessReading) and process.started_at is not None and process.started_at <= now:
        since = max(since, process.started_at)
    return now - since


def _was_restarted(node: Node, reading: NodeReading, pid_before: int | None) -> bool:
    """Whether somebody else, such as its service manager, started it again since wnm did."""
    process = reading.process
    if not isinstance(process, ProcessReading):
        return False
    if pid_before is not None and process.pid is not None:
        return process.pid != pid_before
    # Times of processes follow the clock when it is set, so they count only while there is nothing better.
    return process.started_at is not None and process.started_at > node.status_since + START_SLACK


def _missing(node: Node, reading: NodeReading, expected: str) -> _Missing | None:
    if not reading.has_pages:
        return _missing_in_files(node, reading, expected)
    page = reading.page
    if reading.reachable is not Reachability.ANSWERS or not isinstance(page, NodePage):
        return _Missing(words="it does not answer", wish=BlockKind.GATE_ANSWER)
    if page.version is not None and page.version != expected:
        words = f"it says that it is {page.version} and not {expected}"
        return _Missing(words=words, wish=BlockKind.GATE_VERSION, than=page.version, final=True)
    if page.connected_peers == 0:
        return _Missing(words="it has no peers", wish=BlockKind.GATE_PEERS)
    if page.connected_peers is None:
        # Most likely one of its pages came too late; but not every program need have that figure.
        return _Missing(
            words="it does not say how many peers it has", wish=BlockKind.GATE_PEER_COUNT, forgiven=True
        )
    return None


def _missing_in_files(node: Node, reading: NodeReading, expected: str) -> _Missing | None:
    """For a node that answers nobody: it must have stayed up, with its key, and have stored something."""
    if reading.born is None:
        return _Missing(words="its key is not there", wish=BlockKind.GATE_KEY)
    said = reading.page.version if isinstance(reading.page, NodePage) else None
    if said is not None and said != expected:
        words = f"its log says that it is {said} and not {expected}"
        return _Missing(words=words, wish=BlockKind.GATE_VERSION, than=said, final=True)
    if reading.stored_at is None or reading.stored_at <= node.status_since:
        return _Missing(words="its store has not grown", wish=BlockKind.GATE_STORE)
    return None


def _evidence(reading: NodeReading) -> str:
    if not reading.has_pages:
        return "stayed up and its store has grown"
    page = reading.page
    peers = page.connected_peers if isinstance(page, NodePage) else None
    return "answers" if peers is None else f"answers and has {peers} peer{'' if peers == 1 else 's'}"
