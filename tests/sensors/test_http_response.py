"""Heads of HTTP responses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wnm.sensors.node_http import Head, Unusable, read_head

GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCONTENT-length:  12 \r\n\r\nhello"


def test_a_plain_head() -> None:
    assert read_head(GOOD) == Head(body_at=GOOD.index(b"hello"), body_bytes=12)


def test_without_a_length_the_body_goes_on_until_the_end() -> None:
    assert read_head(b"HTTP/1.0 200 Fine\nServer: x\n\nbody") == Head(body_at=29, body_bytes=None)


@pytest.mark.parametrize("length", range(GOOD.index(b"hello")))
def test_every_beginning_of_a_head_is_waited_for(length: int) -> None:
    assert read_head(GOOD[:length]) is None


@pytest.mark.parametrize(
    ("received", "why"),
    [
        (b"HTTP/1.1 500 Oops\r\n\r\n", "status 500"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/2 200\r\n\r\n", "does not speak HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
        (b"\x16\x03\x01", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "encoded"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", "encoded"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "length is not a number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "length is not a number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", "page larger than 1 MiB"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "page larger than 1 MiB"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000, "head larger than 16 KiB"),
    ],
)
def test_what_is_no_plain_page_is_refused(received: bytes, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        read_head(received)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=80).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail))
def test_any_bytes_are_a_head_or_awaited_or_refused(received: bytes) -> None:
    try:
        head = read_head(received)
    except Unusable:
        return
    assert head is None or head.body_at <= len(received)
