"""What a program is given to read, and output that is no text."""

import sys
import time
from datetime import timedelta

import pytest

from wnm.system.command import CommandFailed, run, run_attached

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


def test_who_does_not_read_what_it_is_given_is_not_waited_for() -> None:
    began = time.monotonic()
    with pytest.raises(CommandFailed, match=r"not done after 0\.5 s"):
        run_attached(
            ("sleep", "60"), input_text="x" * 1_000_000, timeout=timedelta(seconds=0.5), held_back="-"
        )
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("read", ["head -c 10", "true", "cat"])
def test_it_may_read_as_much_as_it_likes(read: str) -> None:
    argv = ("sh", "-c", f"{read} >/dev/null; echo -me no >&2; exit 7")
    done = run_attached(argv, input_text="x" * 1_000_000, timeout=PATIENCE, held_back="-me ")
    assert done == (7, "no")
