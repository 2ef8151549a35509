"""Faults of the database: locked by another, truncated, replaced, or an older copy in its place."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.chaos.deeds import drawn_deed
from tests.chaos.episode import Episode
from tests.chaos.oracle import look


def _while_database_is(episode: Episode, what: str, ruin: Callable[[Path], None]) -> None:
    """Two cycles with a ruined database, then the good one is put back."""
    good = episode.sandbox.home / "others" / "good.db"
    episode.save_database(good)
    ruin(episode.sandbox.database)
    before = look(episode.sandbox.home).folders, episode.pids()
    for _ in range(2):
        ran = episode.cycle()
        episode.must_not_be_fine(ran, f"the database is {what}")
    if before != (look(episode.sandbox.home).folders, episode.pids()):
        episode.find("touched-blindly", f"nodes changed while the database was {what}")
    episode.ask_doctor(f"the database is {what}")
    episode.put_database(good)


def _without_log(path: Path) -> None:
    for ending in ("-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)


def database_truncated(episode: Episode) -> None:
    """Its end is missing."""
    part = episode.chance.random()
    episode.tell(f"to {part:.2f}")

    def ruin(path: Path) -> None:
        _without_log(path)
        content = path.read_bytes()
        # Whole pages fewer at least: a file whose last page alone is missing is found out as well.
        path.write_bytes(content[: min(int(len(content) * part), len(content) - 4096)])

    _while_database_is(episode, "truncated", ruin)


def database_replaced(episode: Episode) -> None:
    """Something else has its name: nothing, noise, text, or another program's database."""
    what = episode.chance.choice(["deleted", "empty", "noise", "another program's", "a folder"])
    noise = episode.chance.randbytes(8192)
    episode.tell(what)

    def ruin(path: Path) -> None:
        _without_log(path)
        path.unlink()
        if what == "a folder":
            path.mkdir()
        elif what == "another program's":
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("CREATE TABLE node (id INTEGER, name TEXT)")
                connection.commit()
        elif what != "deleted":
            path.write_bytes(noise if what == "noise" else b"")

    _while_database_is(episode, what, ruin)


def database_locked(episode: Episode) -> None:
    """Somebody else holds it for longer than a cycle waits."""
    name, words = drawn_deed(episode, among=("grow", "heal one", "idle"))
    episode.tell(name)
    with closing(sqlite3.connect(episode.sandbox.database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        ran = episode.cycle(*words)
        connection.execute("ROLLBACK")
    episode.must_not_be_fine(ran, "the database could not be written to")
    episode.check(ran)


def database_of_before(episode: Episode) -> None:
    """An older copy is put back; later the newest. Live nodes that it does not know must be told of, none touched."""
    newest = episode.sandbox.home / "others" / "newest.db"
    episode.save_database(newest)
    older = episode.copies[int(episode.chance.random() * len(episode.copies))]
    episode.put_database(older)
    world = look(episode.sandbox.home)
    known = {Path(row.root_dir).name for row in world.rows or ()}
    unknown = sorted(set(world.folders) - known)
    episode.tell(
        f"it lacks {unknown or 'nothing'}, has {sorted(known - set(world.folders)) or 'nothing'} besides"
    )
    cap, episode.cap = episode.cap, len(known & set(world.folders))
    episode.tolerated = frozenset({"process-without-row"})
    ran = episode.cycle()
    episode.check(ran)
    episode.check(episode.cycle())
    if unknown:
        episode.ask_doctor(f"{', '.join(unknown)} live without a row")
    episode.tolerated = frozenset()
    episode.cap = cap
    episode.put_database(newest)
