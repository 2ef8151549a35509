"""`wnm serve` as an operator runs it: what it answers, whom, and how it ends."""

import http.client
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.cli.operator import Operator
from tests.page.viewer import Browser, require_browser

from wnm.cli.parse import parse
from wnm.core.errors import BadInput

ADDRESS = "127.0.0.1"
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator with a database and one cycle; some tests run another one."""
    made = Operator(home=tmp_path_factory.mktemp("served") / "home")
    try:
        made.settle_in()
        made.init(node_cap=0)
        made.good_cycle()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def port(operator: Operator) -> Iterator[int]:
    """The port of a `wnm serve` that all tests share which only ask."""
    with serving(operator) as (found, _):
        yield found


@contextmanager
def serving(operator: Operator, *words: object) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A running `wnm serve` and its port."""
    process = operator.begin("serve", "--port", 0, *words)
    assert process.stdout is not None
    found = re.fullmatch(
        r"wnm: the status page is at http://127\.0\.0\.1:(\d+)/\n", process.stdout.readline()
    )
    assert found is not None
    yield int(found[1]), process
    process.terminate()
    process.communicate(timeout=PATIENCE_SECONDS)


def ask(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """A request, with these headers instead of the ordinary ones."""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def test_what_it_answers(operator: Operator) -> None:
    before = operator.database.read_bytes()
    with serving(operator) as (port, _):
        code, headers, text = ask(port)
        assert (code, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "<h1>All is well; there are no nodes yet</h1>" in text
        code, headers, text = ask(port, "/status.json")
        assert (code, headers["Content-Type"]) == (200, "application/json")
        assert (json.loads(text)["schema"], json.loads(text)["nodes"]) == (1, [])
        code, _, text = ask(port, "/healthz")
        assert (code, text.split(":")[0]) == (200, "ok")
        code, _, text = ask(port, "/?whatever=1")
        assert code == 200
    assert operator.database.read_bytes() == before
    assert {path.name for path in operator.database.parent.iterdir()} == {"colony.db", "wnm_active"}


def test_what_it_says_of_itself_in_every_answer(port: int) -> None:
    for path in ("/", "/status.json", "/nothing"):
        _, headers, _ = ask(port, path)
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Server"] == "wnm"
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/index.html", "/../etc/passwd", "/status.json/", "/healthz%00", "*"])
def test_nothing_else_is_there(port: int, path: str) -> None:
    assert ask(port, path)[0] == 404


@pytest.mark.parametrize("target", [b"http://[", b"http://other.example/"])
def test_an_address_is_no_path(port: int, target: bytes) -> None:
    with socket.create_connection((ADDRESS, port), PATIENCE_SECONDS) as line:
        line.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert line.recv(1000).split(b" ")[1] == b"404"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_nothing_but_looking(port: int, method: str) -> None:
    code, headers, _ = ask(port, method=method)
    assert (code, headers["Allow"]) == (405, "GET, HEAD")


def test_a_head_is_the_same_without_the_text(port: int) -> None:
    code, headers, text = ask(port, method="HEAD")
    assert (code, text) == (200, "")
    assert int(headers["Content-Length"]) > 10_000


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1", 200),
        ("localhost", 200),
        ("LOCALHOST:8966", 200),
        ("localhost:1", 200),
        ("rebound.example:8966", 421),
        ("127.0.0.1.example", 421),
        ("localhost.example", 421),
        ("localhost:8966@example", 421),
        ("", 421),
    ],
)
def test_only_names_that_nobody_can_give_away(port: int, host: str, code: int) -> None:
    found, _, text = ask(port, "/status.json", Host=host)
    assert found == code
    assert ("nodes" in text) == (code == 200)


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n"]
)
def test_a_request_without_a_name_or_with_two(port: int, request_: bytes) -> None:
    with socket.create_connection((ADDRESS, port), PATIENCE_SECONDS) as line:
        line.sendall(request_)
        assert line.recv(1000).split(b" ")[1] == b"421"


def test_no_other_machine_reaches_it(port: int) -> None:
    others = [
        address.address
        for interface in psutil.net_if_addrs().values()
        for address in interface
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]
    for other in others:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((other, port), PATIENCE_SECONDS)


def test_it_sees_the_next_cycle(operator: Operator) -> None:
    with serving(operator) as (port, _):
        before = json.loads(ask(port, "/status.json")[2])["observed_at"]
        operator.good_cycle()
        deadline = 100
        while json.loads(ask(port, "/status.json")[2])["observed_at"] == before:
            deadline -= 1
            assert deadline
            signal.sigtimedwait((), 0.1)


def test_a_database_that_goes_away_is_told_and_survived(operator: Operator) -> None:
    with serving(operator) as (port, process):
        aside = operator.database.rename(operator.database.with_name("aside"))
        code, _, text = ask(port)
        assert (code, text.startswith("wnm: ")) == (503, True)
        assert text.count("\n") == 1
        aside.rename(operator.database)
        assert ask(port, "/status.json")[0] == 200
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, len(errors.splitlines())) == (0, 1)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_while_somebody_is_connected(operator: Operator, ending: signal.Signals) -> None:
    with serving(operator) as (port, process), socket.create_connection((ADDRESS, port)) as line:
        line.sendall(b"GET / HTTP/1.1\r\n")
        process.send_signal(ending)
        out, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, out, errors) == (0, "", "")


def test_a_port_that_is_taken(operator: Operator) -> None:
    with socket.create_server((ADDRESS, 0)) as taken:
        port = taken.getsockname()[1]
        result = operator.run("serve", "--port", port)
    assert (result.code, result.out) == (3, "")
    assert result.err == (
        f"wnm: port {port} of 127.0.0.1 is taken by another program: "
        "choose another one with --port N, or --port 0 for one that is free\n"
    )


def test_without_a_database(tmp_path: Path) -> None:
    result = Operator(home=tmp_path).run("serve", "--port", 0)
    assert (result.code, result.out) == (3, "")
    assert "wnm --init" in result.err


@pytest.mark.parametrize("text", ["-1", "65536", "http", ""])
def test_a_port_that_is_none(text: str) -> None:
    with pytest.raises(BadInput, match="--port"):
        parse(["serve", f"--port={text}"])


def test_a_port_is_for_serve_alone() -> None:
    assert parse(["serve", "--port", "0"]).port == 0
    with pytest.raises(BadInput, match="--port only goes with serve"):
        parse(["status", "--port", "1"])


def test_a_browser_sees_it_without_a_complaint(port: int, request: pytest.FixtureRequest) -> None:
    require_browser()
    chromium: Browser = request.getfixturevalue("chromium")
    with chromium.view(f"http://{ADDRESS}:{port}/", now=None) as view:
        assert view.shows("h1") == ["All is well; there are no nodes yet"]
        assert (view.complaints, view.requests) == ([], [])
