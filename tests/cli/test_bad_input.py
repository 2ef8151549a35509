"""Whatever is typed wrongly: exit code 2 or 3, one line that names it, and not a byte is different."""

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.bad_input import BY_HAND, FIXED, VALUES, WORDS, Wrong
from tests.cli.footprints import contents, differences, footprint
from tests.cli.operator import Operator, Result


def refused(operator: Operator, *words: object, env: Mapping[str, str] | None = None) -> Result:
    """Ask for it; it must be refused in one line, and nothing may be different afterwards."""
    before, lock = contents(operator.home), operator.database.parent / "wnm_active"
    was_there = lock.exists()
    result = operator.ask(*words, env=env)
    assert differences(before, contents(operator.home)) == []
    assert lock.exists() is was_there
    assert not was_there or lock.read_bytes() == b""
    assert (result.out, len(result.err.splitlines())) == ("", 1), result
    assert result.err.startswith("wnm: ")
    assert operator.processes() == []
    return result


@pytest.mark.parametrize("typed", [VALUES[0], BY_HAND[4]], ids=["wrong", "another wrong"])
def test_the_installed_program_ends_in_the_same_way(settled: Operator, typed: Wrong) -> None:
    ran, asked = settled.run(*typed.words), refused(settled, *typed.words)
    assert (ran.code, ran.out, ran.err) == (asked.code, asked.out, asked.err)
    assert ran.code == typed.code


def test_the_installed_program_asks_for_a_database(operator: Operator) -> None:
    ran, asked = operator.run(), refused(operator)
    assert (ran.code, ran.out, ran.err) == (asked.code, asked.out, asked.err)
    assert ran.code == 3


@pytest.mark.parametrize(
    "typed", [*VALUES, *FIXED, *WORDS, *BY_HAND], ids=lambda typed: " ".join(typed.words)[:60]
)
def test_it_is_refused_in_one_line(settled: Operator, typed: Wrong) -> None:
    result = refused(settled, *typed.words)
    assert result.code == typed.code, result
    assert typed.named in result.err, result


@pytest.mark.parametrize("typed", VALUES, ids=lambda typed: " ".join(typed.words)[:60])
def test_init_refuses_the_same_values(operator: Operator, typed: Wrong) -> None:
    given = {word.removeprefix("--").partition("=")[0] for word in typed.words if word.startswith("--")}
    others = [wish for wish in operator.wishes() if wish.removeprefix("--").partition("=")[0] not in given]
    result = refused(operator, "--init", *others, *typed.words)
    assert result.code == typed.code, result
    assert typed.named in result.err, result


def test_ports_that_do_not_fit(operator: Operator) -> None:
    for wish in (
        {"port_start": 99},
        {"port_start": 65, "node_cap": 600},
        {"port_start": 13, "metrics_port_start": 13},
        {"port_start": 14, "metrics_port_start": 13, "node_cap": 1001},
        {"port_start": "55001"},
    ):
        assert refused(operator, "--init", *operator.wishes(**wish)).code == 2, wish


def test_init_without_an_address(operator: Operator) -> None:
    wishes = [wish for wish in operator.wishes() if not wish.startswith("--rewards_address")]
    result = refused(operator, "--init", *wishes)
    assert result.code == 2
    assert "--rewards_address" in result.err


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("node_cpa = 3\n", 2, "node_cap"),
        ("node_cap = three\n", 2, "node_cap"),
        ("node_cap = 3\n= 4\n", 2, "line 2"),
        ("force_action = teardown\n", 2, "force_action"),
        ("node_cap = 3\0\n", 2, "node_cap"),
        ("\udcff\udcfe", 2, "UTF-8"),
    ],
)
def test_a_config_file_that_is_wrong(settled: Operator, text: str, code: int, named: str) -> None:
    file = settled.home / "wrong.config"
    file.write_bytes(text.encode(errors="surrogateescape"))
    result = refused(settled, "-c", file)
    assert result.code == code, result
    assert named in result.err
    assert str(file) in result.err


def test_a_config_file_that_is_not_there(settled: Operator) -> None:
    result = refused(settled, "-c", settled.home / "missing.config")
    assert result.code == 2
    assert "missing.config" in result.err


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"WNM_NODE_CPA": "3"}, "WNM_NODE_CAP"),
        ({"WNM_NODE_CAP": "x"}, "node_cap"),
        ({"NODE_CAP": "-1"}, "node_cap"),
        ({"WNM_FORCE_ACTION": "teardown"}, "WNM_FORCE_ACTION"),
        ({"WNM_DRY_RUN": "perhaps"}, "WNM_DRY_RUN"),
        ({"WNM_ENVIRONMENT": "A=1\nB=2"}, "environment"),
    ],
)
def test_an_environment_that_is_wrong(settled: Operator, env: dict[str, str], named: str) -> None:
    result = refused(settled, env=env)
    assert result.code == 2, result
    assert named in result.err


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def scribbled_on(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:4000] = os.urandom(3900)
    path.write_bytes(bytes(content))


def no_database(path: Path) -> None:
    path.write_text("node_cap = 3\n")


def of_another_tool(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE machine (id INTEGER, node_cap INTEGER)")
        connection.commit()


def from_a_newer_wnm(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    "spoil",
    [
        emptied,
        cut_short,
        scribbled_on,
        no_database,
        of_another_tool,
        from_a_newer_wnm,
        a_folder,
        a_link_to_nowhere,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_a_database_that_cannot_be_used_stays_as_it_is(
    operator: Operator, spoil: Callable[[Path], None]
) -> None:
    operator.init(node_cap=1)
    spoil(operator.database)
    for words in ((), ("--dry_run",), ("status",), ("--force_action", "survey")):
        # The first cycle makes the lock file, which is not the database.
        (operator.database.parent / "wnm_active").touch(mode=0o600)
        before = operator.database.lstat(), footprint(operator.database.parent)[str(operator.database)]
        result = operator.run(*words)
        assert (result.code, result.out, len(result.err.splitlines())) == (3, "", 1), result
        assert str(operator.database.parent) in result.err
        after = operator.database.lstat(), footprint(operator.database.parent)[str(operator.database)]
        assert (before[0].st_ino, before[1]) == (after[0].st_ino, after[1])
    names = {path.name for path in operator.database.parent.iterdir()}
    assert names == {"colony.db", "wnm_active"}


def test_a_traceback_is_shown_only_when_it_is_asked_for(settled: Operator) -> None:
    plain = settled.run("--node_cap", "abc")
    debugging = settled.run("--node_cap", "abc", "--loglevel", "DEBUG")
    assert "Traceback" not in plain.err
    assert "Traceback" in debugging.err
    assert plain.code == debugging.code == 2
