"""Wishes, readings and reservations of others: kept in short transactions beside running cycles, and withdrawn."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.settings.hosts import USER, WALLET
from tests.storage.builders import NOW, Store, decision

from wnm.app import readings, reservations, wishes
from wnm.core.errors import BadInput, NeedsOperator
from wnm.core.layers import Layer, Resolved, resolve
from wnm.core.observation import ForeignReading, LedgerState, Reservation
from wnm.storage.creation import create
from wnm.storage.database import open_for_reading, open_for_writing, stored_settings
from wnm.storage.ledger import KEPT_FOR_FLEET, Ledger
from wnm.storage.timeline import Timeline

DAY = timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = str(tmp_path / "colony.db")
    create(made, settings={"rewards_address": WALLET, "node_cap": "9", "cpu_less_than": "60"}, now=NOW)
    return made


def resolved(path: str, **typed: str) -> Resolved:
    """The settings of a run at the machine; what it changes is kept."""
    with open_for_writing(path) as database:
        ledger = Ledger(database)
        found = resolve([Layer(name="command line", values=typed), *ledger.layers()], USER)
        ledger.change_settings({change.name: change.new_text for change in found.changes}, NOW)
        return found


def load(path: str) -> LedgerState:
    with open_for_reading(path) as database:
        return Ledger(database).load()


def test_a_wish_counts_until_it_is_withdrawn(path: str) -> None:
    taken = wishes.put(path, 1, {"node_cap": "4", "cpu_less_than": "50"}, USER, NOW)
    assert (taken.refused, taken.is_outdated) == ({}, False)
    found = resolved(path)
    assert (found.settings.node_cap, found.settings.cpu_less_than) == (4, 50.0)
    assert (found.origins["node_cap"], found.origins["mem_less_than"]) == ("fleet", "default")
    assert found.changes == ()
    assert stored_settings(path)["node_cap"] == "9"
    wishes.put(path, 2, {"node_cap": "5"}, USER, NOW)
    assert (resolved(path).settings.node_cap, resolved(path).settings.cpu_less_than) == (5, 60.0)
    wishes.withdraw(path, 3, NOW)
    found = resolved(path)
    assert (found.settings.node_cap, found.origins["node_cap"]) == (9, "database")


def test_a_revision_that_comes_late_changes_nothing(path: str) -> None:
    wishes.put(path, 7, {"node_cap": "4"}, USER, NOW)
    assert wishes.put(path, 6, {"node_cap": "40"}, USER, NOW).is_outdated
    assert resolved(path).settings.node_cap == 4


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("cpu_less_than", "61", "less cautious than 60"),
        ("hd_remove", "81", "less cautious than 80"),
        ("crisis_bytes", "1GB", "less cautious than 2000000000"),
        ("max_load_average_allowed", "9", "less cautious than 4"),
        ("node_cap", "many", "not a whole number"),
        ("rewards_address", WALLET, "no fleet may wish for it"),
        ("keep_keys", "false", "no fleet may wish for it"),
        ("colour", "blue", "no setting is called so"),
    ],
)
def test_what_a_fleet_may_not_wish_is_refused_one_by_one(path: str, name: str, text: str, why: str) -> None:
    taken = wishes.put(path, 1, {name: text, "node_cap": "3"} | {name: text}, USER, NOW)
    assert list(taken.refused) == [name]
    assert why in taken.refused[name]
    assert resolved(path).origins.get(name, "") != "fleet"


@pytest.mark.parametrize(("name", "text"), [("netio_read_remove", "5MB"), ("crisis_bytes", "9GB")])
def test_caution_may_be_wished_for(path: str, name: str, text: str) -> None:
    assert wishes.put(path, 1, {name: text}, USER, NOW).refused == {}
    assert resolved(path).origins[name] == "fleet"


def test_a_wish_never_loosens_what_the_machine_tightened_later(path: str) -> None:
    wishes.put(path, 1, {"cpu_less_than": "50"}, USER, NOW)
    assert resolved(path, cpu_less_than="40").settings.cpu_less_than == 40.0
    assert resolved(path).settings.cpu_less_than == 40.0


def test_what_is_typed_at_the_machine_outranks_a_wish_until_it_is_given_back(path: str) -> None:
    wishes.put(path, 1, {"node_cap": "4"}, USER, NOW)
    assert resolved(path, node_cap="9").settings.node_cap == 9
    assert resolved(path).settings.node_cap == 9
    wishes.put(path, 2, {"node_cap": "5"}, USER, NOW)
    assert resolved(path).settings.node_cap == 9
    wishes.give_back(path, "node_cap")
    assert resolved(path).settings.node_cap == 5


def test_wishes_that_do_not_fit_together_stop_nothing(path: str) -> None:
    wishes.put(path, 1, {"cpu_remove": "50", "node_cap": "4"}, USER, NOW)
    found = resolved(path)
    assert (found.settings.cpu_remove, found.settings.node_cap) == (80.0, 9)


def test_reservations_are_kept_replaced_and_withdrawn(path: str) -> None:
    one = Reservation(owner="job-1", cores=2.0, memory_bytes=10**9, disk_bytes={"/data": 5 * 10**9})
    other = Reservation(owner="job-2", cores=0.5, until=NOW + DAY)
    reservations.put(path, one)
    reservations.put(path, other)
    reservations.put(path, replace(one, cores=1.0))
    assert load(path).reservations == (replace(one, cores=1.0), other)
    assert other.holds(NOW)
    assert not other.holds(NOW + DAY)
    reservations.withdraw(path, "job-1")
    assert load(path).reservations == (other,)
    with pytest.raises(BadInput, match="amounts from 0 on"):
        reservations.put(path, replace(one, memory_bytes=-1))


def test_readings_of_a_source_take_the_place_of_its_earlier_ones(path: str) -> None:
    minute = timedelta(minutes=1)
    busy = ForeignReading(
        source="gpu", key="memory_used", subject="GPU-1", value=5e9, unit="bytes", at=NOW, interval=minute
    )
    unseen = replace(busy, key="temperature", unit="°C", value=None)
    readings.put(path, "gpu", [busy, unseen])
    readings.put(path, "containers", [replace(busy, source="containers", owner="job-1")])
    readings.put(path, "gpu", [unseen])
    assert load(path).foreign_readings == (replace(busy, source="containers", owner="job-1"), unseen)
    assert busy.is_fresh(NOW + 2 * minute)
    assert not busy.is_fresh(NOW + 3 * minute)


def test_a_cycle_that_runs_is_no_hindrance(path: str) -> None:
    with open_for_writing(path) as database:
        Ledger(database).load()
        reservations.put(path, Reservation(owner="job-1", cores=1.0))
        assert len(Ledger(database).load().reservations) == 1
    with pytest.raises(NeedsOperator, match="there is no database"):
        reservations.put(path + "x", Reservation(owner="job-1"))


def test_what_a_fleet_has_not_fetched_is_kept_longer(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second = (store.idle(decision(), now=NOW + number * DAY) for number in (0, 1))
    wishes.note_synced(store.path, first)
    store.idle(decision(), now=NOW + 40 * DAY)
    assert numbers(store) == [3, second]
    store.idle(decision(), now=NOW + 33 * DAY + KEPT_FOR_FLEET)
    assert second not in numbers(store)


def test_without_a_fleet_nothing_is_kept_longer(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in (0, 1, 40):
        store.idle(decision(), now=NOW + number * DAY)
    assert numbers(store) == [3]


def numbers(store: Store) -> list[int]:
    with open_for_reading(store.path) as database:
        return [each.number for each in Timeline(database).cycles(9)]
