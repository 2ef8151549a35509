"""Pages of nodes that answer, hang, drip, lie or are not there."""

import socket
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from tests.sensors.servers import (
    PAGES,
    Behaviour,
    closed_port,
    dripping,
    dripping_head,
    flooding,
    hanging,
    healthy,
    page,
    resetting,
    saying,
    serving,
)

from wnm.core.node import Reachability
from wnm.core.observation import Answer, Target
from wnm.sensors.node_http import ask_all
from wnm.system.clock import SystemClock

LONG = timedelta(seconds=20)
SHORT = timedelta(seconds=0.4)
HEALTHY = Answer(
    reachable=Reachability.ANSWERS, metadata=PAGES["/metadata"], metrics=PAGES["/metrics_extended"]
)


def _ask(port: int, *, host: str = "127.0.0.1", timeout: timedelta = LONG) -> Answer:
    target = Target(id=1, host=host, port=port)
    return ask_all([target], poll_timeout=timeout, clock=SystemClock())[1]


def _ask_server(behave: Behaviour, timeout: timedelta = LONG) -> Answer:
    with serving(behave) as server:
        return _ask(server.port, timeout=timeout)


def test_nobody_to_ask() -> None:
    assert ask_all([], poll_timeout=LONG, clock=SystemClock()) == {}


def test_a_healthy_node() -> None:
    assert _ask_server(healthy) == HEALTHY


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_host_by_name_or_address(host: str) -> None:
    with serving(healthy) as server:
        assert _ask(server.port, host=host) == HEALTHY


def test_a_host_with_an_address_of_version_six() -> None:
    try:
        with serving(healthy, family=socket.AF_INET6) as server:
            assert _ask(server.port, host="::1") == HEALTHY
    except OSError:
        pytest.skip("this machine has no IPv6")


def _without_length(connection: socket.socket, path: str) -> None:
    connection.sendall(page(path, length=False))


def _in_small_pieces(connection: socket.socket, path: str) -> None:
    for byte in page(path):
        connection.sendall(bytes([byte]))


def _keeps_connection(connection: socket.socket, path: str) -> None:
    connection.sendall(page(path))
    connection.recv(1)


def _with_more_than_its_length(connection: socket.socket, path: str) -> None:
    connection.sendall(page(path) + b"and more")


@pytest.mark.parametrize(
    "behave", [_without_length, _in_small_pieces, _keeps_connection, _with_more_than_its_length]
)
def test_ways_to_send_a_page(behave: Behaviour) -> None:
    assert _ask_server(behave) == HEALTHY


def test_a_page_of_exactly_one_mebibyte_is_taken_and_one_byte_more_is_not() -> None:
    most = "x" * 1024 * 1024
    assert _ask_server(saying(page("", body=most))).metrics == most
    assert _ask_server(saying(page("", body=most, length=False))).metrics == most
    for length in (True, False):
        answer = _ask_server(saying(page("", body=most + "x", length=length)))
        assert answer.reachable is Reachability.REFUSES
        assert answer.error == "page larger than 1 MiB"


def test_bytes_that_are_no_text_are_replaced() -> None:
    answer = _ask_server(saying(b"HTTP/1.0 200 OK\r\n\r\n\xff\xfe\0"))
    assert answer.metrics == "��\0"


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (saying(page("", status="500 Oops", body="")), "status 500"),
        (saying(page("", status="404 Not Found", body="no")), "status 404"),
        (saying(page("", status="302 Found\r\nLocation: http://127.0.0.1/", body="")), "status 302"),
        (saying(b"\0\xff garbage \r\n\r\n"), "does not speak HTTP"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "does not speak HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"), "encoded"),
        (saying(), "closed before it answered"),
        (resetting, "closed before it answered"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-"), "closed before it answered"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), "closed after 5 of 10 bytes"),
        (flooding, "page larger than 1 MiB"),
        (saying(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 5000), "head larger than 16 KiB"),
    ],
)
def test_what_does_not_answer_as_a_node_refuses(behave: Behaviour, why: str) -> None:
    answer = _ask_server(behave)
    assert answer.reachable is Reachability.REFUSES
    assert answer.metadata is None
    assert answer.metrics is None
    assert why in (answer.error or "")


@pytest.mark.parametrize("behave", [hanging, dripping, dripping_head])
def test_what_is_not_complete_in_time_times_out(behave: Behaviour) -> None:
    answer = _ask_server(behave, SHORT)
    assert answer == Answer(reachable=Reachability.TIMES_OUT, error="no complete page within 0.4 s")


def test_a_full_queue_of_connections_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            assert _ask(port, timeout=SHORT).reachable is Reachability.TIMES_OUT


def test_a_closed_port_refuses() -> None:
    answer = _ask(closed_port())
    assert answer == Answer(reachable=Reachability.REFUSES, error="refused the connection")


@pytest.mark.parametrize("port", [-1, 65536, 10**12])
def test_what_is_no_port_refuses(port: int) -> None:
    answer = _ask(port)
    assert answer.reachable is Reachability.REFUSES
    assert answer.error == f"{port} is not a port"


@pytest.mark.parametrize("host", ["", "no such host", "127.0.0.1\r\nX: y", "\0", "999.1.1.1", "x" * 300])
def test_what_is_no_host_is_said(host: str) -> None:
    with serving(healthy) as server:
        answer = _ask(server.port, host=host)
    assert answer.reachable is Reachability.TIMES_OUT
    assert answer.error == f"cannot be reached: {host!r} has no address"


@pytest.mark.parametrize("works", ["/metadata", "/metrics_extended"])
@pytest.mark.parametrize("other", [hanging, dripping, saying(b"garbage\r\n\r\n"), resetting])
def test_one_page_is_an_answer(works: str, other: Behaviour) -> None:
    def behave(connection: socket.socket, path: str) -> None:
        (healthy if path == works else other)(connection, path)

    answer = _ask_server(behave, SHORT)
    assert answer.reachable is Reachability.ANSWERS
    assert (answer.metadata, answer.metrics).count(None) == 1
    assert answer.error


@pytest.mark.parametrize(
    "missing",
    [
        saying(page("", status="404 Not Found", body="no")),
        saying(page("", status="500 Oops", body="")),
        saying(),
    ],
)
def test_a_node_without_the_extended_page_gives_the_other(missing: Behaviour) -> None:
    asked: list[str] = []

    def behave(connection: socket.socket, path: str) -> None:
        asked.append(path)
        (missing if path == "/metrics_extended" else healthy)(connection, path)

    answer = _ask_server(behave)
    assert answer == Answer(
        reachable=Reachability.ANSWERS, metadata=PAGES["/metadata"], metrics=PAGES["/metrics"]
    )
    assert sorted(asked) == ["/metadata", "/metrics", "/metrics_extended"]


@pytest.mark.parametrize("rest", ["", '# TYPE shunned gauge\nshunned{time_frame="LastHour"} 2\n# EOF\n'])
def test_an_extended_page_without_the_common_figures_is_read_beside_the_other(rest: str) -> None:
    """Without the count of peers no gate could tell a node that has none."""

    def behave(connection: socket.socket, path: str) -> None:
        (saying(page("", body=rest)) if path == "/metrics_extended" else healthy)(connection, path)

    answer = _ask_server(behave)
    assert answer.metadata == PAGES["/metadata"]
    assert answer.metrics == f"{rest}\n{PAGES['/metrics']}"


def test_a_node_with_the_extended_page_is_asked_for_two() -> None:
    with serving(healthy) as server:
        assert _ask(server.port) == HEALTHY
        assert server.accepted == 2


def test_the_page_in_the_place_of_another_has_the_time_that_is_left() -> None:
    def behave(connection: socket.socket, path: str) -> None:
        if path == "/metrics_extended":
            connection.sendall(page("", status="404 Not Found", body="no"))
        else:
            hanging(connection, path)

    answer = _ask_server(behave, SHORT)
    assert answer == Answer(reachable=Reachability.TIMES_OUT, error="no complete page within 0.4 s")


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert _ask_server(healthy) == HEALTHY


def test_all_nodes_are_asked_side_by_side() -> None:
    """No server answers before all fifty have been asked: one after the other would never end."""
    count = 50
    asked: set[int] = set()
    everybody = threading.Event()

    def meeting(number: int) -> Behaviour:
        def behave(connection: socket.socket, path: str) -> None:
            asked.add(number)
            if len(asked) == count:
                everybody.set()
            everybody.wait(LONG.total_seconds())
            healthy(connection, path)

        return behave

    stack = [serving(meeting(number)) for number in range(count)]
    servers = [context.__enter__() for context in stack]
    try:
        targets = [Target(id=number, host="127.0.0.1", port=each.port) for number, each in enumerate(servers)]
        answers = ask_all(targets, poll_timeout=LONG, clock=SystemClock())
    finally:
        for context in stack:
            context.__exit__(None, None, None)
    assert answers == dict.fromkeys(range(count), HEALTHY)


def test_bad_neighbours_change_nothing_for_a_good_node() -> None:
    bad = [hanging, dripping, dripping_head, flooding, resetting, saying(b"garbage")]
    with serving(healthy) as good:
        contexts = [serving(behave) for behave in bad for _ in range(4)]
        servers = [context.__enter__() for context in contexts]
        try:
            targets = [
                Target(id=number, host="127.0.0.1", port=each.port) for number, each in enumerate(servers)
            ]
            targets.append(Target(id=1000, host="127.0.0.1", port=good.port))
            targets.append(Target(id=1001, host="127.0.0.1", port=closed_port()))
            answers = ask_all(targets, poll_timeout=timedelta(seconds=2), clock=SystemClock())
        finally:
            for context in contexts:
                context.__exit__(None, None, None)
    assert set(answers) == {target.id for target in targets}
    assert answers[1000] == HEALTHY
    assert answers[1001].reachable is Reachability.REFUSES
    assert [answers[number].reachable for number in range(8)] == [Reachability.TIMES_OUT] * 8


def test_nodes_are_begun_one_delay_apart() -> None:
    class Watching(SystemClock):
        def __init__(self) -> None:
            self.latest = 0.0

        def monotonic(self) -> float:
            self.latest = super().monotonic()
            return self.latest

    clock = Watching()
    began = clock.monotonic()
    with serving(healthy) as server:
        targets = [Target(id=number, host="127.0.0.1", port=server.port) for number in range(6)]
        answers = ask_all(targets, poll_timeout=LONG, survey_delay=timedelta(milliseconds=50), clock=clock)
    assert set(answers.values()) == {HEALTHY}
    assert clock.latest - began >= 0.25


FEW_SOCKETS = """
import resource, socket, sys, time
from datetime import timedelta
from tests.sensors.servers import hanging, healthy, serving
from wnm.core.observation import Target
from wnm.sensors.node_http import ask_all
from wnm.system.clock import SystemClock

silent = socket.create_server(("127.0.0.1", 0), backlog=128)
with serving(healthy) as good:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64 + 16, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    targets = [Target(id=n, host="127.0.0.1", port=silent.getsockname()[1]) for n in range(20)]
    targets += [Target(id=100 + n, host="127.0.0.1", port=good.port) for n in range(10)]
    began = time.monotonic()
    answers = ask_all(targets, poll_timeout=timedelta(seconds=3), clock=SystemClock())
    # One node after the other would take a minute.
    assert time.monotonic() - began < 15
assert sorted(answers) == sorted(target.id for target in targets)
assert {answers[n].reachable.name for n in range(20)} == {"TIMES_OUT"}, answers
assert {answers[100 + n].reachable.name for n in range(10)} == {"ANSWERS"}, answers
"""


def test_more_nodes_than_sockets_are_asked_in_rounds_within_the_same_time() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FEW_SOCKETS],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_no_socket_is_left_open(recwarn: pytest.WarningsRecorder) -> None:
    for behave in (healthy, hanging, dripping, resetting):
        _ask_server(behave, timedelta(seconds=0.1))
    assert [str(each.message) for each in recwarn if each.category is ResourceWarning] == []
