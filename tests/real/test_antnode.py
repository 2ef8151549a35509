"""The program of the first network under wnm: its life, and a rolling upgrade through the health gate."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.conftest import program
from tests.real.machine import WALLET, Machine

pytestmark = pytest.mark.every_program
OLD, NEW = "0.4.16", "0.4.17"
PORT, METRICS = 24001, 34001
ASK = """\
import re, urllib.request
page = urllib.request.urlopen("http://127.0.0.1:34001/metadata", timeout=5).read().decode()
print(re.search(r'peer_id="(\\w+)"', page)[1])
"""


@pytest.fixture
def first_network(tmp_path: Path) -> Iterator[Machine]:
    """A closed network with a first antnode; the older release is what is offered."""
    old = program("antnode", OLD)
    machine = Machine(home=tmp_path / "home", kind="antnode")
    machine.begin()
    try:
        root = machine.home / "genesis"
        words = (
            *(str(old), "--first", "--local", "--no-upnp", "--root-dir", str(root), "--port", str(PORT)),
            *("--log-output-dest", str(root / "logs"), "--metrics-server-port", str(METRICS)),
            *("--enable-metrics-server", "--rewards-address", WALLET, "evm-arbitrum-one"),
        )
        with (machine.home / "genesis.out").open("wb") as output:
            machine.started.append(
                subprocess.Popen(
                    machine.as_operator(*words), stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )
            )
        machine.offer(old)
        yield machine
    finally:
        machine.end()


def peer_of(machine: Machine) -> str:
    """The peer id of the first node, from its page."""
    asked: list[str] = []

    def answers() -> bool:
        ran = subprocess.run(
            machine.inside(sys.executable, "-c", ASK), capture_output=True, text=True, check=False
        )
        asked[:] = [ran.stdout.strip()]
        return ran.returncode == 0

    machine.until(answers, "the page of the first node")
    return asked[0]


def test_its_life_and_a_rolling_upgrade(first_network: Machine) -> None:
    machine = first_network
    new = program("antnode", NEW)
    peer = f"/ip4/127.0.0.1/udp/{PORT}/quic-v1/p2p/{peer_of(machine)}"
    machine.bring_up(3, start_args=f"--local --peer {peer}", environment="")
    machine.cycles_until(lambda: all(node["connected_peers"] for node in machine.report()), "peers")
    (victim,) = machine.processes()["antnode0002"]
    os.kill(victim, signal.SIGKILL)
    machine.cycles_until(lambda: machine.running() == 3 and len(machine.processes()) == 3, "the healing")
    machine.offer(new)
    machine.cycles_until(
        lambda: machine.versions() == [NEW] * 3 and machine.running() == 3, "the upgrade", seconds=240
    )
    assert machine.wnm("--force_action", "teardown", "--confirm").code == 0
    assert machine.processes() == {}
