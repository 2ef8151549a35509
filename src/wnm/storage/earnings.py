"""Keeps the earnings: written down with the cycle that saw the counters, kept for ever, read for reports."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, date
from sqlite3 import Connection, Row

from msgspec.structs import asdict

from wnm.core.earnings import (
    CounterSeen,
    EarningRecord,
    counters_of,
    earned,
    has_filled_up,
    to_remember,
)
from wnm.core.node import NodeId
from wnm.core.observation import Observation
from wnm.storage import rows
from wnm.storage.database import Database
from wnm.storage.errors import UnreadableError

BEFORE_WNM = "before wnm"
"""Stands in the place of a day for what was on a counter when it was first seen. It sorts behind all days."""

type _Key = tuple[str, str, str]
log = logging.getLogger(__name__)


class Earnings:
    """The earnings on one machine since wnm looks after it, nodes that are gone included."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, *, since: date | None = None) -> tuple[EarningRecord, ...]:
        """Every record, by day, node and wallet; what was earned before wnm comes last.

        Since a day: those of it and of later ones, and none from before wnm. There is a record a day for every
        node that earned, so whoever looks often should say how far back.
        """
        where = "" if since is None else "WHERE day >= ? AND day != ?"
        wanted = f"SELECT * FROM earning {where} ORDER BY day, node_name, wallet"
        given = () if since is None else (since.isoformat(), BEFORE_WNM)
        return self._database.read(lambda connection: tuple(map(_record, connection.execute(wanted, given))))


def note(connection: Connection, seen: Observation) -> None:
    """Book what the nodes' counters show since they were last seen, and remember them.

    It has to be in the same transaction as the rest of what a cycle writes down, so that nothing is ever booked
    twice. A counter that was not seen stays as it is remembered. Earnings that a cycle sees count for the day on
    which it looked.
    """
    counters = counters_of(seen)
    if not counters:
        return
    found = connection.execute("SELECT node_id, attos, boot_id, pid, uptime_seconds FROM counter")
    before = {
        number: CounterSeen(attos=_whole(attos), boot_id=boot_id, pid=pid, uptime_seconds=uptime)
        for number, attos, boot_id, pid, uptime in found
    }
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
    if gains:
        days = sorted({day for day, _, _ in gains})
        wanted = f"SELECT day, node_name, wallet, attos FROM earning WHERE day IN ({rows.marks(days)})"
        known = {(row[0], row[1], row[2]): _whole(row[3]) for row in connection.execute(wanted, days)}
        booked = [
            {
                "day": key[0],
                "node_name": key[1],
                "wallet": key[2],
                "node_id": int(number),
                "attos": str(known.get(key, 0) + gain),
            }
            for key, (number, gain) in gains.items()
        ]
        rows.put(connection, "earning", booked)
    news = {number: to_remember(before.get(number), now) for number, now in counters.items()}
    remember(connection, {number: counter for number, counter in news.items() if counter is not None})


def forget(connection: Connection, ids: Sequence[int]) -> None:
    """The counters of nodes that are gone: what gets their id counts anew. Their earnings stay."""
    connection.execute(f"DELETE FROM counter WHERE node_id IN ({rows.marks(ids)})", ids)


def remember(connection: Connection, counters: Mapping[int, CounterSeen]) -> None:
    """Keep these counters of nodes, by node."""
    # The largest amounts do not fit into a column of whole numbers.
    rows.put(
        connection,
        "counter",
        [
            {"node_id": int(number), **asdict(counter), "attos": str(counter.attos)}
            for number, counter in counters.items()
        ],
    )


def _record(row: Row) -> EarningRecord:
    try:
        day = None if row["day"] == BEFORE_WNM else date.fromisoformat(row["day"])
    except ValueError:
        raise UnreadableError(f"earnings of {row['node_name']}: {row['day']!r:.60} is not a day") from None
    return EarningRecord(day=day, node=row["node_name"], wallet=row["wallet"], attos=_whole(row["attos"]))


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise UnreadableError(f"{text!r:.60} is not an amount")
    return int(text)
