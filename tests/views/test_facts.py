"""What reports say of a node: every key, figures only while they hold, and nothing rounded away."""

from datetime import timedelta

import pytest
from tests.builders import NOW, ago, node, row
from tests.views.builders import ATTOS, colony, healthy, material, stopped, unread

from wnm.core.errors import BadInput
from wnm.core.node import ProcessState, Reachability, Status
from wnm.core.observation import NodePage, NodeSeen, Unseen
from wnm.views.material import NodeFacts, attention, facts_of, only
from wnm.views.reports import facts_payload

KEYS = [
    "id",
    "name",
    "service",
    "kind",
    "status",
    "process",
    "reachable",
    "version",
    "binary_version",
    "port",
    "metrics_port",
    "pid",
    "peer_id",
    "wallet",
    "root_dir",
    "log_dir",
    "status_since",
    "born",
    "uptime_seconds",
    "records",
    "connected_peers",
    "shunned",
    "cpu_percent",
    "memory_bytes",
    "disk_bytes",
    "network_size",
    "rewards_attos",
    "last_error",
]
LIVE = [
    "pid",
    "reachable",
    "uptime_seconds",
    "records",
    "connected_peers",
    "shunned",
    "cpu_percent",
    "memory_bytes",
    "network_size",
    "rewards_attos",
]


def facts(each: NodeSeen) -> NodeFacts:
    return facts_of(each, NOW)


def test_every_promised_key_is_there_and_no_other() -> None:
    assert list(facts_payload(facts(healthy(1)))) == KEYS
    assert list(facts_payload(facts(unread(1)))) == KEYS


def test_a_healthy_node_leaves_nothing_open_but_its_error() -> None:
    payload = facts_payload(facts(healthy(1, peer_id="12D3KooW1")))
    assert [key for key, value in payload.items() if value is None] == ["last_error"]


def test_rewards_keep_all_their_digits() -> None:
    assert facts_payload(facts(healthy(1)))["rewards_attos"] == ATTOS


def test_the_service_is_the_name_that_commands_take() -> None:
    found = facts(healthy(7))
    assert found.service == found.name == "antnode0007"


def test_what_was_never_seen_is_null_and_the_process_unknown() -> None:
    payload = facts_payload(facts(unread(1)))
    assert payload["process"] == "unknown"
    assert {payload[key] for key in (*LIVE, "version", "binary_version", "disk_bytes", "peer_id")} == {None}


@pytest.mark.parametrize("status", [Status.STOPPED, Status.DEAD])
def test_a_node_that_does_not_run_has_no_live_figures(status: Status) -> None:
    """The reading is as old as its row, and still says that it ran."""
    each = NodeSeen(node=row(1, status), reading=healthy(1).reading)
    assert {facts_payload(facts(each))[key] for key in LIVE} == {None}


def test_a_stopped_node_is_stopped_whatever_an_older_reading_says() -> None:
    assert facts(stopped(1, status_since=NOW + timedelta(seconds=3))).process is ProcessState.STOPPED


def test_a_failed_process_of_a_stopped_node_is_told() -> None:
    assert facts(node(1, Status.STOPPED, state=ProcessState.FAILED)).process is ProcessState.FAILED


@pytest.mark.parametrize("status", [Status.RESTARTING, Status.UPGRADING, Status.REMOVING, Status.DISABLED])
def test_a_reading_from_before_the_last_change_is_not_current(status: Status) -> None:
    each = healthy(1)
    changed = row(1, status, status_since=NOW + timedelta(seconds=2))
    payload = facts_payload(facts(NodeSeen(node=changed, reading=each.reading)))
    assert payload["process"] == "unknown"
    assert {payload[key] for key in LIVE} == {None}


def test_a_status_concluded_from_the_reading_itself_is_current() -> None:
    found = facts(healthy(1, status_since=NOW))
    assert (found.process, found.records) == (ProcessState.RUNNING, 121)


def test_a_node_that_runs_but_does_not_answer_is_not_called_stopped() -> None:
    silent = {"reachable": Reachability.TIMES_OUT, "page": Unseen(reason="timed out")}
    each = node(1, sees=silent)
    payload = facts_payload(facts(each))
    assert (payload["status"], payload["process"], payload["reachable"]) == (
        "RUNNING",
        "running",
        "times out",
    )
    assert attention(each, facts(each)) == "runs but does not answer: its metrics port times out"


def test_uptime_is_the_pages_else_the_age_of_the_process() -> None:
    assert facts(healthy(1)).uptime_seconds == 3600
    silent = node(1, sees={"page": Unseen(reason="timed out")}, process_started_at=ago(2))
    assert facts(silent).uptime_seconds == 120
    assert facts_of(silent, None).uptime_seconds is None


def test_the_clock_being_set_back_gives_no_negative_uptime() -> None:
    ahead = node(1, sees={"page": NodePage()}, process_started_at=NOW + timedelta(hours=1))
    assert facts(ahead).uptime_seconds == 0


@pytest.mark.parametrize(
    ("each", "why"),
    [
        (healthy(1), None),
        (node(1, Status.DISABLED, last_error="old"), None),
        (node(1, Status.RESTARTING), None),
        (node(1, Status.DEAD), "its folder is gone"),
        (node(1, last_error="stuck upgrading"), "stuck upgrading"),
        (stopped(1), "stopped: load"),
        (unread(1), "its process was not seen: nobody looked"),
        (node(1, state=ProcessState.FAILED), "its process is failed"),
    ],
)
def test_who_needs_a_look(each: NodeSeen, why: str | None) -> None:
    assert attention(each, facts(each)) == why


def test_only_the_named_nodes_in_the_order_of_the_rows() -> None:
    chosen = only(material(colony(4)), ["antnode0003", "antnode0001"])
    assert [each.node.id for each in chosen.nodes] == [1, 3]


def test_an_unknown_node_is_named() -> None:
    with pytest.raises(BadInput, match=r"^no node is called 'antnode0009': did you mean antnode000\d\?$"):
        only(material(colony(2)), ["antnode0001", "antnode0009"])


def test_an_unknown_node_where_there_is_none() -> None:
    with pytest.raises(BadInput, match="'x': see wnm --report node-status"):
        only(material(), ["x"])
