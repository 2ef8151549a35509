"""What is encoded comes back the same, and data that nobody vouches for is refused in one line."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.storage import builders

from wnm.core import codec
from wnm.core.action import Action, AddNode, NodeAction, Outcome
from wnm.core.decision import Decision
from wnm.core.errors import BadInput, Bug
from wnm.core.node import Node, Status
from wnm.core.observation import Counters, Observation, Reservation, Unseen

# Within 200 years a number of seconds holds every microsecond.
DURATIONS = st.timedeltas(min_value=timedelta(days=-73000), max_value=timedelta(days=73000))
MOMENTS = st.datetimes(timezones=st.just(UTC))
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(autouse=True, scope="module")
def plain_strategies() -> None:
    """Values as the core promises them: aware times in UTC and finite numbers."""
    st.register_type_strategy(datetime, MOMENTS)
    st.register_type_strategy(timedelta, DURATIONS)
    st.register_type_strategy(float, FINITE)


def there_and_back(kind: object, value: object) -> object:
    return codec.decode(kind, json.loads(json.dumps(codec.encode(value))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """Shapes that the core's values do not have today."""

    span: timedelta | None
    pair: tuple[int, str]
    names: frozenset[str]
    moments: frozenset[datetime]
    status: Status | None
    share: float | bool | Unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """No field at all."""


st.register_type_strategy(
    Reservation,
    st.builds(Reservation, owner=st.text(), disk_bytes=st.dictionaries(st.text(), st.integers(0, 2**40))),
)


@pytest.mark.parametrize("kind", [Observation, Decision, Outcome, Node, Counters, Action, NodeAction, Odd])
def test_a_value_survives_the_way_there_and_back(kind: Any) -> None:
    @given(value=st.from_type(kind))
    def holds(value: object) -> None:
        back = there_and_back(kind, value)
        assert back == value
        assert type(back) is type(value)

    holds()


def test_a_dataclass_without_fields_survives() -> None:
    assert there_and_back(Empty, Empty()) == Empty()


def test_a_dataclass_says_what_it_is() -> None:
    assert codec.encode(Unseen(reason="no page")) == {"is": "Unseen", "reason": "no page"}


def test_a_time_in_another_zone_is_the_same_moment() -> None:
    there = datetime(2025, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert codec.encode(there) == "2025-03-01T14:00:00+02:00"
    assert codec.decode(datetime, codec.encode(there)) == there


def test_equal_sets_are_equal_texts() -> None:
    ports = [codec.to_json(frozenset(order)) for order in ([3, 1, 2], [2, 3, 1])]
    assert ports == ["[1,2,3]", "[1,2,3]"]


def test_a_missing_key_takes_the_default() -> None:
    data = codec.encode(builders.node())
    del data["silence_restarts"]
    assert codec.decode(Node, data).silence_restarts == 0


def test_text_of_json() -> None:
    seen = builders.observation((builders.node(),))
    assert codec.from_json(Observation, codec.to_json(seen)) == seen


@pytest.mark.parametrize("value", [object(), 1j, {1: object()}])
def test_only_our_values_are_encoded(value: object) -> None:
    with pytest.raises(Bug):
        codec.encode(value)


type Spoil = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda data: data.update({"is": "Nope"}), "Invalid value 'Nope' - at `$.is`"),
        (lambda data: data.update({"is": ["Node"]}), "at `$.is`"),
        (lambda data: data.pop("name"), "missing required field `name`"),
        (lambda data: data.update(extra=1), "unknown field `extra`"),
        (lambda data: data.update(port="55001"), "Expected `int`, got `str` - at `$.port`"),
        (lambda data: data.update(port=True), "at `$.port`"),
        (lambda data: data.update(port=1.5), "at `$.port`"),
        (lambda data: data.update(no_upnp=1), "at `$.no_upnp`"),
        (lambda data: data.update(status="FINE"), "at `$.status`"),
        (lambda data: data.update(status=[1]), "at `$.status`"),
        (lambda data: data.update(born="2025-03-01"), "at `$.born`"),
        (lambda data: data.update(born="yesterday"), "at `$.born`"),
        (lambda data: data.update(born="\ud800"), "surrogates not allowed"),
        (lambda data: data.update(start_args="ab"), "at `$.start_args`"),
        (lambda data: data.update(start_args=["a", 7]), "at `$.start_args[1]`"),
        (lambda data: data.update(environment=[["A"]]), "at `$.environment[0]`"),
        (lambda data: data.update(retry_at={"is": "Unseen"}), "at `$.retry_at`"),
        (lambda data: data.update(name="x" * 10_000 + "\n", port=[["y" * 10_000]]), "at `$.port`"),
    ],
)
def test_a_spoilt_node_is_refused_in_one_line(spoil: Spoil, complaint: str) -> None:
    data = codec.encode(builders.node())
    spoil(data)
    with pytest.raises(BadInput) as caught:
        codec.decode(Node, data)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("not a Node: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", '"1"', "true", "null"])
def test_a_number_is_finite(number: str) -> None:
    with pytest.raises(BadInput, match=r"number|float"):
        codec.from_json(float, number)


def test_a_moment_has_a_zone() -> None:
    data = codec.encode(builders.node())
    data["born"] = "2025-03-01T12:00:00"
    with pytest.raises(BadInput, match="born"):
        codec.decode(Node, data)


@pytest.mark.parametrize("text", ["", "{", "nul", "[" * 100_000, b"\xff\xfe\x00", "1" * 10_000])
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(BadInput) as caught:
        codec.from_json(Node, text)
    assert "\n" not in str(caught.value)


def test_the_place_is_named_to_the_leaf() -> None:
    data = codec.encode(builders.observation((builders.node(), builders.node(2))))
    data["nodes"][1]["node"]["metrics_port"] = None
    with pytest.raises(BadInput, match=r"at `\$\.nodes\[1\]\.node\.metrics_port`"):
        codec.decode(Observation, data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("is"), inner, max_size=3),
    max_leaves=8,
)


@given(name=st.sampled_from(list(codec.encode(builders.add(1)))), poison=JSON)
def test_no_data_gets_past_as_another_error(name: str, poison: object) -> None:
    data = codec.encode(builders.add(1))
    data[name] = poison
    try:
        codec.decode(AddNode, data)
    except BadInput as refused:
        assert "\n" not in str(refused)  # noqa: PT017 - it need not be refused
