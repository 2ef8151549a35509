"""A machine with a past: nine days of cycles in a real database, with a shed, a crash and an upgrade that failed."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from tests.builders import NOW, choice, disk, limits, seen, settings
from tests.views.builders import healthy, outcome, texts_of

from wnm.core.action import NodeAction, Result, StartNode, StopNode, UpgradeNode
from wnm.core.decision import Conclusion, Decision
from wnm.core.node import Node, NodeId, Status
from wnm.core.observation import NodePage, NodeSeen, Observation
from wnm.core.reasons import Blocked, BlockKind, Figure, Task, TaskKind, legacy
from wnm.storage.creation import create
from wnm.storage.database import open_for_writing
from wnm.storage.ledger import Ending, Ledger

NIGHT = timedelta(hours=13)
"""How long before the end the shed node was stopped."""
SHED, CRASHED, FAILED = 17, 2, 3
STEP = timedelta(minutes=15)
WORDS = "its process ended unexpectedly: Error: out of memory"


class Past:
    """Writes cycles as wnm does, one after the other; `rows` are the nodes as they lie in the database."""

    def __init__(self, path: Path, end: datetime, count: int) -> None:
        self.path, self.end, self.count = str(path), end, count
        self.texts = dict(texts_of(settings(node_cap=count + 3, **limits(2))))
        kept = {name: self.texts[name] for name in ("rewards_address", "node_cap", "node_storage")}
        create(self.path, settings=kept, now=end - timedelta(days=20))
        by = end - NOW
        self.healthy = {number: healthy(number) for number in range(1, count + 1)}
        self.rows = {
            number: replace(each.node, status_since=each.node.status_since + by, born=each.node.born + by)
            for number, each in self.healthy.items()
        }

    def view(self, now: datetime, cpu: float) -> Observation:
        """What a cycle sees then."""
        disks = (disk("/", used=49.0), disk("/mnt/second", used=61.0))
        nodes = tuple(self._node(number, row, now) for number, row in self.rows.items())
        return replace(seen(nodes, cpu=cpu, disks=disks, load=(cpu / 25, cpu / 28, cpu / 30)), now=now)

    def _node(self, number: int, row: Node, now: datetime) -> NodeSeen:
        reading = self.healthy[number].reading
        assert isinstance(reading.page, NodePage)
        hours = (now - self.end).total_seconds() / 3600 + 24 * 9
        earned = int(hours * 100) * (number % 30) * 10**13
        page = replace(reading.page, rewards_attos=earned, connected_peers=60 + number, shunned=number % 5)
        return NodeSeen(node=row, reading=replace(reading, page=page))

    def begin(self, ledger: Ledger, now: datetime) -> None:
        """The first cycle, which has nodes already."""
        fresh = tuple(Conclusion(before=replace(row, because="?"), after=row) for row in self.rows.values())
        found = Decision(rule="idle", because=legacy("nothing to do"), conclusions=fresh, actions=(), held=())
        ledger.record_idle(self.view(now, 30.0), self.texts, found, now, _ending(now, 1.2))

    def idle(
        self, ledger: Ledger, now: datetime, cpu: float, *changed: Node, held: tuple[Blocked, ...] = ()
    ) -> None:
        """A cycle that does nothing; `changed` are nodes that it finds otherwise."""
        conclusions = tuple(Conclusion(before=self.rows[int(each.id)], after=each) for each in changed)
        because = "all that could be done waits for something" if held else "nothing to do"
        decided = Decision(
            rule="idle", because=legacy(because), conclusions=conclusions, actions=(), held=held
        )
        ledger.record_idle(self.view(now, cpu), self.texts, decided, now, _ending(now, 1.2))
        self.rows |= {int(each.id): each for each in changed}

    def act(
        self,
        ledger: Ledger,
        now: datetime,
        cpu: float,
        rule: str,
        action: NodeAction,
        result: Result,
        **more: Any,
    ) -> None:
        """A cycle with one action."""
        decided = Decision(rule=rule, because=action.because, conclusions=(), actions=(action,), held=())
        intention = ledger.intend(self.view(now, cpu), self.texts, decided, now)
        ended = outcome(action, result, ended_at=now + timedelta(seconds=2), **more)
        ledger.conclude(intention, (ended,), _ending(now, 3.0))
        self.rows = {int(each.id): each for each in ledger.nodes()}


def remember(path: Path, end: datetime, count: int = 20) -> Past:
    """Write the past of a machine whose last cycle began at `end`; ordinary cycles are a quarter of an hour apart."""
    past = Past(path, end, count)
    begin = end - timedelta(days=9)
    with open_for_writing(past.path) as database:
        ledger = Ledger(database)
        past.begin(ledger, begin)
        for now in _times(end):
            cpu = 45 + 20 * math.sin((now - end).total_seconds() / 13000)
            past.idle(ledger, now, round(cpu, 1))
            if now == end - NIGHT - timedelta(days=1) and count >= FAILED:
                _fail(past, ledger, now + timedelta(minutes=7))
            if now == end - NIGHT and count >= SHED:
                stop = StopNode(node=NodeId(SHED), shed=True, because=legacy("cpu is 83.1 % (limit 80.0 %)"))
                past.act(ledger, now + timedelta(minutes=7), 83.1, "pressure", stop, Result.DONE)
            if now == end - NIGHT + timedelta(hours=3) and count >= CRASHED:
                _crash(past, ledger, now + timedelta(minutes=7))
        held = (
            Blocked(
                kind=BlockKind.READING_HIGH,
                action=Task(kind=TaskKind.START, nodes=(NodeId(SHED),)),
                waits_on=(NodeId(1),),
                reading=Figure(key="cpu_percent", value=74.2, limit=70.0),
            ),
        )
        past.idle(ledger, end, 74.2, held=held)
    return past


def _times(end: datetime) -> Iterable[datetime]:
    """Sparse at first, then every quarter of an hour."""
    yield from (end - timedelta(days=days) for days in (8, 7, 6, 5, 4, 3))
    begin = end - timedelta(days=2)
    yield from (begin + STEP * number for number in range(2 * 96))


def _fail(past: Past, ledger: Ledger, now: datetime) -> None:
    upgrade = UpgradeNode(
        node=NodeId(FAILED), program=choice("0.4.8"), because=legacy("0.4.8 is newer than 0.4.7")
    )
    error = "it did not start: Illegal instruction"
    past.act(ledger, now, 40.0, "upgrades", upgrade, Result.FAILED, error=error, running_after=True)


def _crash(past: Past, ledger: Ledger, now: datetime) -> None:
    row = past.rows[CRASHED]
    past.idle(
        ledger,
        now,
        40.0,
        replace(
            row,
            status=Status.STOPPED,
            status_since=now,
            because=WORDS,
            failures=1,
            last_error=WORDS,
            pid=None,
        ),
    )
    now += timedelta(minutes=1)
    start = StartNode(node=NodeId(CRASHED), program=None, because=legacy("the machine has room"))
    past.act(ledger, now, 40.0, "growth", start, Result.DONE)
    now += timedelta(minutes=5)
    well = replace(past.rows[CRASHED], status=Status.RUNNING, status_since=now, because="answers")
    past.idle(ledger, now, 40.0, replace(well, failures=0, last_error=None))


def _ending(now: datetime, seconds: float) -> Ending:
    return Ending(ended_at=now + timedelta(seconds=seconds), exit_code=0, counters=None, history_days=30)
