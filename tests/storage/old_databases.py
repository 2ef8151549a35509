"""Databases of older versions as real files, from the SQL beside the tests."""

import sqlite3
from contextlib import closing
from pathlib import Path

CASES = Path(__file__).parent / "cases" / "old"
GENERATIONS = ("0.0.9", "0.1", "0.5", "0.6")


def build(folder: Path, generation: str, *more: str) -> str:
    """The path of a database of that generation, changed by `more` statements."""
    path = folder / "colony.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((CASES / f"{generation}.sql").read_text(encoding="utf-8"))
        for statement in more:
            connection.execute(statement)
        connection.commit()
    return str(path)
