"""`wnm watch` on a real terminal: what it shows, its keys, and that the terminal is given back whatever happens."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.cli.operator import WNM
from tests.cli.screens import Terminal, environment
from tests.views.past import Past, remember

from wnm.core.node import Status
from wnm.storage.database import open_for_writing
from wnm.storage.ledger import Ledger

ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"
type Watch = Callable[..., Terminal]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """Twenty nodes, the last cycle half a minute ago."""
    return remember(tmp_path_factory.mktemp("past") / "colony.db", datetime.now(UTC) - timedelta(seconds=30))


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """Starts `wnm watch` on a terminal."""
    started: list[Terminal] = []

    def start(past: Past, *words: str, columns: int = 80, rows: int = 24, **more: str) -> Terminal:
        argv = [str(WNM), "watch", "--dbpath", past.path, "--every", "0.5", *words]
        started.append(Terminal(argv, environment(tmp_path, **more), columns=columns, rows=rows))
        return started[-1]

    yield start
    for each in started:
        each.__exit__(None, None, None)


def names(terminal: Terminal) -> list[str]:
    """The nodes that are visible, from the top."""
    return [line.split()[0] for line in terminal.lines if line.startswith("antnode")]


def chosen(terminal: Terminal) -> str:
    """The first word of the selected line."""
    for number in range(terminal.screen.lines):
        row = terminal.screen.buffer[number]
        if all(row[column].reverse for column in range(20)):
            return terminal.lines[number].split()[0]
    return ""


def test_the_whole_machine_at_80_columns(past: Past, watch: Watch) -> None:
    terminal = watch(past)
    text = terminal.until_shown("antnode0001", "q quit")
    first = terminal.lines[0]
    assert first.startswith("19 of 20 nodes running, cap 23; 1 STOPPED")
    assert " ago" in first
    for word in (
        "cpu ",
        "74.2 %",
        "disk /mnt/",
        "name ",
        "status",
        "process",
        "reachable",
        "version",
        "records",
    ):
        assert word in text
    assert len(terminal.lines) == 24
    assert "1/20" in terminal.lines[-1]


def test_more_columns_where_there_is_room(past: Past, watch: Watch) -> None:
    terminal = watch(past, columns=200, rows=50)
    text = terminal.until_shown("antnode0020", "q quit")
    assert len(names(terminal)) == 20
    for word in ("ANT today", "last action", "uptime", "stopped 13 h ago", "cpu is 83.1 % (limit 80.0 %)"):
        assert word in text


def test_keys_select_and_sort(past: Past, watch: Watch) -> None:
    terminal = watch(past)
    terminal.until_shown("q quit")
    terminal.press("\x1b[Bj\x1bOB")
    terminal.until(lambda it: chosen(it) == "antnode0004")
    terminal.press("kG")
    terminal.until(lambda it: chosen(it) == "antnode0020")
    assert names(terminal)[-1] == "antnode0020"
    terminal.press("\x1b[5~")
    terminal.until(lambda it: chosen(it) != "antnode0020")
    terminal.press("g")
    terminal.until(lambda it: chosen(it) == "antnode0001")
    terminal.press("r")
    terminal.until_shown("by name, reversed")
    terminal.until(lambda it: names(it)[-1] == "antnode0001")
    terminal.press("s")
    terminal.until_shown("by status ")


def test_the_selected_node_stays_selected_when_the_order_changes(past: Past, watch: Watch) -> None:
    terminal = watch(past)
    terminal.until_shown("q quit")
    terminal.press("jj")
    terminal.until(lambda it: chosen(it) == "antnode0003")
    terminal.press("sr")
    terminal.until_shown("by status, reversed")
    assert chosen(terminal) == "antnode0003"


def test_a_filter_is_typed_and_taken_away(past: Past, watch: Watch) -> None:
    terminal = watch(past)
    terminal.until_shown("q quit")
    terminal.press("/STOPqx")
    terminal.until_shown("filter: STOPqx_", "no node matches the filter")
    terminal.press("\x7f\x7f")
    terminal.until(lambda it: names(it) == ["antnode0017"])
    terminal.press("\r")
    terminal.until_shown("only STOP")
    terminal.press("\x1b")
    terminal.until(lambda it: len(names(it)) > 10)


def test_enter_tells_the_story_of_a_node_and_esc_goes_back(past: Past, watch: Watch) -> None:
    terminal = watch(past, "--filter", "stopped")
    terminal.until(lambda it: names(it) == ["antnode0017"])
    terminal.press("\r")
    terminal.until_shown(
        "why it was last stopped",
        "antnode0017 is STOPPED",
        "because     cpu is 83.1 % (limit 80.0 %)",
        "by its rule pressure",
    )
    terminal.press("G")
    terminal.until_shown("stopped, because: cpu is 83.1 %")
    terminal.press("\x1b")
    terminal.until_shown("only stopped")


def test_cycles_are_listed_and_explained(past: Past, watch: Watch) -> None:
    terminal = watch(past)
    terminal.until_shown("q quit")
    terminal.press("c")
    terminal.until_shown("idle: nothing to do", "enter explain")
    terminal.press("j\r")
    terminal.until_shown("decided by idle", "the machine, rates over the last")
    terminal.press("\x1b")
    terminal.until_shown("enter explain")
    terminal.press("?")
    terminal.until_shown("the story of the node; what the cycle did and why")
    terminal.press("\x1b")
    terminal.until_shown("by name")


def test_what_a_cycle_writes_is_shown_without_a_key(tmp_path: Path, watch: Watch) -> None:
    past = remember(tmp_path / "colony.db", datetime.now(UTC) - timedelta(seconds=30), 3)
    terminal = watch(past)
    terminal.until_shown("3 of 3 nodes running")
    with open_for_writing(past.path) as database:
        row = past.rows[2]
        changed = replace(row, status=Status.STOPPED, because="the news")
        past.idle(Ledger(database), datetime.now(UTC), 20.0, changed)
    terminal.until_shown("2 of 3 nodes running", "1 STOPPED")


def test_cycles_are_never_kept_from_writing(tmp_path: Path, watch: Watch) -> None:
    past = remember(tmp_path / "colony.db", datetime.now(UTC) - timedelta(seconds=60), 3)
    terminal = watch(past)
    terminal.until_shown("q quit")
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(25):
                with open_for_writing(past.path) as database:
                    past.idle(Ledger(database), datetime.now(UTC), 20.0)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        terminal.press("j")
        terminal.until(lambda it: "q quit" in it.text)
        time.sleep(0.02)
    writer.join()
    assert failures == []
    assert terminal.code is None


def test_cycles_that_stopped_are_told_loudly(tmp_path: Path, watch: Watch) -> None:
    past = remember(tmp_path / "colony.db", datetime.now(UTC) - timedelta(hours=3), 3)
    terminal = watch(past)
    terminal.until_shown("CYCLES HAVE STOPPED: the last one began 3 h ago; see wnm doctor")
    assert terminal.screen.buffer[0][0].reverse


def test_a_database_that_goes_away_is_told_and_the_rest_stays(tmp_path: Path, watch: Watch) -> None:
    past = remember(tmp_path / "colony.db", datetime.now(UTC) - timedelta(seconds=30), 3)
    terminal = watch(past)
    terminal.until_shown("antnode0003")
    Path(past.path).rename(tmp_path / "elsewhere")
    terminal.until_shown("CANNOT BE READ", "antnode0003")
    (tmp_path / "elsewhere").rename(past.path)
    terminal.until(lambda it: "CANNOT BE READ" not in it.text)


def test_two_thousand_nodes(tmp_path: Path, watch: Watch) -> None:
    past = Past(tmp_path / "colony.db", datetime.now(UTC) - timedelta(seconds=30), 2000)
    with open_for_writing(past.path) as database:
        past.begin(Ledger(database), past.end)
    terminal = watch(past, columns=200, rows=50)
    terminal.until_shown("2000 of 2000 nodes running", "1/2,000")
    terminal.press("G")
    terminal.until(lambda it: chosen(it) == "antnode2000")
    terminal.press("/node1234")
    terminal.until(lambda it: names(it) == ["antnode1234"])


def test_another_size_is_filled(past: Past, watch: Watch) -> None:
    terminal = watch(past)
    terminal.until_shown("q quit")
    terminal.resize(200, 50)
    os.kill(terminal.pid, signal.SIGWINCH)
    terminal.until_shown("last action", "antnode0020")
    terminal.resize(80, 12)
    terminal.until(lambda it: it.lines[-1].endswith("1/20") and len(names(it)) < 8)


def press(keys: str) -> Callable[[Terminal], None]:
    return lambda terminal: terminal.press(keys)


def send(number: int) -> Callable[[Terminal], None]:
    return lambda terminal: os.kill(terminal.pid, number)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        pytest.param(press("q"), 0, id="q"),
        pytest.param(press("\x03"), 0, id="ctrl-c"),
        pytest.param(send(signal.SIGINT), 0, id="sigint"),
        pytest.param(send(signal.SIGTERM), 143, id="sigterm"),
        pytest.param(send(signal.SIGHUP), 129, id="sighup"),
    ],
)
def test_the_terminal_is_given_back(
    past: Past, watch: Watch, end: Callable[[Terminal], None], code: int
) -> None:
    terminal = watch(past)
    terminal.until_shown("q quit")
    assert terminal.state() != terminal.settings
    end(terminal)
    assert terminal.ended() == code
    assert terminal.state() == terminal.settings
    assert terminal.seen.count(ENTERED) == terminal.seen.count(LEFT) == 1
    assert not terminal.screen.cursor.hidden


def test_suspended_and_continued_by_a_shell(past: Past, tmp_path: Path) -> None:
    with Terminal(["/bin/sh", "-i"], environment(tmp_path, PS1="$ ")) as terminal:
        terminal.until_shown("$")
        terminal.press(f"{WNM} watch --dbpath {past.path}\n")
        terminal.until_shown("antnode0001", "q quit")
        terminal.press("\x1a")
        terminal.until(lambda it: it.seen.count(LEFT) == 1)
        terminal.press("echo the shell $((40 + 2))\n")
        terminal.until(lambda it: b"the shell 42" in it.seen)
        terminal.press("fg\n")
        terminal.until(lambda it: it.seen.count(ENTERED) == 2)
        terminal.until_shown("antnode0001", "q quit")
        terminal.press("j")
        terminal.until(lambda it: chosen(it) == "antnode0002")
        terminal.press("q")
        terminal.until(lambda it: it.seen.count(LEFT) == 2)
        terminal.press("exit 7\n")
        assert terminal.ended() == 7


def test_an_error_inside_gives_the_terminal_back(past: Past, tmp_path: Path) -> None:
    script = f"""
from wnm.wiring import context_of
from wnm.cli.parse import parse
from wnm.system.clock import SystemClock
from wnm.tui.app import LiveView
from wnm.tui.source import Source

class Broken(Source):
    def again(self, last):
        raise ValueError("a bug")

run = context_of(parse(["watch", "--dbpath", {past.path!r}, "--every", "0.5"]))
view = LiveView(run, Broken(run, SystemClock()))
view.run(mouse=False)
raise SystemExit(view.return_code)
"""
    with Terminal([str(WNM.with_name("python")), "-c", script], environment(tmp_path)) as terminal:
        terminal.until_shown("q quit")
        assert terminal.ended() == 1
        assert terminal.state() == terminal.settings
        assert LEFT in terminal.seen
        assert b"a bug" in terminal.seen.partition(LEFT)[2]


def test_without_textual_it_says_what_to_install(past: Past, tmp_path: Path) -> None:
    script = (
        "import sys; from wnm.cli.main import main; sys.path = [each for each in sys.path if 'site-' not in each]; "
        f"sys.exit(main(['watch', '--dbpath', {past.path!r}]))"
    )
    words = [str(WNM.with_name("python")), "-c", script]
    with Terminal(words, environment(tmp_path), columns=200) as terminal:
        assert terminal.ended() == 3
        assert ENTERED not in terminal.seen
        told = " ".join(terminal.text.split())
        assert (
            "watch needs Textual, which is not installed: install it beside wnm: pipx inject wnm textual"
            in told
        )


def test_no_colours_where_none_are_wanted(past: Past, watch: Watch) -> None:
    terminal = watch(past, NO_COLOR="1")
    terminal.until_shown("q quit")
    colours = {terminal.screen.buffer[row][column].fg for row in range(24) for column in range(80)}
    assert colours == {"default"}
    assert chosen(terminal) == "antnode0001"


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_be_drawn_on_is_refused(past: Past, watch: Watch, term: str) -> None:
    terminal = watch(past, TERM=term)
    assert terminal.ended() == 2
    assert "watch needs a terminal that can be drawn on: use wnm status" in " ".join(terminal.text.split())


def test_without_a_terminal_it_is_refused(past: Past, tmp_path: Path) -> None:
    ran = subprocess.run(
        [str(WNM), "watch", "--dbpath", past.path],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "wnm: watch needs a terminal that can be drawn on: use wnm status, or wnm status --json\n"
    )


def test_without_a_database_it_says_what_to_do(tmp_path: Path) -> None:
    words = [str(WNM), "watch", "--dbpath", str(tmp_path / "none.db")]
    with Terminal(words, environment(tmp_path)) as terminal:
        assert terminal.ended() == 3
        assert ENTERED not in terminal.seen
        assert "wnm --init" in terminal.text
