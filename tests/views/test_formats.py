"""Every report in every format, on machines of every size, and what programs make of it."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.builders import NOW, disk, node, seen, settings
from tests.views.builders import (
    ATTOS,
    blind,
    colony,
    cycle,
    failing,
    healthy,
    held,
    material,
    stopped,
    unread,
)
from tests.views.shell import evaluated
from tests.views.test_facts import KEYS

from wnm.core.decision import Decision
from wnm.core.errors import BadInput
from wnm.core.node import Status
from wnm.core.readings import gauges
from wnm.core.reasons import legacy
from wnm.core.settings import SPECS
from wnm.views.material import Material
from wnm.views.registry import REPORTS, render

EVERY = [(name, form) for name, formats in REPORTS.items() for form in formats]
JSON = [name for name, formats in REPORTS.items() if "json" in formats]
ENV = [name for name, formats in REPORTS.items() if "env" in formats]
HOSTILE = "a'b \"c\" $(touch made) `touch made` $HOME \\ ; & | * ~ # !x\n'\ttab \x1b[31m é"
"""What a node's error may hold."""


def parsed(name: str, of: Material) -> dict[str, Any]:
    """A JSON report, read strictly: no NaN, no repeated key."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    def refuse(word: str) -> None:
        raise AssertionError(word)

    data = json.loads(render(name, "json", of), object_pairs_hook=once, parse_constant=refuse)
    assert isinstance(data, dict)
    return data


def unseen_everywhere() -> Material:
    """A cycle that could see nothing."""
    view = seen((unread(1),), machine=blind())
    return material((unread(1),), of_cycle=cycle(view, idle(), settings()))


def idle(**changes: Any) -> Decision:
    empty: dict[str, Any] = {
        "rule": "idle",
        "because": legacy("nothing to do"),
        "conclusions": (),
        "actions": (),
    }
    return Decision(**{**empty, "held": (), **changes})


FORGOTTEN: dict[str, Any] = {"seen": None, "decision": None, "settings_texts": {}}
MACHINES = {
    "no node and no cycle": material(of_cycle=None),
    "no node": material(),
    "a row and no cycle": material((unread(1),), of_cycle=None),
    "one node": material(colony(1)),
    "three nodes": material((healthy(1), stopped(2), failing(3))),
    "200 nodes": material(colony(200)),
    "nothing seen": unseen_everywhere(),
    "a recording no longer kept": material(
        colony(1), of_cycle=cycle(seen(), idle(), settings(), **FORGOTTEN)
    ),
    "a cycle that was killed": material(
        colony(1), of_cycle=cycle(seen(), idle(), settings(), ended_at=None, exit_code=None)
    ),
}


@pytest.mark.parametrize("of", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize(("name", "form"), EVERY)
def test_there_is_always_a_report(name: str, form: str, of: Material) -> None:
    text = render(name, form, of)
    assert text.strip()
    assert not text.endswith("\n")


@pytest.mark.parametrize("of", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("name", JSON)
def test_json_is_one_object_with_schema_and_time(name: str, of: Material) -> None:
    data = parsed(name, of)
    assert data["schema"] == 1
    assert datetime.fromisoformat(data["generated_at"]).astimezone(UTC) == of.generated_at


@pytest.mark.parametrize("of", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("name", ["node-status", "node-status-details", "status"])
def test_nodes_are_a_list_of_all_nodes_with_all_keys(name: str, of: Material) -> None:
    nodes = parsed(name, of)["nodes"]
    assert [each["id"] for each in nodes] == [each.node.id for each in of.nodes]
    assert all(list(each) == KEYS for each in nodes)


def test_status_for_programs_is_both_reports_in_one() -> None:
    of = material(colony(2))
    whole = parsed("status", of)
    for part in ("node-status-details", "machine-metrics"):
        for key, value in parsed(part, of).items():
            assert whole[key] == value


def test_attos_are_an_integer_in_json() -> None:
    assert f'"rewards_attos": {ATTOS},' in render("node-status", "json", material(colony(1)))


@pytest.mark.parametrize("form", ["config", "yaml", ""])
def test_a_format_that_does_not_fit_is_refused_with_those_that_do(form: str) -> None:
    with pytest.raises(BadInput, match=r"use text or json or env$"):
        render("node-status", form, material())


def test_an_unknown_report_is_refused_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean node-status"):
        render("node_status", "text", material())


# ---- the shell


@pytest.mark.parametrize("name", ["node-status", "node-status-details"])
def test_hostile_words_of_a_node_survive_a_shell(name: str, tmp_path: Path) -> None:
    of = material((failing(1, error=HOSTILE), healthy(2)))
    values = evaluated(
        render(name, "env", of), tmp_path, ["NODE_COUNT", "NODE_IDS", "NODE_1_LAST_ERROR", "NODE_2_RECORDS"]
    )
    assert values == {
        "NODE_COUNT": "2",
        "NODE_IDS": "1 2",
        "NODE_1_LAST_ERROR": HOSTILE,
        "NODE_2_RECORDS": "122",
    }
    assert not (tmp_path / "made").exists()


def test_every_key_of_a_node_is_a_variable(tmp_path: Path) -> None:
    names = [f"NODE_1_{key.upper()}" for key in KEYS]
    values = evaluated(render("node-status", "env", material(colony(1))), tmp_path, names)
    assert values["NODE_1_REWARDS_ATTOS"] == str(ATTOS)
    assert values["NODE_1_LAST_ERROR"] == ""


def test_a_hostile_cycle_survives_a_shell(tmp_path: Path) -> None:
    decision = idle(because=legacy(HOSTILE), held=(held(), held("start antnode0001")))
    of = material(of_cycle=cycle(seen(), decision, settings()))
    values = evaluated(
        render("decisions", "env", of),
        tmp_path,
        ["CYCLE_NUMBER", "CYCLE_BECAUSE", "CYCLE_HELD", "CYCLE_EXIT_CODE"],
    )
    assert values == {
        "CYCLE_NUMBER": "12",
        "CYCLE_BECAUSE": HOSTILE,
        "CYCLE_HELD": "2",
        "CYCLE_EXIT_CODE": "0",
    }
    assert not (tmp_path / "made").exists()


def test_hostile_disks_survive_a_shell(tmp_path: Path) -> None:
    of = material(disks=(disk("/mnt/it's $(touch made)", used=30.0),))
    values = evaluated(render("machine-metrics", "env", of), tmp_path, ["DISK_COUNT", "DISK_1_MOUNT_POINT"])
    assert values == {"DISK_COUNT": "1", "DISK_1_MOUNT_POINT": "/mnt/it's $(touch made)"}
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", [name for name in ENV if name != "machine-config"])
def test_taking_a_report_over_sets_no_setting(name: str) -> None:
    ours = {variable for spec in SPECS.values() for variable in spec.environment_names}
    lines = render(name, "env", material(colony(2))).splitlines()
    variables = [line.removeprefix("export ").partition("=")[0] for line in lines]
    assert ours.isdisjoint(variables)
    assert len(set(variables)) == len(variables)


# ---- the machine


def test_every_reading_has_a_name_of_its_own() -> None:
    every = [gauge.key for gauge in gauges(blind(), settings())]
    assert len(set(every)) == len(every)


def test_readings_stand_beside_their_limits() -> None:
    data = parsed("machine-metrics", material(cpu=12.5, disks=(disk(used=40.0),)))
    assert data["readings"]["cpu_percent"] == {"value": 12.5, "less_than": 70.0, "remove": 80.0}
    assert data["readings"]["netio_read_bytes_per_second"] == {
        "value": 1000.0,
        "less_than": None,
        "remove": None,
    }
    assert data["disks"][0]["free_bytes"] == 600 * 10**9
    assert data["unseen"] == {}


def test_what_was_not_seen_is_null_with_its_reason_and_never_0() -> None:
    data = parsed("machine-metrics", unseen_everywhere())
    assert {reading["value"] for reading in data["readings"].values()} == {None}
    assert data["unseen"] == dict.fromkeys(data["readings"], "nobody looked")
    text = render("machine-metrics", "text", unseen_everywhere())
    assert text.count("not seen: nobody looked") == len(data["readings"])


def test_nodes_are_counted_by_status() -> None:
    data = parsed("machine-metrics", material((healthy(1), healthy(2), node(3, Status.DEAD))))
    assert (data["node_count"], data["node_counts"]["RUNNING"], data["node_counts"]["DEAD"]) == (3, 2, 1)
    assert set(data["node_counts"]) == {str(status) for status in Status}


# ---- text


def columns(line: str, starts: Iterable[int]) -> list[str]:
    edges = [*starts, len(line) + 1]
    return [line[begin:end].strip() for begin, end in pairwise(edges)]


def test_the_plain_table_is_aligned() -> None:
    lines = render("node-status", "text", material((healthy(1), stopped(2), failing(3)))).splitlines()
    starts = [0, lines[0].index("status"), lines[0].index("process"), lines[0].index("reachable")]
    found = [columns(line, starts)[:3] for line in lines[1:]]
    assert found == [
        ["antnode0001", "RUNNING", "running"],
        ["antnode0002", "STOPPED", "stopped"],
        ["antnode0003", "STOPPED", "stopped"],
    ]


def test_no_nodes_are_said_in_words() -> None:
    assert render("node-status", "text", material()) == "no nodes"


def test_details_name_every_key() -> None:
    text = render("node-status-details", "text", material(colony(3)))
    assert len(text.split("\n\n")) == 3
    first = text.split("\n\n")[0].splitlines()
    assert first[0] == "antnode0001"
    assert [line.split()[0] for line in first[1:]] == [key for key in KEYS if key != "name"]


@pytest.mark.parametrize("name", [name for name, formats in REPORTS.items() if "text" in formats])
def test_text_never_obeys_a_node(name: str) -> None:
    """Escape sequences would move the cursor, line breaks would forge lines."""
    decision = idle(because=legacy(HOSTILE), held=(held(waiting_for=HOSTILE, remedy=HOSTILE),))
    nodes = (failing(1, error=HOSTILE),)
    of = material(nodes, of_cycle=cycle(seen(nodes), decision, settings()))
    text = render(name, "text", of)
    assert all(line.isprintable() for line in text.splitlines())
    assert "\n'" not in text


def test_a_report_says_when_its_readings_are_from() -> None:
    assert parsed("node-status", material(colony(1)))["observed_at"] == NOW.isoformat().replace("+00:00", "Z")
    assert parsed("node-status", material(colony(1), of_cycle=None))["observed_at"] is None
