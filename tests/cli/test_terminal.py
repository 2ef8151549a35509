"""The commands for people as installed: on terminals of several kinds, in pipes, and as JSON."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.operator import WNM, Operator
from tests.cli.screens import Terminal, environment
from tests.views.past import Past, remember

from wnm.storage.database import open_for_writing
from wnm.storage.ledger import Ledger

WITH_VIEW = ("status", "history", "explain antnode0017", "explain")


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    return remember(tmp_path_factory.mktemp("past") / "colony.db", datetime.now(UTC) - timedelta(seconds=30))


def piped(past: Past, words: str | Sequence[str], home: Path, code: int = 0, **more: str) -> str:
    """What a command writes into a pipe."""
    argv = words.split() if isinstance(words, str) else words
    ran = subprocess.run(
        [str(WNM), *argv, "--dbpath", past.path],
        env=environment(home, **more),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code, ran
    return ran.stderr if code else ran.stdout


def on_terminal(
    past: Past, words: str, home: Path, columns: int = 80, more: Mapping[str, str] | None = None
) -> Terminal:
    """The terminal after the command has ended on it."""
    argv = [str(WNM), *words.split(), "--dbpath", past.path]
    with Terminal(argv, environment(home, **(more or {})), columns=columns, rows=200) as terminal:
        assert terminal.ended() == 0
        return terminal


@pytest.mark.parametrize("words", WITH_VIEW)
def test_pipes_are_plain(past: Past, tmp_path: Path, words: str) -> None:
    text = piped(past, words, tmp_path)
    assert "\x1b" not in text
    assert not any(line.endswith(" ") for line in text.splitlines())


@pytest.mark.parametrize("words", WITH_VIEW[:3])
def test_a_terminal_gets_colours(past: Past, tmp_path: Path, words: str) -> None:
    assert b"\x1b[3" in on_terminal(past, words, tmp_path).seen


@pytest.mark.parametrize("words", WITH_VIEW[:3])
@pytest.mark.parametrize("surroundings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_none_are_wanted(
    past: Past, tmp_path: Path, words: str, surroundings: dict[str, str]
) -> None:
    seen = on_terminal(past, words, tmp_path, more=surroundings).seen
    assert not any(f"\x1b[{code}m".encode() in seen for code in (31, 32, 33, 36))
    if "TERM" in surroundings:
        assert b"\x1b" not in seen


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("words", WITH_VIEW[:2])
def test_no_line_is_broken_by_the_terminal(past: Past, tmp_path: Path, words: str, columns: int) -> None:
    terminal = on_terminal(past, words, tmp_path, columns)
    wide = piped(past, words, tmp_path, COLUMNS=str(columns))
    # Blank lines count: a line with blanks behind the last column is broken, too.
    assert len("\n".join(terminal.lines).rstrip().splitlines()) == len(wide.splitlines())


def test_a_terminal_without_dots_gets_letters(past: Past, tmp_path: Path) -> None:
    text = piped(past, "history", tmp_path, PYTHONIOENCODING="ascii")
    assert text.isascii()
    assert "####" in text
    assert piped(past, "status", tmp_path, PYTHONIOENCODING="ascii").isascii()


@pytest.mark.parametrize(("lang", "all_of_it"), [("C", ""), ("de_DE.UTF-8", "POSIX")])
def test_the_locale_c_is_one_without_dots(past: Past, tmp_path: Path, lang: str, all_of_it: str) -> None:
    assert piped(past, "history", tmp_path, LANG=lang, LC_ALL=all_of_it).isascii()


def test_a_closed_output_is_no_bug(past: Past, tmp_path: Path) -> None:
    for words in ("status", "history", "explain", "explain antnode0017"):
        script = f'exec "$1" {words} --dbpath "$2" >&-'
        ran = subprocess.run(
            ["/bin/sh", "-c", script, "sh", str(WNM), past.path],
            env=environment(tmp_path),
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert "bug" not in ran.stderr


def test_a_time_zone_that_there_cannot_be_is_utc(past: Past, tmp_path: Path) -> None:
    assert "times in UTC" in piped(past, "explain antnode0017", tmp_path, TZ="UTC-25:99")


def test_why_was_node_17_stopped_last_night(past: Past, tmp_path: Path) -> None:
    for words in ("explain antnode0017", "explain --node 17", "explain --node antnode0017.service"):
        first = piped(past, words, tmp_path).splitlines()[:20]
        assert "  because     cpu is 83.1 % (limit 80.0 %)" in first
        assert any("too high" in line and line.split()[0] == "cpu" for line in first)


def test_a_number_is_a_cycle_and_where_there_is_none_a_node(tmp_path: Path) -> None:
    past = Past(tmp_path / "colony.db", datetime.now(UTC), 3)

    with open_for_writing(past.path) as database:
        past.begin(Ledger(database), past.end)
    cycle = piped(past, "explain 1", tmp_path)
    assert cycle.startswith("cycle 1, ")
    assert "for the story of the node: wnm explain antnode0001" in cycle
    assert "was last stopped" not in cycle
    assert piped(past, "explain 2", tmp_path).startswith("antnode0002 is RUNNING")
    assert "there is no cycle 77" in piped(past, "explain 77", tmp_path, code=2)


def test_a_cycle_with_the_number_of_a_node_tells_why_that_was_stopped(past: Past, tmp_path: Path) -> None:
    text = piped(past, "explain 17", tmp_path)
    assert text.startswith("cycle 17, ")
    last = text.splitlines()[-1]
    assert last.startswith("antnode0017 was last stopped ")
    assert last.endswith(", because: cpu is 83.1 % (limit 80.0 %)")


def test_on_a_terminal_a_long_story_leaves_the_answer_visible(past: Past, tmp_path: Path) -> None:
    argv = [str(WNM), "explain", "antnode0017", "--dbpath", past.path]
    with Terminal(argv, environment(tmp_path), columns=100, rows=45) as terminal:
        assert terminal.ended() == 0
        assert "why it was last stopped" in terminal.text


def test_sorted_and_filtered(past: Past, tmp_path: Path) -> None:
    lines = piped(past, "status --sort peers --wide", tmp_path).splitlines()
    names = [line.split()[0] for line in lines if line.startswith("antnode") and ":" not in line.split()[0]]
    assert names[0] == "antnode0020"
    assert names[-1] == "antnode0017"
    assert "last action" in "\n".join(lines)
    only = piped(past, "status --filter STOPPED", tmp_path).splitlines()
    assert {line.split()[0].rstrip(":") for line in only if line.startswith("antnode")} == {"antnode0017"}
    assert "no node matches nonsense" in piped(past, "status --filter nonsense", tmp_path)


def test_many_nodes_are_summarised_unless_all_are_asked_for(tmp_path: Path) -> None:

    past = Past(tmp_path / "colony.db", datetime.now(UTC), 500)
    with open_for_writing(past.path) as database:
        past.begin(Ledger(database), past.end)

    def listed(words: str) -> int:
        return sum(line.startswith("antnode") for line in piped(past, words, tmp_path).splitlines())

    text = piped(past, "status", tmp_path)
    for line in (
        "status    500 RUNNING",
        "version   500 0.4.7",
        "reachable 500 answers",
        "disk      1.2 TB in 500",
    ):
        assert line in text
    assert len(text.splitlines()) < 30
    assert (listed("status"), listed("status --all"), listed("status --filter node012")) == (0, 500, 10)
    assert listed("status --sort records") == 500


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("status", "nodes"),
        ("history --days 3", "events"),
        ("explain antnode0017", "last_stop"),
        ("--report history", "trends"),
    ],
)
def test_everything_comes_as_json_too(past: Past, tmp_path: Path, words: str, key: str) -> None:
    found: dict[str, Any] = json.loads(piped(past, f"{words} --json", tmp_path))
    assert found["schema"] == 1
    assert found[key]


def test_json_has_what_else_the_table_tells(past: Past, tmp_path: Path) -> None:
    found = json.loads(piped(past, "status --filter antnode0017 --json", tmp_path))
    (note,) = found["node_notes"]
    assert (note["name"], note["to_look_at"]) == ("antnode0017", "stopped: cpu is 83.1 % (limit 80.0 %)")
    assert int(note["earned_today_attos"] or 0) >= 0
    assert (note["last_action"]["action"], note["last_action"]["rule"]) == ("StopNode", None)


def test_json_has_the_chosen_nodes_in_their_order(past: Past, tmp_path: Path) -> None:
    words = "status --filter running --sort peers --json"
    names = [each["name"] for each in json.loads(piped(past, words, tmp_path))["nodes"]]
    assert (names[0], names[-1], len(names)) == ("antnode0020", "antnode0001", 19)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("status --sort nonsense", "--sort cannot be 'nonsense'"),
        ("status --days 3", "--days only goes with history"),
        ("history --days 0", "--days cannot be '0'"),
        ("history --node nonsense", "--node cannot be 'nonsense'"),
        ("history --range year", "--range cannot be 'year'"),
        ("history --report_format csv", "--report_format only goes with --report"),
        ("--report history --report_format env", "history does not come as env"),
        ("--report node-status --days 3", "--days only goes with history or --report history"),
        ("watch --every 0.1", "--every cannot be '0.1'"),
        ("watch --json", "--json only goes with --report"),
        ("explain 3 --node 17", "a cycle and --node cannot be combined"),
        ("explain antnode0099", "nothing is known of a node 'antnode0099'"),
        ("history --node 99", "nothing is known of a node '99': did you mean antnode0019?"),
        ("status extra", "status does not take 'extra'"),
        ("histroy", "no command is called 'histroy': did you mean history?"),
    ],
)
def test_refused_in_one_line(past: Past, tmp_path: Path, words: str, said: str) -> None:
    error = piped(past, words, tmp_path, code=2)
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_real_node_that_was_killed_tells_its_story(three: Operator) -> None:
    three.kill(2)
    three.cycle()
    story = three.run("explain", "antnode0002").out
    assert "  what        RUNNING -> STOPPED" in story
    assert "  because     its process ended unexpectedly" in story
    three.cycles_until(lambda: three.running() == 3, at_most=8)
    story = three.run("explain", "antnode0002").out
    assert "added with 0.4.17 on port " in story
    assert "until       2" in story
    happened = json.loads(three.run("history", "--json").out)["events"]
    kinds = [each["action"] or each["became"] for each in happened if each["node"] == "antnode0002"]
    assert kinds[:2] == ["AddNode", "RUNNING"]
    assert kinds[2:4] == ["STOPPED", "StartNode"]
    assert all(each["because"] for each in happened)
