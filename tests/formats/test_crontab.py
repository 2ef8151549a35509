"""Lines of cron tables: what wnm writes, and that nothing of anybody else changes."""

import re
import shlex
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wnm.core.errors import NeedsOperator
from wnm.formats.crontab import (
    LONGEST_COMMAND,
    Start,
    file_text,
    is_ours,
    line_in_block,
    lines_of_file,
    others_naming_wnm,
    program_of,
    schedule_line,
    with_block,
    without_block,
)

CASES = sorted((Path(__file__).parent / "cases" / "crontab").iterdir())
DATABASE = "/var/lib/my nodes/colony.db"
REMOVAL = "wnm cron remove"
LINE = "* * * * * /opt/wnm/bin/wnm"
tables = st.text(st.characters(codec="utf-8") | st.sampled_from("\n\r# BENDwm/")) | st.lists(
    st.sampled_from(
        [
            "# END wnm /db",
            "# BEGINwnm",
            "5 * * * * true",
            "#",
            "",
            "A=b\r",
            f"# END wnm {DATABASE}",
            "\x0b\u2028",
        ]
    )
).map("\n".join)
paths = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\\"), min_size=1
).map("/".__add__)


def start(**other: object) -> Start:
    """An ordinary installation."""
    usual = {
        "program": ("/opt/wnm/bin/wnm",),
        "database": "/var/antctl/colony.db",
        "log_file": "/var/log/wnm/wnm.log",
    }
    return Start(**{**usual, **other})  # type: ignore[arg-type]


def text_of(case: Path) -> str:
    """A table as it is read from cron."""
    return case.read_bytes().decode(errors="surrogateescape")


def ended(text: str) -> str:
    """Cron takes no table whose last line has no end."""
    return text if not text or text.endswith("\n") else f"{text}\n"


def as_sh_sees(line: str) -> str:
    """The command of a user's line after cron took it: the time is off, and `\\%` is `%`."""
    return line.split(" ", 5)[5].replace("\\%", "%")


def test_the_line_for_root() -> None:
    assert schedule_line(start(), "root") == (
        "* * * * * root (umask 077; : >>/var/log/wnm/wnm.log) 2>/dev/null && exec >>/var/log/wnm/wnm.log 2>&1; "
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "
        "/opt/wnm/bin/wnm --dbpath /var/antctl/colony.db --log_file /var/log/wnm/wnm.log"
    )


def test_a_config_file_that_was_asked_for_goes_along() -> None:
    assert " -c '/etc/my wnm' --log_file " in schedule_line(start(config="/etc/my wnm"), None)


@given(program=paths, database=paths, log_file=paths)
def test_sh_gets_every_path_as_it_is_and_no_percent_sign_is_left_bare(
    program: str, database: str, log_file: str
) -> None:
    try:
        line = schedule_line(start(program=(program,), database=database, log_file=log_file), None)
    except NeedsOperator as error:
        assert f"cron takes {LONGEST_COMMAND}" in str(error)  # noqa: PT017 - the other way is tested below
        return
    assert not re.search(r"(?<!\\)%", line)
    assert "\n" not in line
    words = shlex.split(as_sh_sees(line))
    assert words[-5:] == [program, "--dbpath", database, "--log_file", log_file]
    assert program_of(line) == program


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_command_of_a_line_run_by_a_shell(shell: str, tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s 100% "$HOME" `id` ü!'
    folder.mkdir()
    program, log = folder / "wnm", folder / "log"
    program.write_text('#!/bin/sh\necho "$PATH" "$@"\necho no >&2\n')
    program.chmod(0o755)
    line = schedule_line(start(program=(str(program),), database="/d b", log_file=str(log)), None)
    for _ in range(2):
        ran = subprocess.run([shell, "-c", as_sh_sees(line)], capture_output=True, text=True, check=True)
        assert (ran.stdout, ran.stderr) == ("", "")
    said = (
        f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --dbpath /d b --log_file {log}\nno\n"
    )
    assert log.read_text() == said * 2
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_opened_does_not_keep_the_program_from_running(tmp_path: Path) -> None:
    line = schedule_line(start(program=("/bin/echo",), log_file=str(tmp_path / "not there" / "log")), None)
    ran = subprocess.run(["sh", "-c", as_sh_sees(line)], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("--dbpath /var/antctl/colony.db")
    assert ran.stderr == ""


def test_a_program_that_is_gone_is_told_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    line = schedule_line(start(program=(str(tmp_path / "gone"),), log_file=str(log)), None)
    ran = subprocess.run(["sh", "-c", as_sh_sees(line)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (127, "", "")
    assert "gone" in log.read_text()


@pytest.mark.parametrize("bad", ["/a\nb", "/a\\b", "/a\0b", "/a\x1b[0m"])
@pytest.mark.parametrize("what", ["database", "log_file", "config"])
def test_what_no_table_can_hold_is_refused(bad: str, what: str) -> None:
    with pytest.raises(NeedsOperator, match="cannot stand in a cron table"):
        schedule_line(start(**{what: bad}), None)


def test_a_line_that_cron_would_drop_is_refused() -> None:
    rest = len(as_sh_sees(schedule_line(start(database="/"), None))) - 1
    longest = "/" + "d" * (LONGEST_COMMAND - rest - 1)
    assert len(as_sh_sees(schedule_line(start(database=longest), None))) == LONGEST_COMMAND
    with pytest.raises(NeedsOperator, match="999 characters"):
        schedule_line(start(database=f"{longest}d"), "root")


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("* * * * * /opt/wnm", None),
        ("* * * * * 'half", None),
        ("", None),
        (schedule_line(start(program=("/usr/bin/python3", "-P", "-m", "wnm")), "root"), "/usr/bin/python3"),
    ],
)
def test_the_program_of_a_line(line: str, program: str | None) -> None:
    assert program_of(line) == program


def test_a_file_of_our_own() -> None:
    text = file_text(LINE, DATABASE, REMOVAL)
    assert (
        text == f"# Written by wnm cron install for {DATABASE}; take it away with: wnm cron remove\n{LINE}\n"
    )
    assert is_ours(text)
    assert lines_of_file(text) == LINE
    assert others_naming_wnm(text) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_real_tables_keep_every_byte(case: Path) -> None:
    before = text_of(case)
    after = with_block(before, DATABASE, LINE, REMOVAL)
    assert after.endswith(ended(before))
    assert line_in_block(after, DATABASE) == LINE
    assert without_block(after, DATABASE).encode(errors="surrogateescape") == ended(before).encode(
        errors="surrogateescape"
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_lines_of_others_that_name_wnm(case: Path) -> None:
    found = {
        "by_hand": ["* * * * * wnm >> /tmp/wnm.log 2>&1", "*/20 * * * * /usr/bin/influx /opt/wnm/env"],
    }
    assert others_naming_wnm(text_of(case)) == found.get(case.stem, [])


@given(before=tables)
@example(before="")
@example(before="no end of line")
def test_what_was_put_in_comes_out_again_and_nothing_else_changes(before: str) -> None:
    once = with_block(before, DATABASE, LINE, REMOVAL)
    assert once.endswith(ended(before))
    assert with_block(once, DATABASE, LINE, REMOVAL) == once
    assert line_in_block(once, DATABASE) == LINE
    assert without_block(once, DATABASE) == ended(before)
    assert without_block(before, DATABASE) == before
    assert line_in_block(before, DATABASE) is None


@given(above=tables, below=tables)
def test_another_line_replaces_the_old_one_where_it_is(above: str, below: str) -> None:
    old = with_block("", DATABASE, LINE, REMOVAL)
    new = with_block("", DATABASE, f"{LINE} -c x", REMOVAL)
    table = f"{ended(above)}{old}{below}"
    assert with_block(table, DATABASE, f"{LINE} -c x", REMOVAL) == ended(f"{ended(above)}{new}{below}")
    assert without_block(table, DATABASE) == ended(f"{ended(above)}{below}")


def test_each_database_has_its_own_block() -> None:
    table = with_block(with_block("5 5 * * * x\n", "/a", "a", REMOVAL), "/ab", "ab", REMOVAL)
    assert (line_in_block(table, "/a"), line_in_block(table, "/ab")) == ("a", "ab")
    assert without_block(table, "/ab") == with_block("5 5 * * * x\n", "/a", "a", REMOVAL)


def test_copies_of_a_block_become_one() -> None:
    block = with_block("", DATABASE, "old", REMOVAL)
    table = f"1 * * * * x\n{block}2 * * * * y\n{block}"
    assert with_block(table, DATABASE, LINE, REMOVAL) == (
        f"1 * * * * x\n{with_block('', DATABASE, LINE, REMOVAL)}2 * * * * y\n"
    )
    assert without_block(table, DATABASE) == "1 * * * * x\n2 * * * * y\n"


def test_a_block_that_an_editor_gave_other_line_ends_is_still_ours() -> None:
    table = with_block("5 * * * * x\n", DATABASE, LINE, REMOVAL).replace("\n", "\r\n")
    assert line_in_block(table, DATABASE) == LINE
    assert without_block(table, DATABASE) == "5 * * * * x\r\n"


@pytest.mark.parametrize(
    "table",
    [
        f"# BEGIN wnm {DATABASE}\n{LINE}\n5 * * * * theirs\n",
        f"# BEGIN wnm {DATABASE}\n{LINE}\n# BEGIN wnm /other\nx\n# END wnm /other\n# END wnm {DATABASE}\n",
        f"# BEGIN wnm {DATABASE}\n5 * * * * theirs\n# BEGIN wnm {DATABASE}\n{LINE}\n# END wnm {DATABASE}\n",
    ],
)
def test_where_the_end_of_our_part_is_not_known_nothing_is_touched(table: str) -> None:
    attempts: tuple[Callable[[], object], ...] = (
        partial(with_block, table, DATABASE, LINE, REMOVAL),
        partial(without_block, table, DATABASE),
        partial(line_in_block, table, DATABASE),
    )
    for attempt in attempts:
        with pytest.raises(NeedsOperator, match="crontab -e"):
            attempt()
