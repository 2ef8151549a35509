"""The head of an HTTP/1 response, read as far as a plain GET of a small page needs it."""

import re

from msgspec import Struct

from wnm.core.errors import Transient

LONGEST_BODY_BYTES = 1024 * 1024
_LONGEST_HEAD_BYTES = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})(?![0-9])")
_CONTENT_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([^\r\n]*)", re.IGNORECASE)
_ENCODED = re.compile(rb"\n(transfer|content)-encoding:[ \t]*(?!identity\b)\S", re.IGNORECASE)


class Unusable(Transient):
    """An answer that is not a plain HTTP page; the text says why."""


class Head(Struct, frozen=True, kw_only=True):
    """Where the body begins among the received bytes, and its length; None means until the end."""

    body_at: int
    body_bytes: int | None


def read_head(received: bytes | bytearray) -> Head | None:
    """The head of a response with status 200; None while it is incomplete. Raises Unusable."""
    end, gap = received.find(b"\r\n\r\n"), 4
    if end < 0:
        end, gap = received.find(b"\n\n"), 2
    if not received.startswith(b"HTTP/"[: len(received)]):
        raise Unusable("what listens there does not speak HTTP")
    if end < 0 and len(received) <= _LONGEST_HEAD_BYTES:
        return None
    if end < 0 or end > _LONGEST_HEAD_BYTES:
        raise Unusable("head larger than 16 KiB")
    head = bytes(received[:end])
    status = _STATUS_LINE.match(head)
    if status is None:
        raise Unusable("what listens there does not speak HTTP/1")
    if status[1] != b"200":
        raise Unusable(f"status {status[1].decode()}")
    if _ENCODED.search(head):
        raise Unusable("encoded, although a plain page was asked for")
    return Head(body_at=end + gap, body_bytes=_body_bytes(head))


def _body_bytes(head: bytes) -> int | None:
    found = _CONTENT_LENGTH.search(head)
    if found is None:
        return None
    digits = found[1].strip()
    if not digits.isdigit():
        raise Unusable("its length is not a number")
    if len(digits) > 20 or int(digits) > LONGEST_BODY_BYTES:
        raise Unusable("page larger than 1 MiB")
    return int(digits)
