"""The earnings ledger: written down with the cycle that saw the counters, kept for ever, read for reports."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, date
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from wnm.core.earnings import (
    FROM_ZERO,
    CounterSeen,
    EarningRecord,
    counters_of,
    earned,
    has_filled_up,
    to_remember,
)
from wnm.core.node import Node, NodeId
from wnm.core.observation import Observation
from wnm.storage import models
from wnm.storage.columns import UnreadableError
from wnm.storage.database import Database

BEFORE_WNM = "before wnm"
"""Stands in the place of a day for what was on a counter when it was first seen. It sorts behind all days."""

type _Key = tuple[str, str, str]
log = logging.getLogger(__name__)


class Earnings:
    """What was earned on one machine since wnm looks after it, nodes that are gone included."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, *, since: date | None = None) -> tuple[EarningRecord, ...]:
        """Every record, by day, node and wallet; what was earned before wnm comes last.

        Since a day: those of it and of later ones, and none from before wnm. There is a record a day for every
        node that earned, so whoever looks often should say how far back.
        """
        earning = models.Earning
        wanted = select(earning).order_by(earning.c.day, earning.c.node_name, earning.c.wallet)
        if since is not None:
            wanted = wanted.where(earning.c.day >= since.isoformat(), earning.c.day != BEFORE_WNM)
        return self._database.read(lambda connection: tuple(map(_record, connection.execute(wanted))))


def note(connection: Connection, seen: Observation) -> None:
    """Book what the nodes' counters show since they were last seen, and remember them.

    It has to be in the same transaction as the rest of what a cycle writes down, so that nothing is ever booked
    twice. A counter that was not seen stays as it is remembered. What one cycle sees counts for the day on which
    it looked.
    """
    counters = counters_of(seen)
    if not counters:
        return
    before = _remembered(connection)
    today = seen.now.astimezone(UTC).date().isoformat()
    gains: dict[_Key, tuple[NodeId, int]] = {}
    for each in seen.nodes:
        now, last = counters.get(each.node.id), before.get(each.node.id)
        if now is None:
            continue
        if has_filled_up(last, now):
            log.warning(
                "%s: its rewards counter is full at %d attos; what it earns is not seen until it is restarted",
                each.node.name,
                now.attos,
            )
        day, gain = (BEFORE_WNM, now.attos) if last is None else (today, earned(last, now))
        if gain:
            key = (day, each.node.name, each.node.wallet)
            gains[key] = (each.node.id, gain + gains.get(key, (0, 0))[1])
    _book(connection, gains)
    news = {number: to_remember(before.get(number), now) for number, now in counters.items()}
    _remember(connection, {number: counter for number, counter in news.items() if counter is not None})


def begin(connection: Connection, nodes: Iterable[Node]) -> None:
    """Nodes that are about to be made: all that they will ever show was earned under wnm."""
    _remember(connection, {node.id: FROM_ZERO for node in nodes})


def forget(connection: Connection, ids: Iterable[int]) -> None:
    """The counters of nodes that are gone: what gets their id counts anew. What they earned stays."""
    connection.execute(delete(models.Counter).where(models.Counter.c.node_id.in_(list(ids))))


def _remembered(connection: Connection) -> dict[int, CounterSeen]:
    return {
        row.node_id: CounterSeen(
            attos=_whole(row.attos), boot_id=row.boot_id, pid=row.pid, uptime_seconds=row.uptime_seconds
        )
        for row in connection.execute(select(models.Counter))
    }


def _remember(connection: Connection, counters: Mapping[int, CounterSeen]) -> None:
    rows = [
        {
            "node_id": int(number),
            "attos": str(counter.attos),
            "boot_id": counter.boot_id,
            "pid": counter.pid,
            "uptime_seconds": counter.uptime_seconds,
        }
        for number, counter in counters.items()
    ]
    if rows:
        connection.execute(insert(models.Counter).prefix_with("OR REPLACE"), rows)


def _book(connection: Connection, gains: Mapping[_Key, tuple[NodeId, int]]) -> None:
    if not gains:
        return
    earning = models.Earning
    booked = connection.execute(select(earning).where(earning.c.day.in_({day for day, _, _ in gains})))
    known = {(row.day, row.node_name, row.wallet): _whole(row.attos) for row in booked}
    rows = [
        {
            "day": key[0],
            "node_name": key[1],
            "wallet": key[2],
            "node_id": int(number),
            "attos": str(known.get(key, 0) + gain),
        }
        for key, (number, gain) in gains.items()
    ]
    connection.execute(insert(earning).prefix_with("OR REPLACE"), rows)


def _record(row: Row[Any]) -> EarningRecord:
    try:
        day = None if row.day == BEFORE_WNM else date.fromisoformat(row.day)
    except ValueError:
        raise UnreadableError(f"earnings of {row.node_name}: {row.day!r:.60} is not a day") from None
    return EarningRecord(day=day, node=row.node_name, wallet=row.wallet, attos=_whole(row.attos))


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise UnreadableError(f"{text!r:.60} is not an amount")
    return int(text)
