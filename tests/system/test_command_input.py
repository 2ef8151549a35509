"""What a program is given to read, and output that is no text."""

import sys
from datetime import timedelta

from wnm.system.command import run

PATIENCE = timedelta(seconds=20)
BYTES = bytes(range(256))


def test_it_reads_what_it_is_given_to_the_end() -> None:
    """More than a pipe holds, read by a program that first writes a lot itself."""
    given = BYTES * 2000
    code = (
        "import sys; sys.stdout.write('x' * 200000); sys.stdout.flush(); print(len(sys.stdin.buffer.read()))"
    )
    assert run((sys.executable, "-c", code), PATIENCE, stdin_bytes=given).stdout.endswith(f"x{len(given)}\n")


def test_every_byte_can_come_back() -> None:
    said = run(("cat",), PATIENCE, stdin_bytes=BYTES, decode_errors="surrogateescape").stdout
    assert said.encode(errors="surrogateescape") == BYTES
