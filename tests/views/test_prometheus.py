"""The exposition: recorded examples, what an independent reader makes of it, and any text in any field."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as search
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from tests.builders import cases, disk, node, seen, settings
from tests.formats.test_exposition_text import shown
from tests.views.builders import colony, cycle, healthy, held, material, stopped
from tests.views.promtool import promtool
from tests.views.recorded import CASES, MACHINES, TEXTS, written

from wnm.core.decide.ladder import decide
from wnm.core.node import Status
from wnm.core.observation import FileSystem
from wnm.views import prometheus
from wnm.views.material import Material

MOST_BYTES_OF_2000_NODES = 3_000_000


def values(of: Material) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Every value by metric and labels, read by Prometheus' own client library."""
    families = text_string_to_metric_families(prometheus.text(of) + "\n")
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in families:
        for sample in family.samples:
            series = found.setdefault(sample.name, {})
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in series
            series[labels] = sample.value
    return found


def only_value(of: Material, name: str) -> float:
    """The value of a metric that has one series."""
    (value,) = values(of)[name].values()
    return value


@pytest.mark.parametrize("ending", TEXTS)
@pytest.mark.parametrize("machine", MACHINES)
def test_recorded_examples(machine: str, ending: str) -> None:
    """After a change that is meant: python -m tests.views.recorded"""
    assert written(machine, ending) == (CASES / f"{machine}.{ending}").read_text(encoding="utf-8")


def test_there_is_no_other_example() -> None:
    assert {file.name for file in CASES.iterdir() if file.is_file()} == {
        f"{name}.{end}" for name in MACHINES for end in TEXTS
    }


@pytest.mark.parametrize("machine", MACHINES)
def test_promtool_has_nothing_to_say(machine: str) -> None:
    checked = promtool("check", "metrics", given=prometheus.text(MACHINES[machine]) + "\n")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("machine", MACHINES)
def test_prometheus_takes_the_targets(machine: str, tmp_path: Path) -> None:
    (tmp_path / "nodes.json").write_text(prometheus.targets(MACHINES[machine]))
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "scrape_configs: [{job_name: nodes, file_sd_configs: [{files: [nodes.json]}]}]\n", encoding="utf-8"
    )
    checked = promtool("check", "config", config)
    assert checked.returncode == 0, checked.stderr


def test_every_metric_has_help_and_type_and_our_name() -> None:
    families = list(text_string_to_metric_families(prometheus.text(MACHINES["busy"])))
    assert len(families) > 50
    for family in families:
        assert family.name.startswith("wnm_")
        assert family.documentation.endswith(".")
        assert family.type in ("gauge", "counter")
        assert (family.type == "counter") == family.samples[0].name.endswith("_total")


# ---- units and meanings


def test_percentages_become_ratios_beside_their_limits() -> None:
    of = material(cpu=83.125, disks=(disk(used=40.0),))
    found = values(of)
    assert only_value(of, "wnm_machine_cpu_ratio") == 0.83125
    assert found["wnm_machine_cpu_limit_ratio"] == {
        (("limit", "less_than"),): 0.7,
        (("limit", "remove"),): 0.8,
    }
    assert found["wnm_disk_used_ratio"] == {(("mount_point", "/"),): 0.4}
    assert found["wnm_disk_free_bytes"] == {(("mount_point", "/"),): 600e9}


def test_limits_that_are_off_are_left_out() -> None:
    found = values(material())
    assert "wnm_machine_network_read_bytes_per_second" in found
    assert "wnm_machine_network_read_limit_bytes_per_second" not in found


def test_rewards_are_ant_and_shunned_is_a_counter() -> None:
    of = material(colony(1))
    assert only_value(of, "wnm_node_rewards_ant_total") == pytest.approx(12.345678901234567891, abs=1e-15)
    assert only_value(of, "wnm_node_shunned_total") == 1
    assert only_value(of, "wnm_node_cpu_ratio") == 0.0125


def test_every_status_is_counted_also_where_nobody_has_it() -> None:
    found = values(material((healthy(1), healthy(2), node(3, Status.DEAD))))["wnm_nodes"]
    assert {dict(labels)["status"]: count for labels, count in found.items()} == {
        **dict.fromkeys(map(str, Status), 0),
        "RUNNING": 2,
        "DEAD": 1,
    }


def test_what_is_not_known_is_left_out_and_never_0() -> None:
    found = values(MACHINES["nothing_seen"])
    assert found["wnm_nodes"]
    for name in ("wnm_machine_cpu_ratio", "wnm_machine_load1", "wnm_disk_used_ratio", "wnm_node_up"):
        assert name not in found


def test_a_stopped_node_is_down_and_has_no_figures_of_before() -> None:
    found = values(material((healthy(1), stopped(2))))
    assert found["wnm_node_up"] == {(("node", "antnode0001"),): 1, (("node", "antnode0002"),): 0}
    assert found["wnm_node_records"] == {(("node", "antnode0001"),): 121}


def test_a_remedy_is_in_the_labels_and_the_number_is_always_there() -> None:
    quiet, busy = values(material()), values(MACHINES["busy"])
    assert quiet["wnm_needs_operator"] == {(): 0}
    assert "wnm_needs_operator_info" not in quiet
    assert busy["wnm_needs_operator"] == {(): 1}
    (labels,) = busy["wnm_needs_operator_info"]
    assert dict(labels) == {"what": "legacy", "remedy": "legacy"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (disk(free_bytes=1_234_567_890), disk(free_bytes=987_654_321)),
        (disk("/mnt/2", used=92.3), disk("/mnt/2", used=93.0)),
    ],
)
def test_what_lasts_is_one_series_however_readings_change(one: FileSystem, other: FileSystem) -> None:
    """An alert that has to hold for minutes never would, if its labels changed with every cycle."""
    first, later = (values(material(disks=(each,)))["wnm_needs_operator_info"] for each in (one, other))
    assert first == later
    ((_, (_, what)),) = first
    assert what == "remove-from-disk"


def test_failures_of_actions_are_series_that_were_there_before() -> None:
    quiet, busy = values(material())["wnm_cycle_actions"], values(MACHINES["busy"])["wnm_cycle_actions"]
    failed = (("kind", "add"), ("result", "failed"))
    assert (quiet[failed], busy[failed]) == (0, 1)
    assert set(busy) == set(quiet)


def test_two_disks_at_one_place_do_not_cost_the_whole_file() -> None:
    found = values(material(disks=(disk(used=40.0), disk(used=50.0))))
    assert found["wnm_disk_used_ratio"] == {(("mount_point", "/"),): 0.4}


# ---- targets


@cases("host, target", {"an IPv4 address": ("127.0.0.1", "127.0.0.1:13001"), "IPv6": ("::1", "[::1]:13001")})
def test_a_target_is_the_host_and_the_metrics_port(host: str, target: str) -> None:
    (entry,) = json.loads(prometheus.targets(material(colony(1), wished=settings(host=host))))
    assert entry == {
        "targets": [target],
        "labels": {"__meta_written_by": "wnm", "node": "antnode0001", "kind": "antnode"},
    }


def test_only_nodes_that_should_answer_are_targets() -> None:
    quiet = node(4, kind="ant-node")
    of = material((healthy(1), stopped(2), node(3, Status.DISABLED), quiet))
    assert [entry["labels"]["node"] for entry in json.loads(prometheus.targets(of))] == ["antnode0001"]


# ---- sizes and hostile texts


def test_2000_nodes_have_a_series_each_in_a_file_of_sane_size() -> None:
    text = prometheus.text(material(colony(2000)))
    assert len(text.encode()) < MOST_BYTES_OF_2000_NODES
    series = Counter(line.partition("{")[0] for line in text.splitlines() if "antnode0001" in line)
    assert set(series.values()) == {1}
    assert len(json.loads(prometheus.targets(material(colony(2000))))) == 2000


@search(max_examples=50)
@given(
    st.lists(st.text(min_size=1), min_size=4, max_size=4), st.text(min_size=1), st.text(min_size=1), st.text()
)
def test_any_text_in_any_field_can_be_read(of_node: list[str], what: str, remedy: str, mount: str) -> None:
    name, version, peer, root = of_node
    each = healthy(1)
    row = replace(each.node, name=name, version=version, peer_id=peer, root_dir=root)
    nodes = (replace(each, node=row),)
    view = seen(nodes, disks=(disk(mount),))
    wished = settings()
    decision = replace(decide(view, wished), rule=what, held=(held(what, remedy=remedy),))
    found = values(material(nodes, wished=wished, of_cycle=cycle(view, decision, wished)))
    (info,), (needs,), (rule,) = (
        found[key] for key in ("wnm_node_info", "wnm_needs_operator_info", "wnm_cycle_rule")
    )
    labels = dict(info)
    assert [labels["node"], labels["version"], labels["peer_id"], labels["root_dir"]] == list(
        map(shown, of_node)
    )
    assert dict(needs) == {"what": "legacy", "remedy": "legacy"}, "kinds, and no text of anybody"
    assert dict(rule)["rule"] == shown(what)
    assert [dict(key).get("mount_point", "") for key in found["wnm_disk_used_ratio"]] == [shown(mount)]
