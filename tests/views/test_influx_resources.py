"""The points for NTracking's dashboards: names, types and ids as these read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.builders import NOW, hung, node, row
from tests.formats.influx_reader import Point, read_points
from tests.views.builders import ATTOS, colony, failing, healthy, material, stopped, unread

from wnm.core.node import Status
from wnm.core.observation import NodePage, NodeSeen
from wnm.views import influx
from wnm.views.material import Material

NODE_FIELDS = {
    "PeerId": str,
    "status": str,
    "version": str,
    "up_time": int,
    "rewards": float,
    "records": int,
    "connected_peers": int,
    "networ_size": int,
    "shunned_count": int,
    "mem": float,
    "cpu": float,
}
ASKED_FIELDS = {
    "gets": int,
    "puts": int,
    "open_connections": int,
    "total_peers": int,
    "bad_peers": int,
    "rel_records": int,
    "max_records": int,
    "payment_count": int,
    "live_time": int,
    "shunned_closedgroup": int,
    "shunned_oldclosedgroup": int,
}
"""Those that the nodes are asked for only when the report is made.

Spelled as the dashboards spell them. A field that changes its type is refused by the database for ever."""

FIELDS = NODE_FIELDS | ASKED_FIELDS
TOTAL_FIELDS = {
    "rewards": float,
    "nodes_running": int,
    "nodes_killed": int,
    "total_disk": int,
    "Disk_percent": int,
}


def points(of: Material, measurement: str) -> list[Point]:
    """The points of one measurement, read by a reader of its own."""
    every = read_points(influx.text(of))
    return [each for each in every if each.measurement == measurement]


def totals(of: Material) -> dict[str, object]:
    """The fields of both points of totals."""
    return {name: value for each in points(of, "nodes_totals") for name, value in each.fields.items()}


def with_page(number: int, **changes: object) -> NodeSeen:
    """A healthy node whose page says something else."""
    each = healthy(number)
    assert isinstance(each.reading.page, NodePage)
    page = replace(each.reading.page, **changes)
    return replace(each, reading=replace(each.reading, page=page))


def test_a_running_node() -> None:
    (found,) = points(material(colony(1)), "nodes")
    assert found.tags == {"id": "0001"}
    assert found.fields == {
        "PeerId": "12D3KooW1",
        "status": "Running",
        "version": "0.4.7",
        "up_time": 3600,
        "rewards": pytest.approx(12.345678901234567, abs=1e-15),
        "records": 121,
        "connected_peers": 80,
        "networ_size": 90_000,
        "shunned_count": 1,
        "mem": 90.0,
        "cpu": 7.0,
    }


@pytest.mark.parametrize(
    "of", [material(colony(3)), material((healthy(1), stopped(2), failing(3), unread(4), hung(5)))]
)
def test_names_and_types_never_change(of: Material) -> None:
    nodes = points(of, "nodes")
    assert len(nodes) == len(of.nodes)
    for each in nodes:
        assert {name: type(value) for name, value in each.fields.items()}.items() <= FIELDS.items()
        assert "status" in each.fields
    kinds = {name: type(value) for name, value in totals(of).items()}
    assert kinds.items() <= TOTAL_FIELDS.items()
    (network,) = points(of, "nodes_network")
    assert {name: type(value) for name, value in network.fields.items()} == {"size": int}


def test_a_node_that_was_asked_has_every_field_of_the_dashboards() -> None:
    figures = {name: number for number, name in enumerate(ASKED_FIELDS)}
    one, other = read_points(influx.text(material(colony(2)), {1: figures}))[:2]
    assert {name: type(value) for name, value in one.fields.items()} == FIELDS
    assert {name: one.fields[name] for name in figures} == figures
    assert set(other.fields) == set(NODE_FIELDS)


def test_the_fields_come_in_the_order_of_the_script_that_is_replaced() -> None:
    figures = dict.fromkeys(ASKED_FIELDS, 7)
    line, *_ = influx.text(material(colony(1)), {1: figures}).splitlines()
    assert [field.partition("=")[0] for field in line.split(" ")[1].split(",")] == [
        *("PeerId", "status", "version", "gets", "puts", "up_time", "rewards", "records", "connected_peers"),
        *("networ_size", "open_connections", "total_peers", "shunned_count", "bad_peers", "mem", "cpu"),
        *("rel_records", "max_records", "payment_count", "live_time", "shunned_closedgroup"),
        "shunned_oldclosedgroup",
    ]


def test_a_stopped_node_has_zeros() -> None:
    (found,) = points(material((stopped(7),)), "nodes")
    assert found.tags == {"id": "0007"}
    assert found.fields["status"] == "Stopped"
    assert {value for name, value in found.fields.items() if name not in ("status", "version")} == {0}


def test_a_node_that_does_not_answer_is_running_and_makes_nothing_up() -> None:
    (found,) = points(material((hung(1),)), "nodes")
    assert found.fields["status"] == "Running"
    assert set(found.fields) == {"status", "version", "up_time"}


def test_a_node_that_was_just_started_is_running_before_anybody_looked() -> None:
    fresh = replace(stopped(1), node=row(1, Status.RESTARTING, status_since=NOW.replace(minute=1)))
    (found,) = points(material((fresh,)), "nodes")
    assert found.fields["status"] == "Running"


@pytest.mark.parametrize(
    ("number", "written"), [(1, "0001"), (999, "0999"), (1000, "1000"), (12345, "12345")]
)
def test_ids_have_four_digits_or_more(number: int, written: str) -> None:
    (found,) = points(material((healthy(number),)), "nodes")
    assert found.tags["id"] == written


def test_totals() -> None:
    of = material((healthy(1), with_page(2, rewards_attos=ATTOS * 2), stopped(3, disk_bytes=10**9)))
    assert totals(of) == {
        "rewards": pytest.approx(3 * 12.345678901234567, abs=1e-14),
        "nodes_running": 2,
        "nodes_killed": 1,
        "total_disk": (2 * 2_500_000_000 + 10**9) // 2**20,
        "Disk_percent": 40,
    }


def test_the_smallest_reward_is_not_lost() -> None:
    (found,) = points(material((with_page(1, rewards_attos=1),)), "nodes")
    assert found.fields["rewards"] == 1e-18


def test_the_size_of_the_network_is_the_mean_of_those_who_know() -> None:
    of = material(
        (with_page(1, network_size=1000), with_page(2, network_size=2001), with_page(3, network_size=None))
    )
    (found,) = points(of, "nodes_network")
    assert found.fields == {"size": 1500}
    assert points(material((stopped(1),)), "nodes_network") == []


def test_all_points_of_one_reading_have_its_time_in_full_ten_seconds() -> None:
    of = material(colony(2))
    stamps = {each.at_ns for each in read_points(influx.text(of))}
    assert stamps == {int(NOW.timestamp()) * 10**9}
    later = replace(of, readings_at=NOW.replace(second=19, microsecond=5))
    assert {each.at_ns for each in read_points(influx.text(later))} == {(int(NOW.timestamp()) + 10) * 10**9}


def test_without_nodes_the_totals_are_zero() -> None:
    assert totals(material(of_cycle=None)) == {"rewards": 0.0, "nodes_running": 0, "nodes_killed": 0}


@given(st.text(), st.text(), st.integers(min_value=0), st.integers(min_value=0, max_value=2**63 - 1))
def test_nothing_that_a_node_says_breaks_a_line(peer: str, version: str, attos: int, records: int) -> None:
    each = with_page(1, rewards_attos=attos, records=records)
    hostile = replace(each, node=replace(each.node, peer_id=peer, version=version))
    (found,) = points(material((hostile, node(2))), "nodes")[:1]
    assert found.fields["status"] == "Running"
    assert found.fields["records"] == records
    assert found.fields["rewards"] == attos / 10**18
