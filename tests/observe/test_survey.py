"""The survey of real folders, files and processes; what cannot be seen is said to be unseen."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.act.fakes import FakeFirewall, FakeManager
from tests.builders import row, settings
from tests.sim.running import free_port

from wnm.core.node import Node, NodeId, Reachability, Status
from wnm.core.observation import (
    FirewallReading,
    LedgerState,
    NodeSeen,
    Observation,
    PortRule,
    ProgramReading,
    Remembered,
    Unseen,
)
from wnm.node_kinds.kinds import ANTNODE
from wnm.observe.survey import survey
from wnm.sensors.host import boot_id, read_counters
from wnm.system.clock import SystemClock
from wnm.system.files import stamp_of

CLOCK = SystemClock()
PORTS = {"port_start": 23, "metrics_port_start": 24, "poll_timeout": timedelta(seconds=0.3)}


@dataclass
class Place:
    """A storage folder with nodes in it, and what is remembered of them."""

    folder: Path
    nodes: list[Node] = field(default_factory=list)
    remembered: dict[str, Any] = field(default_factory=dict)
    manager: FakeManager = field(default_factory=FakeManager)
    rules: dict[int, str] = field(default_factory=dict)

    @property
    def storage(self) -> Path:
        return self.folder / "nodes"

    def add(self, number: int, *, key: bool = True, **changes: Any) -> Node:
        """A node with its folder, key and a program that says that it is 0.4.17."""
        node = row(number)
        root_dir = self.storage / node.name
        root_dir.mkdir(parents=True)
        node = replace(
            node,
            root_dir=str(root_dir),
            log_dir=str(self.folder / "logs" / node.name),
            program=f"{root_dir}/antnode",
        )
        if key:
            (root_dir / "secret-key").write_bytes(b"k" * 32)
        write_program(Path(node.program), "0.4.17")
        node = replace(node, metrics_port=free_port(), **changes)
        self.nodes.append(node)
        if node.status is Status.RUNNING:
            self.manager.running.add(number)
        return node

    def look(self, **changes: Any) -> Observation:
        given = {
            "node_storage": (str(self.storage),),
            "antnode_path": str(self.folder / "antnode"),
            **PORTS,
            **changes,
        }
        empty = LedgerState(
            nodes=tuple(self.nodes),
            interrupted=(),
            remembered=Remembered(),
            boot_id=boot_id(),
            counters=read_counters(CLOCK),
            available=None,
            last_cycle_at=None,
        )
        return survey(
            replace(empty, **self.remembered),
            settings(**given),
            self.manager,
            FakeFirewall(log=[], rules=self.rules),
            {ANTNODE.name: ANTNODE},
            CLOCK,
        )

    def look_at(self, number: int, **changes: Any) -> NodeSeen:
        return next(each for each in self.look(**changes).nodes if each.node.id == number)


def write_program(path: Path, version: str, *, then: str = "") -> None:
    path.write_text(f"#!/bin/sh\n{then}\necho 'Autonomi Node v{version}'\necho asked >> '{path}.asked'\n")
    path.chmod(0o755)


def times_asked(node: Node) -> int:
    asked = Path(f"{node.program}.asked")
    return len(asked.read_text().splitlines()) if asked.exists() else 0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(folder=tmp_path)


@pytest.fixture
def running_in(place: Place) -> Iterator[Sequence[str]]:
    """A process that runs as the node of a folder that no row knows of."""
    root_dir = str(place.storage / "antnode0007")
    with subprocess.Popen(
        [sys.executable, "-c", "input()", "--root-dir", root_dir], stdin=subprocess.PIPE
    ) as process:
        yield [root_dir]
        process.kill()


def test_a_node_is_as_old_as_its_key(place: Place) -> None:
    node = place.add(1)
    os.utime(f"{node.root_dir}/secret-key", (1_700_000_000, 1_700_000_000))
    assert place.look_at(1).reading.born == datetime.fromtimestamp(1_700_000_000, UTC)


def test_a_node_without_a_key_has_no_age(place: Place) -> None:
    place.add(1, key=False)
    assert place.look_at(1).reading.born is None


def test_a_missing_folder_is_seen_as_missing(place: Place) -> None:
    place.add(1)
    node = place.add(2)
    Path(node.root_dir).rename(place.folder / "elsewhere")
    seen = place.look_at(2)
    assert seen.reading.root_dir_present is False
    assert seen.reading.mount_point is None


def test_a_missing_storage_is_told_from_an_empty_one(place: Place) -> None:
    place.add(1)
    place.storage.rename(place.folder / "away")
    (gone,) = place.look().storages
    assert (gone.present, gone.empty) == (False, True)
    place.storage.mkdir()
    (empty,) = place.look().storages
    assert (empty.present, empty.empty) == (True, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_storage_that_may_not_be_read_is_unseen_not_missing(place: Place) -> None:
    place.add(1)
    place.storage.chmod(0)
    try:
        assert isinstance(place.look_at(1).reading.root_dir_present, Unseen)
    finally:
        place.storage.chmod(0o700)


def test_a_storage_that_is_a_file_is_missing(place: Place) -> None:
    place.storage.write_text("not a folder")
    (seen,) = place.look().storages
    assert seen.present is False


def test_a_program_is_asked_only_when_its_file_changed(place: Place) -> None:
    node = place.add(1, binary_version=None, binary_stamp=None)
    reading = place.look_at(1).reading.program
    assert isinstance(reading, ProgramReading)
    assert (reading.version, times_asked(node)) == ("0.4.17", 1)
    place.nodes[0] = replace(node, binary_version="0.4.17", binary_stamp=stamp_of(Path(node.program).stat()))
    place.look()
    assert times_asked(node) == 1
    write_program(Path(node.program), "0.4.18")
    again = place.look_at(1).reading.program
    assert isinstance(again, ProgramReading)
    assert (again.version, times_asked(node)) == ("0.4.18", 2)


def test_programs_that_hang_cost_a_bounded_time_together(place: Place) -> None:
    for number in range(1, 7):
        node = place.add(number, binary_version=None, binary_stamp=None)
        write_program(Path(node.program), "0.4.17", then="sleep 60")
    unasked = [
        each
        for each in place.look().nodes
        if isinstance(each.reading.program, ProgramReading)
        and isinstance(each.reading.program.version, Unseen)
        and each.reading.program.version.reason.endswith("was not asked yet")
    ]
    assert len(unasked) >= 4


def test_only_nodes_that_may_run_are_asked_for_their_pages(place: Place) -> None:
    place.add(1)
    place.add(2, status=Status.STOPPED)
    seen = {each.node.id: each.reading for each in place.look().nodes}
    assert seen[NodeId(1)].reachable is Reachability.REFUSES
    assert isinstance(seen[NodeId(1)].page, Unseen)
    assert seen[NodeId(2)].reachable is None


def test_folders_claim_their_ids_whether_or_not_a_row_knows_them(place: Place) -> None:
    place.add(1)
    for name in ("antnode0004", "antnode005", "antnode", "antnode0000", "notes", "antnode0006.bak"):
        (place.storage / name).mkdir()
    assert {claim.id for claim in place.look().claims} == {1, 4, 5}


def test_a_process_claims_its_id(place: Place, running_in: Sequence[str]) -> None:
    assert 7 in {claim.id for claim in place.look().claims}


def test_a_process_of_the_same_name_in_another_place_claims_nothing(
    place: Place, running_in: Sequence[str], tmp_path: Path
) -> None:
    other = place.look(node_storage=(str(tmp_path / "other"),))
    assert other.claims == ()


def test_last_words_are_read_of_a_node_that_ended(place: Place) -> None:
    node = place.add(1)
    place.manager.running.clear()
    log_dir = Path(node.log_dir)
    log_dir.mkdir(parents=True)
    (log_dir / "critical_failure.log").write_bytes(
        b"[2026-01-01] Node terminated due to: Hard\x1b[31mDisk\n\xff\n"
    )
    words = place.look_at(1).reading.last_words
    assert words is not None
    assert words.isprintable()


def test_the_size_of_a_folder_is_measured_now_and_then(place: Place) -> None:
    node = place.add(1)
    (Path(node.root_dir) / "record").write_bytes(b"x" * 100_000)
    measured = place.look_at(1).reading.disk_bytes
    assert isinstance(measured, int)
    assert measured >= 100_000
    place.nodes[0] = replace(node, disk_measured_at=CLOCK.now())
    assert place.look_at(1).reading.disk_bytes is None


@pytest.mark.parametrize(
    ("remembered", "rebooted"),
    [({}, False), ({"boot_id": None}, False), ({"boot_id": "another"}, True)],
    ids=["the same boot", "the first cycle", "another boot"],
)
def test_a_reboot_is_another_boot_id(place: Place, remembered: Mapping[str, Any], rebooted: bool) -> None:
    place.remembered.update(remembered)
    assert place.look().rebooted is rebooted


def test_rates_are_taken_from_the_stored_counters_or_else_from_a_short_sample(place: Place) -> None:
    earlier = read_counters(CLOCK)
    place.remembered["counters"] = replace(earlier, taken_at=earlier.taken_at - timedelta(seconds=60))
    window = place.look().machine.window_seconds
    assert window is not None
    assert window >= 60
    place.remembered["counters"] = None
    sampled = place.look().machine.window_seconds
    assert sampled is not None
    assert 0.2 <= sampled < 10


def test_ids_of_units_are_claimed_whoever_wrote_them(place: Place) -> None:
    place.manager.units = {
        "antnode0004": "/etc/systemd/system/antnode0004.service",
        "ssh": "/lib/systemd/system/ssh.service",
    }
    assert [(claim.id, claim.by) for claim in place.look().claims] == [
        (4, "the unit /etc/systemd/system/antnode0004.service")
    ]


def test_the_rules_of_the_firewall_are_seen(place: Place) -> None:
    place.rules = {55001: "wnm antnode0001"}
    seen = place.look().firewall
    assert seen == FirewallReading(active=True, own=(PortRule(port=55001, comment="wnm antnode0001"),))
