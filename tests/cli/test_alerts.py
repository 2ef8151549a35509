"""An alert that must arrive once: the installed program, real receivers, and everything that gets in between."""

import json
import os
import signal
import sqlite3
import time
from contextlib import closing

import pytest
from tests.cli.alert_tools import (
    CALM,
    CRISIS,
    calm_down,
    earlier,
    lock,
    notes,
    settle,
    sql,
    try_again,
    waiting,
)
from tests.cli.operator import Operator
from tests.cli.receivers import TOKEN, got, receiving, write_command
from tests.waiting import eventually

from wnm.storage.database import BUSY_SECONDS

START, END = ("start", "disk-crisis"), ("end", "disk-crisis")


def test_one_message_when_it_starts_and_one_when_it_ends(operator: Operator) -> None:
    with receiving() as receiver:
        operator.init(node_cap=0, alert_urls=receiver.url)
        operator.cycle(*CRISIS)
        for _ in range(3):
            operator.cycle()
        eventually(lambda: receiver.events() == [START])
        settle(operator)
        assert "alert disk-crisis is over" in calm_down(operator).err
        operator.cycle()
        settle(operator)
        assert receiver.events() == [START, END]
    start, end = receiver.messages()
    assert start["schema"] == 1
    assert start["severity"] == "critical"
    assert start["host"]
    assert start["remedy"].startswith("free space on")
    assert end["remedy"] is None
    assert end["text"].startswith("over after ")
    assert end["id"] != start["id"]
    headers = receiver.requests[0][2]
    assert headers["Idempotency-Key"] == start["id"]
    assert headers["Content-Type"] == "application/json"


def test_two_cycles_at_once_tell_of_it_once(operator: Operator) -> None:
    with receiving() as receiver:
        operator.init(node_cap=0, alert_urls=receiver.url)
        for _ in range(3):
            both = [operator.begin(*CRISIS) for _ in range(4)]
            for each in both:
                each.wait(60)
        operator.cycle()
        settle(operator)
        assert receiver.events() == [START]


@pytest.mark.slow
@pytest.mark.parametrize("mood", ["hang", "drip"])
def test_a_receiver_that_hangs_keeps_no_cycle(operator: Operator, mood: str) -> None:
    with receiving(mood) as stuck, receiving() as good:
        operator.init(node_cap=0, alert_urls=f"{stuck.url},{good.url}", dead_man_url=stuck.url)
        for _ in range(2):
            # It has not let go of anybody when these are over, and the next one is not turned away.
            assert operator.cycle(*CRISIS).code not in (1, 75)
        eventually(lambda: good.events() == [START])
        assert stuck.events() == [START]
        eventually(lambda: not lock(operator).exists())
        (left,) = waiting(operator)
        assert left["last_error"] == "no answer within 15 s" or "in time" in left["last_error"]
        stuck.mood = "ok"
        stuck.release.set()
        try_again(operator)
        operator.cycle()
        settle(operator)
        # It was heard twice, as it could not be known that it was heard, and both are the same message.
        assert len(set(stuck.ids())) == 1
        assert good.events() == [START]


@pytest.mark.parametrize(("mood", "said"), [("error", "it answers 500"), ("redirect", "it answers 302")])
def test_a_receiver_that_refuses_is_asked_again(operator: Operator, mood: str, said: str) -> None:
    with receiving(mood) as receiver:
        operator.init(node_cap=0, alert_urls=receiver.url)
        operator.cycle(*CRISIS)
        eventually(lambda: said in (waiting(operator)[0]["last_error"] or ""))
        operator.cycle()
        operator.cycle()
        assert receiver.events() == [START]
        receiver.mood = "ok"
        try_again(operator)
        operator.cycle()
        settle(operator)
        assert receiver.events() == [START, START]
        assert len(set(receiver.ids())) == 1


def test_a_day_offline_then_one_of_each(operator: Operator) -> None:
    with receiving() as receiver:
        port, url = receiver.port, receiver.url
    operator.init(node_cap=0, alert_urls=url)
    operator.cycle(*CRISIS)
    eventually(lambda: waiting(operator)[0]["attempts"] == 1)
    calm_down(operator)
    for _ in range(3):
        try_again(operator)
        operator.cycle()
    assert [each["event"] for each in waiting(operator)] == ["start", "end"]
    sql(operator, "UPDATE alert_message SET created_at = ?, next_try_at = ?", earlier(24), earlier(0.1))
    with receiving(port=port) as receiver:
        operator.cycle()
        settle(operator)
        operator.cycle()
        assert receiver.events() == [START, END]


def test_a_sender_that_is_killed_loses_nothing(operator: Operator) -> None:
    with receiving("hang") as receiver:
        operator.init(node_cap=0, alert_urls=receiver.url)
        operator.cycle(*CRISIS)
        eventually(receiver.messages)
        os.kill(int(lock(operator).read_text()), signal.SIGKILL)
        receiver.mood = "ok"
        receiver.release.set()
        operator.cycle()
        assert receiver.events() == [START]
        # What it held is still there, and keeps nobody.
        with closing(sqlite3.connect(operator.database)) as connection:
            connection.execute("UPDATE alert_message SET next_try_at = ?", (earlier(0.1),))
            connection.commit()
        operator.cycle()
        settle(operator)
        operator.cycle()
        assert receiver.events() == [START, START]
        assert len(set(receiver.ids())) == 1


def test_a_cycle_that_is_killed_tells_of_it_once(operator: Operator) -> None:
    with receiving() as receiver:
        operator.init(node_cap=0, alert_urls=receiver.url)
        for _ in range(8):
            process = operator.begin(*CRISIS)
            eventually(lambda process=process: _rows(operator) or process.poll() is not None)  # type: ignore[misc]
            process.kill()
            process.communicate()
        operator.cycle()
        settle(operator)
        assert receiver.events() == [START]


def _rows(operator: Operator) -> bool:
    uri = f"file:{operator.database}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        return bool(connection.execute("SELECT 1 FROM alert").fetchall())


def test_whoever_has_the_database_open_keeps_nobody_from_being_told(operator: Operator) -> None:
    with receiving() as receiver:
        operator.init(node_cap=0)
        operator.good_cycle()
        with closing(sqlite3.connect(operator.database)) as reader:
            reader.execute("SELECT * FROM cycle").fetchall()
            operator.cycle(*CRISIS, "--alert_urls", receiver.url)
            eventually(lambda: receiver.events() == [START])
            eventually(lambda: not lock(operator).exists())
            operator.cycle()
            eventually(lambda: not lock(operator).exists())
        assert receiver.events() == [START]


@pytest.mark.slow
def test_a_message_that_arrived_while_nothing_could_be_written_is_not_sent_again(operator: Operator) -> None:
    with receiving("hang") as receiver:
        operator.init(node_cap=0, alert_urls=receiver.url)
        operator.cycle(*CRISIS)
        eventually(receiver.messages)
        with closing(sqlite3.connect(operator.database, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            receiver.mood = "ok"
            receiver.release.set()
            # Longer than SQLite waits for its turn.
            time.sleep(BUSY_SECONDS + 1)
            writer.execute("ROLLBACK")
        settle(operator)
        assert receiver.events() == [START]


def test_a_command_is_given_each_message(operator: Operator) -> None:
    command = write_command(operator.home / "notify it")
    operator.init(node_cap=0, alert_command=f"'{command}' --token {TOKEN}")
    operator.cycle(*CRISIS)
    calm_down(operator)
    settle(operator)
    assert [(each["event"], each["key"]) for each in got(command)] == [START, END]


def test_a_command_that_fails_says_so_without_its_arguments(operator: Operator) -> None:
    command = write_command(operator.home / "notify", "echo no such room >&2; exit 3")
    operator.init(node_cap=0, alert_command=f"'{command}' {TOKEN}")
    operator.cycle(*CRISIS)
    (entry,) = eventually(lambda: [each for each in waiting(operator) if each["attempts"]])
    assert entry["last_error"] == "it ended with code 3: no such room"


def test_the_dead_man_is_asked_after_good_cycles_only(operator: Operator) -> None:
    log = operator.home / "cycles.log"
    with receiving() as receiver:
        operator.init(node_cap=0, dead_man_url=receiver.url)
        operator.good_cycle()
        eventually(lambda: receiver.pings() == 1)
        assert operator.run("--dry_run").code == 0
        assert operator.cycle(*CRISIS).code == 3
        operator.run("--force_action", "survey")
        operator.good_cycle(*CALM)
        eventually(lambda: receiver.pings() == 2)
        receiver.mood = "error"
        for count in (3, 4, 5):
            operator.good_cycle("--log_file", log)
            eventually(lambda count=count: receiver.pings() == count)  # type: ignore[misc]
        eventually(lambda: not lock(operator).exists())
    assert log.read_text().count("dead_man_url: it answers 500") == 1
    assert TOKEN not in log.read_text()


def test_the_dead_man_is_asked_while_other_receivers_hang(operator: Operator) -> None:
    with receiving("hang") as stuck, receiving() as watcher:
        operator.init(node_cap=0, alert_urls=stuck.url, dead_man_url=watcher.url)
        assert operator.cycle(*CRISIS).code == 3
        eventually(stuck.messages)
        operator.good_cycle(*CALM)
        eventually(lambda: watcher.pings() == 1)


def test_nothing_is_started_or_left_where_nobody_is_to_be_told(operator: Operator) -> None:
    operator.init(node_cap=0)
    operator.cycle(*CRISIS)
    assert sorted(entry.name for entry in operator.database.parent.iterdir()) == ["colony.db", "wnm_active"]
    shown = operator.run("alerts").out
    assert "only " in shown
    assert "nobody is told: give alert_urls or alert_command" in shown


def test_a_database_that_cannot_be_read_is_told_of_all_the_same(operator: Operator) -> None:
    with receiving() as receiver:
        operator.init(node_cap=0, alert_urls=receiver.url)
        operator.good_cycle()
        eventually(lambda: notes(operator).exists() and not lock(operator).exists())
        assert notes(operator).stat().st_mode & 0o777 == 0o600
        whole = operator.database.read_bytes()
        operator.database.write_bytes(b"SQLite format 3\0" + b"rubbish" * 1000)
        for _ in range(4):
            assert operator.cycle().code == 3
            eventually(lambda: not lock(operator).exists())
        assert receiver.events() == []
        _age(operator)
        for _ in range(3):
            operator.cycle()
            eventually(lambda: not lock(operator).exists())
        assert receiver.events() == [("start", "cycle-fails")]
        assert operator.run("alerts", "test").code == 0
        operator.database.write_bytes(whole)
        for _ in range(2):
            operator.good_cycle()
            eventually(lambda: not lock(operator).exists())
        assert receiver.events() == [("start", "cycle-fails"), ("test", "test"), ("end", "cycle-fails")]
    assert "colony.db" in receiver.messages()[0]["text"]


def test_a_database_that_is_gone_is_told_of_too(operator: Operator) -> None:
    away = operator.database.with_name("elsewhere.db")
    with receiving() as receiver:
        operator.init(node_cap=0, alert_urls=receiver.url)
        operator.good_cycle()
        eventually(lambda: notes(operator).exists() and not lock(operator).exists())
        operator.database.rename(away)
        for _ in range(3):
            assert operator.cycle().code == 3
            eventually(lambda: not lock(operator).exists())
        _age(operator)
        for _ in range(2):
            operator.cycle()
            eventually(lambda: not lock(operator).exists())
        assert receiver.events() == [("start", "cycle-fails")]
        away.rename(operator.database)
        operator.good_cycle()
        eventually(lambda: receiver.events() == [("start", "cycle-fails"), ("end", "cycle-fails")])


def _age(operator: Operator) -> None:
    """As if cycles had failed for an hour."""
    kept = json.loads(notes(operator).read_text())
    kept["trouble"]["since"] = earlier(1)
    notes(operator).write_text(json.dumps(kept))


def test_cycles_that_did_not_run_and_a_clock_that_was_set(operator: Operator) -> None:
    with receiving() as receiver:
        operator.init(node_cap=0, alert_urls=receiver.url)
        operator.good_cycle()
        sql(operator, "UPDATE cycle SET started_at = ?", earlier(2))
        operator.good_cycle()
        sql(operator, "UPDATE alert_clock SET offset_seconds = offset_seconds - 3630")
        operator.good_cycle()
        settle(operator)
        assert receiver.events() == [("start", "cycle-gap"), ("start", "clock")]
    gap, clock = receiver.messages()
    assert "for 2 h" in gap["text"]
    assert "forward by 1 h" in clock["text"]


def test_nothing_of_alerts_makes_a_cycle_fail(operator: Operator) -> None:
    operator.init(node_cap=0, alert_urls="http://127.0.0.1:9/x")
    operator.cycle(*CRISIS)
    eventually(lambda: waiting(operator)[0]["attempts"])
    sql(operator, "UPDATE alert SET severity = 'purple'")
    lock(operator).mkdir()
    result = operator.good_cycle(*CALM)
    assert "alerts could not be seen to: " in result.err
