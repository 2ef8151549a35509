"""A process of its own that uses a database until it is killed: `writer.py DATABASE SCENE`.

It prints "ready" when the scene is set and then waits for its end.
"""

import sys
import time
from datetime import timedelta
from sqlite3 import Connection

from tests.storage.builders import MINUTE, NOW, SETTINGS, add, counters, decision, ending, node, observation

from wnm.core.action import AddNode, Outcome, Result, StopNode
from wnm.core.node import NodeId
from wnm.core.reasons import legacy
from wnm.storage import rows
from wnm.storage.database import Database, open_for_writing
from wnm.storage.ledger import Intention, Ledger


def ready() -> None:
    """Say so and stay."""
    print("ready", flush=True)
    time.sleep(600)


def intend(database: Database, number: int = 1) -> Intention:
    """A cycle that is about to add a node."""
    return Ledger(database).intend(observation(), SETTINGS, decision(add(number)), NOW)


def conclude(database: Database, intention: Intention, action: AddNode | StopNode) -> None:
    """The end of such a cycle."""
    done = Outcome(action=action, result=Result.DONE, ended_at=NOW + MINUTE)
    Ledger(database).conclude(
        intention,
        (done,),
        ending(NOW + MINUTE, exit_code=0, counters=counters(), history_days=30),
    )


def committed(database: Database) -> None:
    """Something is written, and only the write-ahead log has it."""
    Ledger(database).change_settings({"node_cap": "77"}, NOW)
    ready()


def uncommitted(database: Database) -> None:
    """In the middle of a transaction, with pages already in the write-ahead log."""

    def work(connection: Connection) -> None:
        connection.execute("PRAGMA cache_size = 1")
        rows.put(connection, "node", [node(number) for number in range(101, 500)])
        ready()

    database.write(work)


def intended(database: Database) -> None:
    """Before the deed."""
    intend(database)
    ready()


def concluded(database: Database) -> None:
    """After the deed and its conclusion."""
    conclude(database, intend(database), add(1))
    ready()


def busy(database: Database) -> None:
    """Cycle after cycle adds a node and sheds it again, as fast as it can; goes on where another one was killed."""
    found = Ledger(database).load()
    first = max((each.id for each in found.nodes), default=0) + 1
    print("ready", flush=True)
    for number in range(first, first + 100_000):
        conclude(database, intend(database, number), add(number))
        stop = StopNode(node=NodeId(number), shed=True, because=legacy("the load is high"))
        now = NOW + timedelta(seconds=number)
        conclude(database, Ledger(database).intend(observation(), SETTINGS, decision(stop), now), stop)


SCENES = {scene.__name__: scene for scene in (committed, uncommitted, intended, concluded, busy)}

if __name__ == "__main__":
    with open_for_writing(sys.argv[1]) as opened:
        SCENES[sys.argv[2]](opened)
