"""A bad version under systemd, which itself starts again what ends: one node tries it and goes back."""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.systemd.life import PROGRAM, Life, as_root, name, offer

from wnm_sim.make_program import write_program

KEY = "secret-key"
NEEDS_OPERATOR = 3
BAD: dict[str, dict[str, object]] = {
    "it ends at its start": {"crash_loop": True},
    "it ends after some seconds": {"exit_after_seconds": 3, "exit_code": 1},
    "it refuses an old flag": {"refuse_flags": ["--log-output-dest"]},
}


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    """Three nodes of root's on a version that works."""
    root = as_root(firewall="null", delay_upgrade=0.1)
    offer()
    root.init()
    root.bring_up(3, at_most=8)
    root.one_at_a_time()
    yield root
    root.end()


def oldest(life: Life) -> int:
    """The node whose key was written first: they were started together, and any may have been the quickest."""
    return min((1, 2, 3), key=lambda number: ((life.folder(number) / KEY).stat().st_mtime, number))


def offer_bad(version: str, orders: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "antnode")
        write_program(made, version, misbehave=json.dumps(orders))
        unfinished = PROGRAM.with_name(".unfinished")
        unfinished.write_bytes(made.read_bytes())
        unfinished.chmod(0o755)
        unfinished.replace(PROGRAM)


@pytest.mark.parametrize(("number", "what"), list(enumerate(BAD)))
def test_one_node_tries_it_and_goes_back_with_its_key(life: Life, number: int, what: str) -> None:
    keys = {node_id: (life.folder(node_id) / KEY).read_bytes() for node_id in (1, 2, 3)}
    canary = oldest(life)
    others = {node_id: life.pid(node_id) for node_id in keys if node_id != canary}
    was = life.versions()
    version = f"0.4.{30 + number}"
    offer_bad(version, BAD[what])
    deadline = time.monotonic() + 60
    told = life.run()
    while not (told.code == NEEDS_OPERATOR and set(life.statuses().values()) == {"RUNNING"}):
        assert time.monotonic() < deadline, told
        time.sleep(1)
        told = life.run()
    assert f"{version} is halted" in told.err
    assert f"{name(canary)} failed its gate" in life.run("status", env={"COLUMNS": "400"}).out.replace(
        "\n", " "
    )
    assert life.versions() == was
    assert {node_id: life.pid(node_id) for node_id in others} == others
    assert {node_id: (life.folder(node_id) / KEY).read_bytes() for node_id in keys} == keys
    assert life.disagreements() == []


def test_a_version_that_works_lifts_it_and_reaches_all(life: Life) -> None:
    offer("0.4.40")
    deadline = time.monotonic() + 120
    while life.versions() != ["0.4.40"] * 3 or set(life.statuses().values()) != {"RUNNING"}:
        assert time.monotonic() < deadline, life.run("explain").out
        time.sleep(1)
        assert life.run().code == 0
    kept = [path for number in (1, 2, 3) for path in life.folder(number).glob("*.previous")]
    assert kept == []
