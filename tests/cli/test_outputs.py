"""Files for other programs after each cycle: the real program, real files, and never at the cost of a cycle."""

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.cli.operator import Operator
from tests.formats.influx_reader import read_points
from tests.views.promtool import promtool
from tests.views.test_influx_resources import FIELDS

FOR_FILES = {"wnm.views.prometheus"}


@pytest.fixture
def folder(operator: Operator) -> Path:
    """A folder that other programs read."""
    made = operator.home / "for others"
    made.mkdir()
    return made


def metrics(file: Path) -> dict[str, list[float]]:
    """The values of every metric in a file."""
    found: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(file.read_text()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.value)
    return found


def loaded(operator: Operator) -> set[str]:
    """The modules of wnm that a cycle imports."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", *operator.command()],
        env=operator.environment(),
        cwd=operator.home,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}


def test_a_cycle_writes_what_the_reports_say(operator: Operator, folder: Path) -> None:
    text, targets = folder / "wnm.prom", folder / "nodes.json"
    operator.bring_up(2, prometheus_textfile=text, prometheus_targets=targets)
    assert sorted(each.name for each in folder.iterdir()) == ["nodes.json", "wnm.prom"]
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o644}
    assert text.read_text() == operator.run("--report", "prometheus").out
    found = metrics(text)
    assert found["wnm_node_up"] == [1, 1]
    assert found["wnm_node_reachable"] == [1, 1]
    assert sum(found["wnm_nodes"]) == 2
    for entry in json.loads(targets.read_text()):
        (target,) = entry["targets"]
        with urllib.request.urlopen(f"http://{target}/metrics", timeout=10) as page:
            assert b"ant_node_uptime" in page.read()
    before = found["wnm_cycles_total"]
    operator.good_cycle()
    assert metrics(text)["wnm_cycles_total"] == [before[0] + 1]


def test_promtool_takes_the_file_of_a_real_machine(operator: Operator, folder: Path) -> None:
    text = folder / "wnm.prom"
    operator.bring_up(1, prometheus_textfile=text)
    checked = promtool("check", "metrics", given=text.read_text())
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_points_for_the_dashboards_of_a_real_machine(operator: Operator) -> None:
    operator.bring_up(2)
    points = read_points(operator.run("--report", "influx-resources").out)
    nodes = [point for point in points if point.measurement == "nodes"]
    assert [point.tags for point in nodes] == [{"id": "0001"}, {"id": "0002"}]
    for point in nodes:
        assert point.fields["status"] == "Running"
        assert point.fields["version"] == "0.4.17"
        assert isinstance(point.fields["rewards"], float)
        assert isinstance(point.fields["networ_size"], int)
        assert set(point.fields) == set(FIELDS)
        assert point.fields["max_records"] == 16384


def test_a_node_that_hangs_does_not_hold_up_the_points(operator: Operator) -> None:
    (pid, _) = operator.bring_up(2)
    os.kill(pid, signal.SIGSTOP)
    try:
        hung, answers = read_points(operator.run("--report", "influx-resources").out)[:2]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert hung.fields["status"] == answers.fields["status"] == "Running"
    assert "gets" not in hung.fields
    assert set(answers.fields) == set(FIELDS)


@pytest.mark.parametrize("report", ["prometheus", "influx-resources"])
def test_texts_for_programs_come_as_texts_only(settled: Operator, report: str) -> None:
    refused = settled.run("--report", report, "--json")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == f"wnm: {report} does not come as 'json': use text\n"


def test_without_an_output_a_cycle_pays_nothing(operator: Operator, folder: Path) -> None:
    operator.init(node_cap=0)
    assert loaded(operator).isdisjoint(FOR_FILES)
    operator.good_cycle("--prometheus_textfile", folder / "wnm.prom")
    assert loaded(operator) & FOR_FILES == FOR_FILES


def test_no_output_lays_out_text_for_people(operator: Operator, folder: Path) -> None:
    operator.init(node_cap=0, prometheus_textfile=folder / "wnm.prom", status_page=folder / "page.html")
    assert not {name for name in loaded(operator) if name.partition(".")[0] in ("rich", "textual")}
    assert (folder / "page.html").exists()


def test_it_is_kept_and_can_be_turned_off(operator: Operator, folder: Path) -> None:
    text = folder / "wnm.prom"
    operator.init(node_cap=0)
    operator.good_cycle("--prometheus_textfile", text)
    one = metrics(text)["wnm_cycles_total"]
    operator.good_cycle()
    assert metrics(text)["wnm_cycles_total"] == [one[0] + 1]
    operator.good_cycle("--prometheus_textfile", "")
    operator.good_cycle()
    assert metrics(text)["wnm_cycles_total"] == [one[0] + 1]


def test_a_problem_is_a_warning_and_costs_neither_the_cycle_nor_the_others(
    operator: Operator, folder: Path
) -> None:
    foreign, missing, targets = folder / "precious.prom", folder / "no folder", folder / "nodes.json"
    foreign.write_text("precious")
    operator.init(node_cap=0, prometheus_textfile=foreign, prometheus_targets=targets)
    refused = operator.good_cycle()
    (line,) = [line for line in refused.lines if "prometheus" in line]
    assert f"prometheus_textfile: {foreign} was not written by wnm: move it away" in line
    assert foreign.read_text() == "precious"
    assert json.loads(targets.read_text())
    gone = operator.good_cycle("--prometheus_textfile", missing / "wnm.prom")
    assert any(f"there is no folder {missing}" in line for line in gone.lines)
    assert not missing.exists()


def test_a_dry_run_writes_nothing(operator: Operator, folder: Path) -> None:
    operator.init(node_cap=0)
    operator.run("--dry_run", "--prometheus_textfile", folder / "wnm.prom")
    assert list(folder.iterdir()) == []


def test_a_kill_in_the_middle_leaves_a_whole_file(operator: Operator, folder: Path) -> None:
    text = folder / "wnm.prom"
    operator.bring_up(1, prometheus_textfile=text)
    seconds = operator.good_cycle().seconds
    chance = random.Random(7)
    for _ in range(8):
        cycle = operator.begin()
        time.sleep(seconds * (0.4 + 0.6 * chance.random()))
        cycle.kill()
        cycle.communicate()
        lines = text.read_text()
        assert lines.startswith("# Written by wnm")
        assert lines.endswith("\n")
        assert metrics(text)["wnm_nodes"]
    operator.good_cycle()
    assert [each.name for each in folder.iterdir()] == ["wnm.prom"]


def test_a_teardown_takes_the_files_away(operator: Operator, folder: Path) -> None:
    operator.bring_up(1, prometheus_textfile=folder / "wnm.prom", prometheus_targets=folder / "nodes.json")
    assert len(list(folder.iterdir())) == 2
    operator.good_cycle("--force_action", "teardown", "--confirm")
    assert list(folder.iterdir()) == []
