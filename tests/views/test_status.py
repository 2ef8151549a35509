"""`wnm status` on narrow and wide terminals, on machines of every size, with and without colours."""

import os
import pty
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.builders import disk, hung, limits, node, settings
from tests.views.builders import colony, failing, healthy, held, material, unread
from tests.views.test_formats import HOSTILE, MACHINES

from wnm.app.read import status_of
from wnm.app.terminal import Terminal
from wnm.core.node import Status
from wnm.views.explain import last_cycle_line
from wnm.views.material import Material
from wnm.views.status import MOST_NODES_IN_FULL, overview
from wnm.views.text import plain

LONG = "the process manager said: " + "a word and another " * 20
BUSY = material(
    (
        healthy(1, version="0.4.18-rc.1"),
        healthy(2, version="nightly 2026.02.23", disk_bytes=999_900_000_000),
        failing(3, error=LONG),
        hung(9999, Status.RESTARTING),
        node(5, Status.DISABLED),
        unread(6),
    ),
    wished=settings(node_cap=50, netio_read_less_than=10**9, netio_read_remove=2 * 10**9, **limits(2)),
    netio_read_bytes_per_second=1.23e9,
    disks=(disk("/mnt/a-disk-with-a-rather-long-name/for-nodes", used=69.95), disk("/", used=20.0)),
)


def shown(of: Material, width: int = 80) -> str:
    return plain(status_of(of, Terminal(width=width))) + "\n"


def words(text: str) -> list[str]:
    """The words of a line; bars are none."""
    return [each for each in text.split() if not set(each) & set("#?") or set(each) - set("#-|?")]


@pytest.mark.parametrize("width", [80, 100, 109, 110, 132, 200])
@pytest.mark.parametrize("of", [BUSY, *MACHINES.values()], ids=["busy", *MACHINES])
def test_no_line_is_wider_than_the_terminal(of: Material, width: int) -> None:
    assert max(len(line.rstrip()) for line in shown(of, width).splitlines()) <= width


def test_80_columns_cut_no_word_of_the_tables() -> None:
    text = shown(BUSY)
    lines = text.splitlines()
    head = next(line for line in lines if line.startswith("name"))
    assert words(head) == ["name", "status", "process", "reachable", "version", "peers", "records", "disk"]
    assert "…" not in text
    for whole in (
        "antnode9999",
        "RESTARTING",
        "times out",
        "0.4.18-rc.1",
        "999.9 GB",
        "grows below",
        "1.2 GB/s",
    ):
        assert whole in text
    assert len([line for line in lines if line.startswith("antnode")]) == 6 + len(overview(BUSY).concerns)
    assert "runs 0.4.18-rc.1, has 0.4.7 on disk: antnode0001" in lines


def test_every_word_of_the_last_line_is_whole_at_80_columns() -> None:
    of = material(colony(1), wished=settings(node_cap=50), cpu=75.0)
    last = last_cycle_line(of).split()
    assert last == words(shown(of))[-len(last) :]


def test_a_narrow_terminal_tells_errors_below_and_a_wide_one_in_the_table() -> None:
    of = material((failing(1, error="it ran out of memory"), healthy(2)))
    narrow, wide = shown(of, 80).splitlines(), shown(of, 140).splitlines()
    assert "antnode0001: it ran out of memory" in narrow
    assert (
        next(line for line in wide if line.startswith("antnode0001"))
        .rstrip()
        .endswith("it ran out of memory")
    )
    assert not any(line.startswith("antnode0001:") for line in wide)


def test_gauges_stand_beside_both_limits() -> None:
    line = next(line for line in shown(material()).splitlines() if line.startswith("cpu"))
    assert words(line) == ["cpu", "20.0", "%", "70.0", "%", "80.0", "%"]


def test_what_was_not_seen_is_not_0() -> None:
    text = shown(MACHINES["nothing seen"])
    assert words(next(line for line in text.splitlines() if line.startswith("memory")))[1:3] == [
        "not",
        "seen",
    ]


def test_a_clock_that_was_set_back_is_told() -> None:
    of = material(colony(1))
    assert "the clock was set back" not in shown(of)
    earlier = replace(of, generated_at=of.generated_at - timedelta(hours=3))
    assert "as seen in 3 h: the clock was set back since" in shown(earlier)


def test_a_long_name_leaves_room_for_all_else_and_keeps_its_end() -> None:
    first, second = failing(1, error=LONG), healthy(2)
    names = [f"com.example.somebody-elses-own-manager.node-{number}" for number in (1, 2)]
    nodes = [
        replace(each, node=replace(each.node, name=name))
        for each, name in zip((first, second), names, strict=True)
    ]
    lines = shown(material(nodes)).splitlines()
    assert max(map(len, lines)) <= 80
    assert {line.split()[0].rstrip(":") for line in lines if line.startswith("com.")} == {
        "com.examp...r.node-1",
        "com.examp...r.node-2",
    }


def test_up_to_sixty_nodes_are_listed() -> None:
    lines = shown(material(colony(MOST_NODES_IN_FULL))).splitlines()
    assert sum(line.startswith("antnode") for line in lines) == MOST_NODES_IN_FULL


def test_more_are_summarised_with_those_that_need_a_look() -> None:
    sick: list[Any] = [failing(7), hung(90)]
    nodes = (*(each for each in colony(200) if each.node.id not in (7, 90)), *sick)
    text = shown(material(nodes))
    assert text.startswith("199 of 200 nodes running, cap 200; 1 STOPPED")
    assert {line.split()[0].rstrip(":") for line in text.splitlines() if line.startswith("antnode")} == {
        "antnode0007",
        "antnode0090",
    }


def test_when_all_are_well_the_summary_says_so() -> None:
    text = shown(material(colony(200)))
    assert "no node needs a look" in text
    assert not [line for line in text.splitlines() if line.startswith("antnode")]
    assert "program: /opt/antnode is 0.4.7" in text


def test_even_those_that_need_a_look_do_not_fill_the_screen() -> None:
    text = shown(material([failing(number) for number in range(1, 201)]))
    assert "and 180 more to look at: wnm status --all" in text
    assert len(text.splitlines()) < 70


def test_remedies_are_printed_in_full() -> None:
    of = material(of_cycle=None)
    assert "run wnm once" in shown(of)
    remedy = "mount the disk again"
    cycle = MACHINES["one node"].cycle
    assert cycle is not None
    of = material(colony(1), of_cycle=type(cycle)(**{**_fields(cycle), "held": (held(remedy=remedy),)}))
    assert f"needs you: {remedy}" in shown(of)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def test_a_hostile_error_is_neither_obeyed_nor_read_as_markup() -> None:
    text = shown(material((failing(1, error=f"[bold red]:smile: {HOSTILE}"),)), 200)
    assert "[bold red]:smile: a'b" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_no_colours_where_there_is_no_terminal() -> None:
    assert "\x1b" not in shown(BUSY)


SCRIPT = """
import sys
from tests.views.test_status import BUSY
from wnm.app.invocation import Report
from wnm.app.read import status_of
from wnm.app.terminal import terminal_of
from wnm.cli.main import show
show(Report(text=status_of(BUSY, terminal_of(sys.stdout))))
"""


def on_terminal(**environment: str) -> bytes:
    """What a terminal gets to see."""
    ours, theirs = pty.openpty()
    base = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "PYTHONPATH")
    }
    path = os.pathsep.join(filter(None, sys.path))
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**base, "TERM": "xterm-256color", "PYTHONPATH": path, "COLUMNS": "80", **environment},
    )
    os.close(theirs)
    seen = b""
    while chunk := _read(ours):
        seen += chunk
    os.close(ours)
    assert child.stderr is not None
    complaints = child.stderr.read()
    child.stderr.close()
    assert child.wait() == 0, complaints
    return seen


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other end is closed
        return b""


def test_a_terminal_gets_colours() -> None:
    assert b"\x1b[32mRUNNING" in on_terminal()


def test_no_color_is_honoured_on_a_terminal() -> None:
    seen = on_terminal(NO_COLOR="1")
    assert b"RUNNING" in seen
    assert not any(f"\x1b[{code}m".encode() in seen for code in (31, 32, 33, 36))
