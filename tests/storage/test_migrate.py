"""An older database is copied, then migrated whole or not at all."""

import logging
import os
import shutil
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest
from tests.storage.builders import SETTINGS, Store, names, node
from tests.storage.processes import CHECKOUT, kill_in
from tests.storage.test_reading import state

from wnm.core.errors import NeedsOperator
from wnm.storage.database import connect, open_for_reading, open_for_writing, uri_of
from wnm.storage.ledger import Ledger
from wnm.storage.schema import HEAD, SCHEMA, Schema

SCRIPT = '''"""Made by a test."""

from alembic import op
import sqlalchemy as sa

revision = "{revision}"
down_revision = "{below}"


def upgrade() -> None:
{steps}
'''
ADD_COLUMN = '    op.add_column("node", sa.Column("colour", sa.Text()))\n'
# Rebuilds the table under the operations, which must not be deleted with it.
REBUILD = (
    '    with op.batch_alter_table("cycle") as table:\n        table.alter_column("rule", nullable=True)\n'
)
FAIL = '    raise ValueError("no such colour:\\n  blue")\n'
FILL_DISK = "    import resource\n    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
BREAK_REFERENCES = """
    op.execute("INSERT INTO sample (cycle_id, at, nodes_running, nodes_total) VALUES (99, '', 0, 0)")
"""


def schema_with(folder: Path, *steps: str) -> Schema:
    """Our migrations and, after them, one more for each of `steps`."""
    scripts = folder / "50% of the scripts"
    shutil.copytree(SCHEMA.scripts, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    revisions = list(SCHEMA.revisions)
    for number, step in enumerate(steps):
        revision = f"900{number}"
        text = SCRIPT.format(revision=revision, below=revisions[-1], steps=step)
        (scripts / "versions" / f"{revision}_made.py").write_text(text)
        revisions.append(revision)
    return Schema(revisions=tuple(revisions), scripts=scripts)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Store:
    made = Store(home)
    made.insert(node(2), node(3))
    return made


def columns(connection: Connection) -> list[str]:
    return [row[1] for row in connection.execute("PRAGMA table_info(node)")]


def value(path: str | Path, query: str) -> Any:
    with closing(connect(uri_of(path, "mode=ro&immutable=1"))) as connection:
        return connection.execute(query).fetchone()[0]


def test_the_schema_is_brought_up_to_date_and_nothing_is_lost(
    store: Store, home: Path, tmp_path: Path
) -> None:
    kill_in(store.path, "concluded")  # one node more, which is only in the write-ahead log
    schema = schema_with(tmp_path, ADD_COLUMN, REBUILD)
    with open_for_writing(store.path, schema=schema) as database:
        assert "colour" in database.read(columns)
        assert Ledger(database).settings() == SETTINGS
    assert value(store.path, "SELECT version_num FROM alembic_version") == "9001"
    assert value(store.path, "SELECT count(*) FROM node") == 3
    assert value(store.path, "SELECT count(*) FROM operation") == 1
    assert value(store.path, "SELECT count(*) FROM sample") == 2
    assert stat.S_IMODE(Path(store.path).stat().st_mode) == 0o600
    assert len(names(home)) == 2


def test_what_was_there_is_kept_in_a_private_copy(store: Store, home: Path, tmp_path: Path) -> None:
    open_for_writing(store.path, schema=schema_with(tmp_path, ADD_COLUMN)).close()
    (copy,) = home.glob(f"colony.db.before-{HEAD}-*Z")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with open_for_reading(str(copy)) as database:
        assert "colour" not in database.read(columns)
        assert len(Ledger(database).load().nodes) == 2


def test_the_copy_can_be_put_back(store: Store, home: Path, tmp_path: Path) -> None:
    schema = schema_with(tmp_path, ADD_COLUMN)
    open_for_writing(store.path, schema=schema).close()
    (copy,) = home.glob("*.before-*")
    shutil.copyfile(copy, store.path)
    with open_for_writing(store.path, schema=schema) as database:
        assert "colour" in database.read(columns)


def test_it_happens_once(store: Store, home: Path, tmp_path: Path) -> None:
    schema = schema_with(tmp_path, ADD_COLUMN)
    open_for_writing(store.path, schema=schema).close()
    before = names(home)
    open_for_writing(store.path, schema=schema).close()
    assert names(home) == before


@pytest.mark.parametrize(
    ("step", "cause"),
    [
        (FAIL, "no such colour: blue"),
        ('    op.execute("DROP TABLE node")\n' + FAIL, "no such colour: blue"),
        ('    op.execute("NONSENSE")\n', "syntax error"),
        (BREAK_REFERENCES, "foreign_key_check"),
        ("    import no_such_module\n", "no_such_module"),
        ('    op.execute("UPDATE alembic_version SET version_num = 7")\n', "alembic_version|0 found"),
    ],
)
@pytest.mark.parametrize("opener", [open_for_reading, open_for_writing])
def test_a_failing_migration_changes_nothing(
    opener: Any, step: str, cause: str, store: Store, home: Path, tmp_path: Path
) -> None:
    kill_in(store.path, "committed")
    before = {name: found[0] for name, found in state(home).items()}
    with pytest.raises(NeedsOperator, match=cause) as caught:
        opener(store.path, schema=schema_with(tmp_path, ADD_COLUMN, step))
    assert "\n" not in str(caught.value)
    assert f"{store.path} could not be brought to schema 9001" in str(caught.value)
    assert {name: found[0] for name, found in state(home).items()} == before


def test_a_full_disk_changes_nothing(store: Store, home: Path, tmp_path: Path) -> None:
    schema = schema_with(tmp_path, FILL_DISK + ADD_COLUMN)
    before = state(home)
    opening = (
        "import sys\nfrom pathlib import Path\nfrom wnm.core.errors import NeedsOperator\n"
        "from wnm.storage.database import open_for_writing\nfrom wnm.storage.schema import HEAD, SCHEMA, Schema\n"
        f"schema = Schema(revisions={schema.revisions!r}, scripts=Path(sys.argv[2]))\n"
        "try:\n    open_for_writing(sys.argv[1], schema=schema)\n"
        "except NeedsOperator as error:\n    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", opening, store.path, str(schema.scripts)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "could not be brought to schema 9000" in ran.stdout, ran.stderr
    after = state(home)
    assert after.pop("home")[0] == before.pop("home")[0]
    assert after == before


def test_what_a_killed_migration_left_is_in_nobodys_way(store: Store, home: Path, tmp_path: Path) -> None:
    (home / ".colony.db.migrating").write_bytes(b"half of it")
    (home / ".colony.db.migrating-journal").write_bytes(b"half of it")
    with open_for_writing(store.path, schema=schema_with(tmp_path, ADD_COLUMN)) as database:
        assert "colour" in database.read(columns)
    assert [name for name in names(home) if "migrating" in name] == []


def test_reading_migrates_a_private_copy(store: Store, home: Path, tmp_path: Path) -> None:
    kill_in(store.path, "committed")
    before = state(home)
    with open_for_reading(store.path, schema=schema_with(tmp_path, ADD_COLUMN)) as database:
        assert "colour" in database.read(columns)
        assert Ledger(database).settings()["node_cap"] == "77"
    assert state(home) == before


def test_logging_stays_as_it_was(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("alembic").level)
    with caplog.at_level(logging.INFO):
        open_for_writing(store.path, schema=schema_with(tmp_path, ADD_COLUMN)).close()
    assert (root.level, list(root.handlers), logging.getLogger("alembic").level) == before
    assert caplog.messages == []
    assert capsys.readouterr() == ("", "")


def test_alembic_and_sqlalchemy_stay_out_of_a_cycle_whose_schema_is_up_to_date(store: Store) -> None:
    cycle = (
        "import sys\nfrom wnm.storage.database import open_for_reading, open_for_writing\n"
        "from wnm.storage.ledger import Ledger\nfrom wnm.storage.timeline import Timeline\n"
        "for opener in (open_for_reading, open_for_writing):\n"
        "    with opener(sys.argv[1]) as database:\n"
        "        Ledger(database).load()\n        Timeline(database).cycle()\n"
        "print({'alembic', 'sqlalchemy', 'mako'} & set(sys.modules))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", cycle, store.path],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "set()\n"
