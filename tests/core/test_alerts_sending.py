"""Where messages go, in which order and when again; and what is told without the database."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import HOST, NOW, ago, ahead, cases

from wnm.core.alerts import (
    LONGEST_PAUSE,
    CycleFailure,
    Event,
    Kind,
    Waiting,
    addresses,
    addresses_in,
    after_failure,
    after_success,
    due,
    is_due,
    retry_pause,
)
from wnm.core.alerts import test_message as message_for_a_test
from wnm.core.settings import HIDDEN, SECRET, SPECS, read, render, shown

SECRET_URL = "https://hooks.example.org/services/T00/s3cret"
MINUTE = timedelta(minutes=1)


@cases(
    "text, canonical",
    {
        "none": ("", ""),
        "none in a word": ("none", ""),
        "one webhook": (SECRET_URL, SECRET_URL),
        "several": (f"{SECRET_URL}, tgram://token/chat", f"{SECRET_URL},tgram://token/chat"),
        "commas inside": (
            "mailto://u:p@h?to=a@x.org,b@y.org,http://other/",
            "mailto://u:p@h?to=a@x.org,b@y.org,http://other/",
        ),
        "the same twice": (f"{SECRET_URL},{SECRET_URL}", SECRET_URL),
    },
)
def test_addresses_as_texts(text: str, canonical: str) -> None:
    value = read("alert_urls", text, HOST)
    assert render("alert_urls", value) == canonical
    assert read("alert_urls", canonical, HOST) == value


@pytest.mark.parametrize(
    "text", ["s3cret", "https://", "https://h:s3cret/", "a b://s3cret", "http://h/ s3cret"]
)
def test_a_wrong_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"it|number") as refused:
        read("alert_urls", text, HOST)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("text", ["ftp://h/", "h", "mailto://u:p@h"])
def test_only_the_web_can_be_asked(text: str) -> None:
    with pytest.raises(ValueError, match="it has to begin with https:// or http:// and name a host"):
        read("dead_man_url", text, HOST)


def test_names_of_channels_give_no_secret_away() -> None:
    to = addresses((SECRET_URL, f"{SECRET_URL}2", "tgram://s3cret/chat"), ("/opt/notify", "s3cret"), None)
    assert [each.kind for each in to.channels] == [Kind.WEBHOOK, Kind.WEBHOOK, Kind.APPRISE, Kind.COMMAND]
    assert not any("s3cret" in name for name in to.names)
    assert len(set(to.names)) == 4
    assert to.names[0].startswith("https://hooks.example.org/… #")
    assert to.names[3].startswith("command notify #")


def test_addresses_from_what_the_database_holds() -> None:
    to = addresses_in({"alert_urls": SECRET_URL, "alert_command": "/opt/notify 'a b'", "node_cap": "3"})
    assert [each.target for each in to.channels] == [(SECRET_URL,), ("/opt/notify", "a b")]
    assert to.dead_man_url is None
    assert addresses_in({}).channels == ()
    with pytest.raises(ValueError, match="it has to"):
        addresses_in({"dead_man_url": "nonsense"})


def test_secret_settings_are_settings_and_are_hidden() -> None:
    assert set(SPECS) >= SECRET
    assert shown("alert_urls", SECRET_URL) == HIDDEN
    assert shown("alert_urls", "") == ""
    assert shown("node_cap", "3") == "3"


def test_pauses_grow_up_to_half_an_hour() -> None:
    assert [retry_pause(attempts) // MINUTE for attempts in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert retry_pause(10**6) == LONGEST_PAUSE


@pytest.mark.parametrize(("minutes", "now"), [(0, True), (-5, True), (5, False), (30, False), (31, True)])
def test_a_pause_longer_than_any_of_ours_dates_from_another_time(minutes: float, now: bool) -> None:
    assert is_due(ahead(minutes), NOW) is now


def waiting(number: int, channel: str, minutes: float) -> Waiting:
    message = message_for_a_test(NOW)
    return Waiting(id=number, channel=channel, message=message, attempts=0, next_try_at=ahead(minutes))


def test_the_oldest_message_of_a_channel_decides_for_all_behind_it() -> None:
    queues = due([waiting(3, "a", -1), waiting(1, "a", 5), waiting(2, "b", 0), waiting(4, "b", 9)], NOW)
    assert {name: [each.id for each in queue] for name, queue in queues.items()} == {"b": [2, 4]}


def failing(minutes: float, every: float = 1, text: str = "it is damaged") -> CycleFailure:
    """Cycles that failed over so many minutes up to NOW."""
    failure = None
    for step in range(round(minutes / every), -1, -1):
        failure = after_failure(failure, text, ago(step * every))
    assert failure is not None
    return failure


@cases(
    "failure, event",
    {
        "one failed cycle": (failing(0), None),
        "four minutes of them": (failing(4), None),
        "five minutes of them": (failing(5), Event.START),
        "two of them, long apart": (failing(60, every=60), None),
    },
)
def test_failing_cycles_are_told_of_when_they_last(failure: CycleFailure, event: Event | None) -> None:
    assert failure.event_for("a", NOW) is event


def test_failing_cycles_that_end_before_anybody_was_told() -> None:
    assert after_success(failing(30), NOW) is None
    assert after_success(None, NOW) is None


def test_who_was_told_of_failing_cycles_is_told_of_their_end() -> None:
    told = failing(5).after_sending(Event.START, {"a": True, "b": False}, NOW)
    assert told is not None
    assert told.event_for("a", NOW) is None
    assert told.event_for("b", NOW) is None
    assert told.event_for("b", NOW + MINUTE) is Event.START
    over = after_success(told, NOW + 2 * MINUTE)
    assert over is not None
    assert [over.event_for(name, NOW + 2 * MINUTE) for name in "ab"] == [Event.END, None]
    assert over.after_sending(Event.END, {"a": True}, NOW + 2 * MINUTE) is None
    still = over.after_sending(Event.END, {"a": False}, NOW + 2 * MINUTE)
    assert still is not None
    assert still.told == ("a",)
    assert after_success(still, NOW + timedelta(days=4)) is None
    end = over.message(Event.END, "m")
    assert end.text == "over after 7 min: no cycle can be carried out: it is damaged"
    assert end.id != over.message(Event.START, "m").id


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0.1, 1, 5, -60, 5000])))
)
def test_nobody_hears_of_failing_cycles_twice_in_a_row(life: list[tuple[bool, bool, bool, float]]) -> None:
    failure: CycleFailure | None = None
    now = NOW
    heard: dict[str, Event] = {"a": Event.END, "b": Event.END}
    for fails, a_arrives, b_arrives, minutes in life:
        now += timedelta(minutes=minutes)
        failure = after_failure(failure, "?", now) if fails else after_success(failure, now)
        if failure is None:
            heard = dict.fromkeys(heard, Event.END)
            continue
        wanted = {name: failure.event_for(name, now) for name in heard}
        results = {}
        for name, event in wanted.items():
            if event is not None:
                assert event is not heard[name]
                results[name] = a_arrives if name == "a" else b_arrives
                heard[name] = event if results[name] else heard[name]
        events = {event for event in wanted.values() if event is not None}
        assert len(events) <= 1
        if events:
            failure = failure.after_sending(events.pop(), results, now)
