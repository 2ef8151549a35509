"""The dashboard and the alert rules in docs: whatever they name is exported, and Prometheus understands them."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.views.promtool import promtool
from tests.views.recorded import MACHINES

from wnm.views import prometheus

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "docs/monitoring/grafana-dashboard.json"
ALERTS = ROOT / "docs/monitoring/alerts.yml"
HOWTO = ROOT / "docs/howto/monitor.md"
OF_PROMETHEUS = {"instance", "job"}
METRIC = re.compile(r"\b(wnm_[a-z0-9_]+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"\b([a-z_]+)\s*(?:=~|!~|!=|=)")
GROUPED = re.compile(r"\b(?:by|on|group_left)\s*\(([^)]*)\)")


def exported() -> dict[str, set[str]]:
    """The labels of every metric; of all machines, because some metrics are only there when something is wrong."""
    found: dict[str, set[str]] = {}
    for of in MACHINES.values():
        for family in text_string_to_metric_families(prometheus.text(of)):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def panels() -> list[dict[str, Any]]:
    """Every panel of the dashboard."""
    content: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return list(content["panels"])


def dashboard_queries() -> list[str]:
    """Every expression of the dashboard."""
    return [target["expr"] for panel in panels() for target in panel.get("targets", [])]


def alert_queries() -> list[str]:
    """Every expression of the rules."""
    return re.findall(r"^ +expr: (.*)$", ALERTS.read_text(encoding="utf-8"), re.MULTILINE)


def queries() -> Iterator[str]:
    """All of them, and the variables of the dashboard."""
    yield from dashboard_queries()
    yield from alert_queries()
    content = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    yield from (each["definition"] for each in content["templating"]["list"] if each["type"] == "query")


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_a_query_names_what_is_exported(query: str) -> None:
    known = exported()
    named = METRIC.findall(query)
    assert named
    labels = {label for name, _ in named for label in known[name]} | OF_PROMETHEUS
    for name, matchers in named:
        assert set(LABEL.findall(matchers)) <= known[name] | OF_PROMETHEUS, name
    for group in GROUPED.findall(query):
        assert {label.strip() for label in group.split(",") if label.strip()} <= labels


def test_the_howto_names_what_is_exported() -> None:
    known = exported()
    named = set(re.findall(r"\bwnm_[a-z0-9_]+\b", HOWTO.read_text(encoding="utf-8")))
    assert named
    assert named <= set(known)


def test_the_howto_names_every_metric() -> None:
    text = HOWTO.read_text(encoding="utf-8")
    assert [name for name in sorted(exported()) if f"`{name}" not in text] == []


def test_the_dashboard_can_be_imported() -> None:
    content = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert content["id"] is None
    assert content["title"]
    assert [each["name"] for each in content["templating"]["list"]] == ["datasource", "host", "node"]
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    sources = re.findall(r'"uid": "([^"]*)"', DASHBOARD.read_text(encoding="utf-8"))
    assert set(sources) == {"${datasource}", content["uid"]}
    for panel in panels():
        assert panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        refs = [target["refId"] for target in panel.get("targets", [])]
        assert len(set(refs)) == len(refs)


def test_panels_do_not_cover_each_other() -> None:
    covered: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert covered.isdisjoint(cells), panel["title"]
        covered |= cells
    tops = [panel["gridPos"]["y"] for panel in panels()]
    assert all(one <= other for one, other in pairwise(tops))


def test_prometheus_understands_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"wnm:query_{number}", "expr": re.sub(r"\$(host|node)", ".*", query)}
        for number, query in enumerate(dashboard_queries())
    ]
    # JSON is YAML.
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    checked = promtool("check", "rules", file)
    assert checked.returncode == 0, checked.stderr


def test_prometheus_takes_the_rules() -> None:
    checked = promtool("check", "rules", ALERTS)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(alert_queries())} rules found" in checked.stdout


def test_the_rules_fire_when_they_should() -> None:
    checked = promtool("test", "rules", Path(__file__).with_name("alerts_test.yml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_says_what_to_do() -> None:
    text = ALERTS.read_text(encoding="utf-8")
    alerts = text.split("- alert: ")[1:]
    assert alerts
    for alert in alerts:
        assert all(word in alert for word in ("expr:", "severity:", "summary:", "remedy:")), alert
