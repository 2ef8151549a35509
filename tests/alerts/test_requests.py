"""Requests to servers that behave, and to servers that do not; no error repeats the address."""

import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.sensors.servers import serving

from wnm.alerts.delivery import ask
from wnm.core.errors import Transient

SOON = timedelta(seconds=0.5)
TOKEN = "s3cret"


def answering(text: str) -> Callable[[socket.socket, str], None]:
    return lambda connection, path: connection.sendall(text.encode())


def code(status: str, *headers: str) -> Callable[[socket.socket, str], None]:
    lines = "".join(f"{each}\r\n" for each in (*headers, "Content-Length: 0"))
    return answering(f"HTTP/1.1 {status}\r\n{lines}\r\n")


def hanging(connection: socket.socket, path: str) -> None:
    while connection.recv(4096):  # a body too: closing with some of it unread would be a reset
        pass


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "202 Accepted"])
def test_a_good_answer(status: str) -> None:
    with serving(code(status)) as server:
        ask(f"http://127.0.0.1:{server.port}/{TOKEN}", SOON)
        ask(f"http://127.0.0.1:{server.port}/{TOKEN}", SOON, body=b"{}")


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (code("500 Oh"), "it answers 500 Oh"),
        (code("404 Not Found"), "it answers 404 Not Found"),
        (code("301 Moved", "Location: http://127.0.0.1:9/s3cret"), "it answers 301 Moved: give the address"),
        (code("307 Moved", "Location: /s3cret"), "it answers 307 Moved: give the address"),
        (answering("rubbish\r\n\r\n"), "it does not answer as a web server does"),
        (answering(""), "cannot be reached"),
        (answering("HTTP/1.1 500 \x1b[31m\x07red\r\n\r\n"), r"it answers 500 \[31m red"),
        (answering("HTTP/1.1 500 " + "x" * 5000 + "\r\n\r\n"), r"^it answers 500 x{100}$"),
        (answering("HTTP/1.1 200 OK\r\n" + "a: b\r\n" * 1000 + "\r\n"), "it does not answer as a web server"),
        (hanging, "it does not answer in time"),
    ],
)
@pytest.mark.parametrize("body", [None, b"{}"])
def test_a_bad_answer(behave: Callable[[socket.socket, str], None], said: str, body: bytes | None) -> None:
    with serving(behave) as server, pytest.raises(Transient, match=said) as failed:
        ask(f"http://127.0.0.1:{server.port}/{TOKEN}", SOON, body=body)
    assert TOKEN not in str(failed.value)
    assert server.accepted == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:{free}/s3cret", "it cannot be reached"),
        ("http://no-such-host.invalid/s3cret", "it cannot be reached"),
        ("http://127.0.0.1:{free}/s3cret\u00fc", "the address is not one|cannot be reached"),
        ("s3cret", "the address is not one"),
    ],
)
def test_nobody_there(url: str, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    with pytest.raises(Transient, match=said) as failed:
        ask(url.format(free=free), SOON)
    assert TOKEN not in str(failed.value)


def test_a_server_without_tls() -> None:
    def greet() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"220 mail.example.org ESMTP\r\n")
            connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(Transient, match="cannot be reached"):
            ask(f"https://127.0.0.1:{server.getsockname()[1]}/{TOKEN}", SOON)


def sent_to(url: str, body: bytes | None = None) -> tuple[bytes, bytes]:
    """Head and body of the request that a server at `{port}` of the address gets."""
    got: list[bytes] = []

    def listen() -> None:
        connection, _ = server.accept()
        with connection:
            while not b"".join(got).endswith(body or b"\r\n\r\n"):
                got.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        headers = {"Content-Type": "application/json"}
        port = server.getsockname()[1]
        ask(url.format(port=port), timedelta(seconds=5), body=body, headers=headers)
        thread.join(5)
    head, _, rest = b"".join(got).partition(b"\r\n\r\n")
    return head, rest


def test_what_is_sent() -> None:
    head, body = sent_to("http://ada:s%3Acret@127.0.0.1:{port}/hook?a=b", b'{"a": 1}')
    assert body == b'{"a": 1}'
    assert head.startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert b"Content-Type: application/json" in head
    assert b"Authorization: Basic YWRhOnM6Y3JldA==" in head


@pytest.mark.parametrize(
    ("login", "header"),
    [
        ("tok_secret", b"dG9rX3NlY3JldA=="),
        ("us:p%E2%82%AC", b"dXM6cOKCrA=="),
        ("us:p%C3%BC", b"dXM6cMO8"),
    ],
)
def test_a_login_may_be_a_token_alone_and_hold_any_character(login: str, header: bytes) -> None:
    head, _ = sent_to(f"http://{login}@127.0.0.1:{{port}}/hook")
    assert b"Authorization: Basic " + header in head.split(b"\r\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALL_PROXY", "socks5://127.0.0.1:9"), ("REQUESTS_CA_BUNDLE", "/nonexistent"), ("CURL_CA_BUNDLE", "/x")],
)
def test_what_is_meant_for_other_programs_changes_nothing(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    head, _ = sent_to("http://127.0.0.1:{port}/hook")
    assert head.startswith(b"GET /hook HTTP/1.1\r\n")


def test_no_login_is_taken_from_a_file_of_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    head, _ = sent_to("http://127.0.0.1:{port}/hook")
    assert head.startswith(b"GET /hook HTTP/1.1\r\n")
    assert b"Authorization" not in head
