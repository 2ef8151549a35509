"""Alerts and the outbox in a real database: one start and one end for each channel, whatever happens in between."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.storage.builders import MINUTE, NOW, Store, decision

from wnm.core.alerts import Condition, Event, Findings, GivenUp, Severity, Waiting, due
from wnm.core.errors import NeedsOperator
from wnm.core.observation import FileSystem
from wnm.storage.alerts import Alerts, ClockNote, Memory, News, has_due
from wnm.storage.database import Database, open_as_it_is, open_for_reading, open_for_writing

CRISIS = Condition(
    key="disk-crisis", subject="/data", severity=Severity.CRITICAL, text="full", remedy="free some"
)
HALTED = Condition(
    key="upgrade-halted", subject="1.2.3", severity=Severity.WARNING, text="bad", remedy="wait"
)


class Machine:
    """A database that every cycle opens anew."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.now = NOW
        self.channels: tuple[str, ...] = ("a", "b")
        self.given_up: list[GivenUp] = []
        self.history_days = 30.0

    def cycle(
        self,
        *conditions: Condition,
        minutes: float = 1,
        disks: tuple[FileSystem, ...] = (),
        clock: ClockNote | None = None,
    ) -> None:
        self.now += timedelta(minutes=minutes)
        news = News(
            findings=Findings(conditions=conditions),
            now=self.now,
            channels=self.channels,
            machine_seed=1,
            history_days=self.history_days,
            disks=disks,
            clock=clock,
        )
        with self.writing() as database:
            self.given_up.extend(Alerts(database).take_note(news)[1])

    def cycles(self, count: int, *conditions: Condition, minutes: float = 1) -> None:
        for _ in range(count):
            self.cycle(*conditions, minutes=minutes)

    def writing(self) -> Database:
        return open_for_writing(self.store.path)

    def waiting(self) -> list[Waiting]:
        with open_for_reading(self.store.path) as database:
            return list(Alerts(database).waiting())

    def queued(self) -> list[tuple[str, str, str]]:
        return [(each.channel, each.message.event.value, each.message.key) for each in self.waiting()]

    def deliver(self, channel: str) -> list[str]:
        """Everything that is due for a channel arrives; the events."""
        arrived = []
        with self.writing() as database:
            for each in due(self.waiting(), self.now).get(channel, ()):
                Alerts(database).delivered(each, self.now)
                arrived.append(each.message.event.value)
        return arrived

    def fail(self, channel: str) -> None:
        with self.writing() as database:
            first = due(self.waiting(), self.now)[channel][0]
            Alerts(database).failed(first, "no way", next_try_at=self.now + 5 * MINUTE)

    def memory(self, began: datetime | None = None) -> Memory:
        with open_for_reading(self.store.path) as database:
            return Alerts(database).memory(self.now, began=began or self.now)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_an_alert_is_queued_once_for_every_channel(machine: Machine) -> None:
    machine.cycles(5, CRISIS)
    assert machine.queued() == [("a", "start", "disk-crisis"), ("b", "start", "disk-crisis")]
    assert len({each.message.id for each in machine.waiting()}) == 1


def test_an_end_goes_to_whoever_heard_of_the_start(machine: Machine) -> None:
    machine.cycle(CRISIS)
    assert machine.deliver("a") == ["start"]
    machine.cycles(31)
    machine.channels = ("a", "b", "c")
    machine.cycle()
    assert machine.queued() == [
        ("b", "start", "disk-crisis"),
        ("a", "end", "disk-crisis"),
        ("b", "end", "disk-crisis"),
    ]
    assert machine.deliver("b") == ["start", "end"]
    machine.cycles(3)
    assert machine.queued() == [("a", "end", "disk-crisis")]


def test_a_channel_that_is_new_hears_of_what_is_open(machine: Machine) -> None:
    machine.channels = ()
    machine.cycle(CRISIS)
    assert machine.queued() == []
    machine.channels = ("c",)
    machine.cycles(2, CRISIS)
    assert machine.queued() == [("c", "start", "disk-crisis")]


def test_messages_to_a_channel_that_is_gone_are_given_up(machine: Machine) -> None:
    machine.cycle(CRISIS)
    machine.channels = ("b",)
    machine.cycle(CRISIS)
    assert [(each.channel, each.why) for each in machine.given_up] == [
        ("a", "it is no longer among alert_urls and alert_command")
    ]
    machine.cycles(40)
    assert machine.queued() == [("b", "start", "disk-crisis"), ("b", "end", "disk-crisis")]


def test_a_channel_that_was_taken_out_for_a_while_hears_of_what_is_still_open(machine: Machine) -> None:
    machine.cycle(CRISIS)
    machine.fail("a")
    machine.deliver("b")
    machine.channels = ("b",)
    machine.cycle(CRISIS)
    assert (machine.queued(), len(machine.given_up)) == ([], 1)
    machine.channels = ("a", "b")
    machine.cycles(3, CRISIS)
    assert machine.deliver("a") == ["start"]
    machine.cycles(32)
    assert machine.deliver("a") == machine.deliver("b") == ["end"]
    assert len(machine.given_up) == 1


def test_what_did_not_arrive_holds_back_what_came_after_it(machine: Machine) -> None:
    machine.cycle(CRISIS)
    machine.fail("a")
    machine.cycle(CRISIS, HALTED)
    assert machine.deliver("a") == []
    assert machine.deliver("b") == ["start", "start"]
    machine.cycles(5, CRISIS, HALTED)
    assert machine.deliver("a") == ["start", "start"]
    assert machine.waiting() == []


def test_a_day_offline_loses_nothing(machine: Machine) -> None:
    for count in range(24):
        machine.cycle(*([CRISIS] if count < 12 else []), minutes=60)
        if due(machine.waiting(), machine.now).get("a"):
            machine.fail("a")
    assert machine.deliver("b") == ["start", "end"]
    machine.cycle(minutes=60)
    assert machine.deliver("a") == ["start", "end"]
    assert machine.given_up == []


def test_after_three_days_a_message_is_given_up_and_so_is_its_end(machine: Machine) -> None:
    machine.cycle(CRISIS)
    machine.fail("a")
    machine.cycles(31)
    assert len(machine.waiting()) == 4
    machine.cycle(minutes=3 * 24 * 60)
    assert [(each.channel, each.message.event, each.why) for each in machine.given_up] == [
        ("a", Event.START, "no way"),
        ("a", Event.END, "its start did not arrive either"),
    ]
    assert machine.queued() == [("b", "start", "disk-crisis"), ("b", "end", "disk-crisis")]


def test_nobody_hears_of_an_end_whose_start_was_given_up_long_before(machine: Machine) -> None:
    machine.cycle(CRISIS)
    machine.fail("a")
    machine.deliver("b")
    machine.cycle(CRISIS, minutes=3 * 24 * 60 + 1)
    assert [each.message.event for each in machine.given_up] == [Event.START]
    machine.cycles(32)
    assert machine.queued() == [("b", "end", "disk-crisis")]


def test_alerts_go_when_the_history_does(machine: Machine) -> None:
    machine.cycle(CRISIS)
    machine.cycles(32)
    with machine.writing() as database:
        assert len(Alerts(database).latest(10)) == 1
    machine.cycle(minutes=31 * 24 * 60)
    with machine.writing() as database:
        assert Alerts(database).latest(10) == ()
    assert machine.waiting() == []


def test_a_short_history_takes_no_message_away_that_is_still_tried(machine: Machine) -> None:
    machine.history_days = 1
    machine.cycle(CRISIS)
    machine.fail("a")
    machine.deliver("b")
    machine.cycles(32)
    machine.deliver("b")
    machine.cycle(minutes=25 * 60)
    assert machine.queued() == [("a", "start", "disk-crisis"), ("a", "end", "disk-crisis")]
    machine.fail("a")
    machine.cycle(minutes=2 * 24 * 60)
    assert [each.message.event for each in machine.given_up] == [Event.START, Event.END]
    with machine.writing() as database:
        assert Alerts(database).latest(10) == ()


def test_what_is_being_sent_is_not_sent_by_the_next_cycle_too(machine: Machine) -> None:
    machine.cycle(CRISIS)
    with machine.writing() as database:
        Alerts(database).begin(machine.waiting(), machine.now)
    assert due(machine.waiting(), machine.now) == {}
    assert not has_due(machine.store.path, machine.now)
    machine.now += MINUTE
    assert list(due(machine.waiting(), machine.now)) == ["a", "b"]
    assert machine.deliver("a") == machine.deliver("b") == ["start"]


def test_open_alerts_come_first(machine: Machine) -> None:
    machine.cycle(HALTED)
    machine.cycles(10, CRISIS)
    with open_for_reading(machine.store.path) as database:
        shown = [(each.key, each.is_open) for each in Alerts(database).latest(10)]
    assert shown == [("disk-crisis", True), ("upgrade-halted", False)]


def test_levels_of_disks_are_kept_for_a_day(machine: Machine) -> None:
    disk = FileSystem(mount_point="/data", total_bytes=100, free_bytes=50, used_percent=50.0)
    odd = replace(disk, mount_point="/d\udcff")
    for _ in range(200):
        machine.cycle(minutes=10, disks=(disk, odd))
    levels = machine.memory().levels
    ages = [machine.now - each.at for each in levels if each.mount_point == "/data"]
    assert len(ages) in (48, 49)
    assert max(ages) <= timedelta(days=1)
    assert len(levels) == 2 * len(ages)
    machine.cycle(minutes=-3000, disks=(disk,))
    assert [each.at for each in machine.memory().levels] == [machine.now]


def test_the_clock_is_remembered(machine: Machine) -> None:
    assert machine.memory().clock is None
    for note in (ClockNote(boot_id="b", offset_seconds=1.5), ClockNote(boot_id="c", offset_seconds=-2.0)):
        machine.cycle(clock=note)
        machine.cycle()
        assert machine.memory().clock == note


def test_the_cycle_that_asks_is_not_among_those_before_it(machine: Machine) -> None:
    for minute in range(20):
        machine.store.idle(decision(), now=NOW + minute * MINUTE)
    last = NOW + 19 * MINUTE
    assert machine.memory(last).starts == tuple(last - each * MINUTE for each in range(1, 13))
    assert machine.memory(NOW).starts[0] == last


def test_whether_anything_is_due_is_told_from_the_file_alone(machine: Machine) -> None:
    def is_due(minutes: float = 0) -> bool:
        return has_due(machine.store.path, machine.now + minutes * MINUTE)

    assert not is_due()
    machine.cycle(CRISIS)
    assert is_due()
    machine.deliver("b")
    machine.fail("a")
    machine.cycle(CRISIS, HALTED)
    machine.deliver("b")
    assert not is_due()
    assert is_due(4)
    assert is_due(-60)
    machine.now += 4 * MINUTE
    machine.deliver("a")
    assert not is_due()


def test_nothing_is_due_where_there_is_no_database(tmp_path: Path) -> None:
    assert not has_due(str(tmp_path / "none.db"), NOW)
    (tmp_path / "odd.db").write_text("rubbish")
    assert not has_due(str(tmp_path / "odd.db"), NOW)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["odd.db"]


def test_an_older_database_is_left_to_the_next_cycle(machine: Machine) -> None:
    open_as_it_is(machine.store.path).close()
    with machine.writing() as database:
        database.write(
            lambda connection: connection.execute("UPDATE alembic_version SET version_num = '0006'")
        )
    with pytest.raises(NeedsOperator, match="older wnm"):
        open_as_it_is(machine.store.path)
