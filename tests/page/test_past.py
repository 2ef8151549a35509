"""The last weeks as the database sums them up."""

from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import Connection

import pytest
from tests.storage.builders import NOW, SETTINGS, Store, add, counters, decision, ending, observation

from wnm.core.action import Outcome, Result
from wnm.core.timeline import RANGES, Past, Spread
from wnm.storage import rows
from wnm.storage.database import open_for_reading, open_for_writing
from wnm.storage.ledger import Ledger
from wnm.storage.timeline import MOST_CYCLES, Timeline

MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def sample(store: Store, *seen: tuple[datetime, float | None]) -> None:
    """Cycles with nothing but their samples: when, and the use of the CPU then."""

    def work(connection: Connection) -> None:
        for at, cpu in seen:
            cycle = {"started_at": at, "rule": "idle", "because": "", "held": [], "actions": 0}
            number = rows.insert(connection, "cycle", cycle)
            row = {"cycle_id": number, "at": at, "cpu_percent": cpu, "nodes_running": 1, "nodes_total": 2}
            rows.insert(connection, "sample", row)

    with open_for_writing(store.path) as database:
        database.write(work)


def past(store: Store, now: datetime = NOW) -> Past:
    with open_for_reading(store.path) as database:
        return Timeline(database).past(now)


def test_nothing_yet(store: Store) -> None:
    found = past(store)
    assert (found.cycles, found.operations) == ((), ())
    assert dict(found.trends) == {each.name: () for each in RANGES}


def test_samples_of_a_bucket_are_summed_up(store: Store) -> None:
    seen = ((1, 10.0), (2, 90.0), (3, 20.0), (4, None))
    sample(store, *((NOW - minutes * MINUTE, cpu) for minutes, cpu in seen))
    (bucket,) = past(store).trends["day"]
    assert bucket.index == RANGES[0].buckets - 1
    assert bucket.spreads["cpu_percent"] == Spread(low=10.0, mean=40.0, high=90.0)
    assert bucket.spreads["nodes_running"] == Spread(low=1, mean=1, high=1)
    assert "memory_percent" not in bucket.spreads


def test_each_range_has_what_lies_in_it(store: Store) -> None:
    ages = {"now": 0.0, "hours": 0.5, "days": 3.0, "weeks": 20.0, "long ago": 40.0, "in the future": -0.1}
    sample(store, *((NOW - timedelta(days=age), 50.0) for age in ages.values()))
    trends = past(store).trends
    assert {name: len(buckets) for name, buckets in trends.items()} == {"day": 2, "week": 3, "month": 4}
    assert [bucket.index for bucket in trends["day"]] == [48, 95]
    assert trends["month"][0].index == 32


def test_buckets_are_in_order_and_within_their_range(store: Store) -> None:
    sample(store, *((NOW - minutes * MINUTE, float(minutes)) for minutes in range(0, 1441, 7)))
    indices = [bucket.index for bucket in past(store).trends["day"]]
    assert indices == sorted(set(indices))
    assert (indices[0], indices[-1]) == (0, 95)


def test_idle_cycles_and_operations_however_old(store: Store) -> None:
    with open_for_writing(store.path) as database:
        ledger = Ledger(database)
        intention = ledger.intend(observation(), SETTINGS, decision(add(1)), NOW)
        ledger.conclude(
            intention,
            (Outcome(action=add(1), result=Result.FAILED, ended_at=NOW, error="no space"),),
            ending(NOW, exit_code=1, counters=counters(), history_days=30),
        )
        for _ in range(MOST_CYCLES + 3):
            now = NOW + MINUTE
            at_rest = ending(now, exit_code=0, counters=counters(), history_days=30)
            ledger.record_idle(observation(now=now), SETTINGS, decision(), now, at_rest)
    found = past(store, NOW + MINUTE)
    numbers = [cycle.number for cycle in found.cycles]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == MOST_CYCLES + 1
    assert found.cycles[-1].number == intention.cycle_id
    assert (found.cycles[-1].rule, found.cycles[-1].exit_code) == ("growth", 1)
    (operation,) = found.operations
    assert (operation.action, operation.result, operation.error) == (add(1), "failed", "no space")
