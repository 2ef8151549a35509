"""One process serves the pages of many nodes."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.sim.running import get

from wnm_sim.many import main, parse_ports

NODES = 200


@pytest.fixture
def ports() -> list[int]:
    """As many free ports as there are nodes, all held at once so that they differ."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(NODES)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return sorted(int(probe.getsockname()[1]) for probe in probes)


@pytest.fixture
def served(ports: list[int]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "wnm_sim.many", "--version", "0.4.16"]
    command += ["--metrics-ports", ",".join(map(str, ports))]
    command += ["--misbehave", f"{ports[1]}=hang", "--misbehave", f"{ports[2]}=refuse"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"ready: {NODES} metrics pages\n"
        yield process
        process.kill()


def test_every_node_has_pages_of_its_own(served: subprocess.Popen[str], ports: list[int]) -> None:
    names = set()
    for port in (ports[0], *ports[3:]):
        status, body = get(port, "/metadata")
        assert status == 200
        assert b'antnode_version="0.4.16"' in body
        names.update(re.findall(rb"12D3KooW\w{44}", body))
    assert len(names) == NODES - 2
    assert 40_000 < len(get(ports[-1], "/metrics")[1]) < 60_000
    assert get(ports[0], "/else") == (404, b"")
    with pytest.raises(TimeoutError):
        get(ports[1], "/metadata", 0.3)
    with pytest.raises(ConnectionRefusedError):
        get(ports[2], "/metadata")
    served.send_signal(signal.SIGTERM)
    assert served.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("text", "ports"),
    [("13001", [13001]), ("13001-13003", [13001, 13002, 13003]), ("7,3-5,4", [3, 4, 5, 7])],
)
def test_ports_are_numbers_and_ranges(text: str, ports: list[int]) -> None:
    assert parse_ports(text) == ports


@pytest.mark.parametrize("text", ["", "x", "0", "5-3", "65535-65536", "1-2-3"])
def test_ports_must_be_possible(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_ports(text)


def test_an_unknown_mode_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--metrics-ports", "13001", "--misbehave", "13001=sing"])
    assert refused.value.code == 2
