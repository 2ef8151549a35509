"""Ports held by really bound sockets."""

import socket
import sys
from collections.abc import Iterable

import pytest

from wnm.sensors.ports import bound_ports, tried_ports

WAYS = ["kernel", "trying"] if sys.platform == "linux" else ["trying"]


def _bound(way: str, ports: Iterable[int]) -> frozenset[int]:
    if way == "kernel":
        return bound_ports([(port, port) for port in ports])
    return tried_ports(ports)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_listener_and_a_bound_udp_socket_count(way: str, address: str) -> None:
    with socket.create_server((address, 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((address, 0))
        ports = {tcp.getsockname()[1], udp.getsockname()[1]}
        assert _bound(way, ports) == ports
    assert _bound(way, ports) == frozenset()


def test_a_socket_of_ip_version_six_counts() -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as tcp:
            port = tcp.getsockname()[1]
            assert port in bound_ports([(port, port)])
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.skipif(sys.platform != "linux", reason="told apart by Linux' tables only")
def test_an_ended_connection_that_waits_for_late_packets_does_not_count() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        connection, _ = server.accept()
        connection.close()  # the side that closes first is the one that waits
        client.close()
    assert bound_ports([(port, port)]) == frozenset()


def test_ranges_hold_both_ends_and_nothing_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        port = tcp.getsockname()[1]
        assert port in bound_ports([(port, port + 3)])
        assert port in bound_ports([(port - 3, port)])
        assert port not in bound_ports([(port + 1, port + 3), (port - 3, port - 1)])
        assert bound_ports([]) == frozenset()


def test_what_is_no_port_cannot_be_bound() -> None:
    assert tried_ports([70_000]) == {70_000}
