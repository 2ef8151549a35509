"""The tables hold what the core has, and the migrations arrive at the tables."""

from contextlib import closing
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from msgspec.structs import fields
from tests.storage.builders import NOW

from wnm.core.node import Node
from wnm.storage.creation import create
from wnm.storage.database import connect, uri_of
from wnm.storage.migrate import upgrade
from wnm.storage.schema import HEAD, SCHEMA, tables


def layout(file: Path) -> dict[str, str]:
    """Every table and index by name, as SQLite keeps it."""
    with closing(connect(uri_of(file, "mode=ro"))) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: " ".join(sql.replace('"', "").split()) for name, sql in rows}


def migrated_from_nothing(folder: Path) -> Path:
    file = folder / "migrated.db"
    file.touch()
    upgrade(file, SCHEMA, name=str(file))
    return file


def test_every_field_of_a_node_has_a_column(tmp_path: Path) -> None:
    with closing(connect(uri_of(migrated_from_nothing(tmp_path), "mode=ro"))) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(node)")]
    assert set(columns) == {field.encode_name for field in fields(Node)}


def test_tables_and_columns_are_known_without_reading_their_declaration(tmp_path: Path) -> None:
    path = migrated_from_nothing(tmp_path)
    present = {name for name in layout(path) if not name.startswith("ix_")}
    assert present == {*tables(), "alembic_version"}
    with closing(connect(uri_of(path, "mode=ro"))) as connection:
        for table, columns in tables().items():
            assert {row[1] for row in connection.execute(f"PRAGMA table_info({table})")} == columns


def test_there_is_one_script_per_revision_and_the_newest_is_the_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCHEMA.scripts))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    oldest_first = [script.revision for script in scripts.walk_revisions()][::-1]
    assert tuple(oldest_first) == SCHEMA.revisions


def test_a_created_database_is_laid_out_like_a_migrated_one(tmp_path: Path) -> None:
    created = tmp_path / "created.db"
    create(str(created), settings={}, now=NOW)
    assert layout(created) == layout(migrated_from_nothing(tmp_path))
