"""Real ant-nodes under wnm: they come up, are healed, come back after a reboot, and go with their keys kept."""

import json
import os
import signal
import sqlite3
from contextlib import closing

import pytest
from tests.real.conftest import OLD
from tests.real.machine import Machine


def test_nodes_come_up_are_healed_and_go(machine: Machine) -> None:
    machine.bring_up(3)
    nodes = machine.report()
    assert {node["kind"] for node in nodes} == {"ant-node"}
    assert {node["version"] for node in nodes} == {OLD}
    snapshots = [machine.nodes / node["name"] / "routing_snapshot.json" for node in nodes]
    machine.cycles_until(lambda: all(node["peer_id"] for node in machine.report()), "their peer ids")
    for node, snapshot in zip(machine.report(), snapshots, strict=True):
        if snapshot.exists():
            assert json.loads(snapshot.read_text())["owner"] == node["peer_id"]
        assert node["connected_peers"] >= 1
    before = machine.processes()
    (victim,) = before["antnode0002"]
    os.kill(victim, signal.SIGKILL)
    machine.until(lambda: "antnode0002" not in machine.processes(), "its end")
    machine.cycles_until(lambda: machine.running() == 3, "the healing")
    after = machine.processes()
    assert after["antnode0001"] == before["antnode0001"]
    assert len(after["antnode0002"]) == 1
    keys = {
        folder.name: (folder / "node_identity.key").read_bytes() for folder in machine.nodes.glob("antnode*")
    }
    assert machine.wnm("--force_action", "teardown", "--confirm").code == 0
    assert machine.processes() == {}
    kept = [file.read_bytes() for file in (machine.home / "keys").rglob("node_identity.key")]
    assert sorted(kept) == sorted(keys.values())


def test_all_come_back_after_they_were_killed_together(machine: Machine) -> None:
    machine.bring_up(3)
    for pids in machine.processes().values():
        os.kill(pids[0], signal.SIGKILL)
    machine.until(lambda: not machine.processes(), "their end")
    assert machine.cycle().code == 0
    assert [len(pids) for pids in machine.processes().values()] == [1, 1, 1]
    machine.cycles_until(lambda: machine.running() == 3, "the healing")


def test_a_reboot_is_no_failure(machine: Machine) -> None:
    machine.bring_up(3)
    for pids in machine.processes().values():
        os.kill(pids[0], signal.SIGKILL)
    machine.until(lambda: not machine.processes(), "their end")
    database = machine.home / "data" / "colony.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE machine SET boot_id = 'another'")
    machine.cycles_until(lambda: machine.running() == 3, "the return")
    assert all(node["last_error"] is None for node in machine.report())


@pytest.mark.every_program
def test_twenty_nodes(machine: Machine) -> None:
    machine.bring_up(20)
    assert sorted(len(pids) for pids in machine.processes().values()) == [1] * 20
    assert machine.cycle().code == 0
    assert machine.wnm("--force_action", "teardown", "--confirm").code == 0
    assert machine.processes() == {}
