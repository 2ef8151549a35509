"""Databases and recordings of landed versions: read as they are, and migrated without losing anything."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.builders import NOW
from tests.settings.hosts import USER

from wnm.core.action import StopNode
from wnm.core.decide.ladder import decide
from wnm.core.layers import Layer, resolve
from wnm.core.node import Status
from wnm.core.reasons import legacy
from wnm.storage.database import (
    Database,
    connect,
    open_for_reading,
    open_for_writing,
    stored_settings,
    uri_of,
)
from wnm.storage.ledger import Ledger
from wnm.storage.migrate import upgrade
from wnm.storage.schema import APPLICATION_ID, SCHEMA, Schema
from wnm.storage.timeline import Timeline

LANDED = Path(__file__).parent / "cases" / "landed"
OPENERS = pytest.mark.parametrize("opener", [open_for_reading, open_for_writing])


def build(folder: Path) -> str:
    """A database of four cycles that the wnm with schema 0007 wrote."""
    path = folder / "colony.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((LANDED / "0007.sql").read_text(encoding="utf-8"))
    return str(path)


def bare(folder: Path, revision: str) -> str:
    """A database of a landed schema with the machine's row and nothing else."""
    path = folder / "colony.db"
    path.touch()
    upto = SCHEMA.revisions[: SCHEMA.revisions.index(revision) + 1]
    upgrade(path, Schema(revisions=upto, scripts=SCHEMA.scripts), name=str(path))
    with closing(connect(uri_of(path, "mode=rw"))) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        at = "2025-01-01T00:00:00.000000+00:00"
        if revision < "0008":
            connection.execute(
                "INSERT INTO machine (id, initialised_at, wnm_version, settings, add_failures) "
                f"""VALUES (1, '{at}', '0.9', '{{"node_cap":"3"}}', 0)"""
            )
        else:
            connection.execute(
                "INSERT INTO machine (id, initialised_at, wnm_version, add_failures, identity) "
                f"VALUES (1, '{at}', '1.0', 0, '{'m' * 36}')"
            )
            connection.execute(f"INSERT INTO setting VALUES ('node_cap', 'database', '3', NULL, '{at}', 0)")
    return str(path)


@OPENERS
@pytest.mark.parametrize("revision", SCHEMA.revisions[:-1])
def test_every_landed_schema_is_brought_up_to_date(revision: str, opener: object, tmp_path: Path) -> None:
    path = bare(tmp_path, revision)
    assert stored_settings(path) == {"node_cap": "3"}
    with _opened(opener, path) as database:
        ledger = Ledger(database)
        assert ledger.settings() == {"node_cap": "3"}
        assert ledger.load().nodes == ()
        assert len(ledger.identity().uuid) == 36
    assert stored_settings(path) == {"node_cap": "3"}


@OPENERS
def test_a_landed_database_keeps_its_past(opener: object, tmp_path: Path) -> None:
    with _opened(opener, build(tmp_path)) as database:
        timeline, state = Timeline(database), Ledger(database).load()
        assert [(each.name, each.status) for each in state.nodes] == [
            ("antnode0001", Status.RUNNING),
            ("antnode0002", Status.STOPPED),
            ("antnode0003", Status.STOPPED),
        ]
        assert state.remembered.last_shed_at is not None
        (stop,) = timeline.operations_of(3, 10)
        assert stop.action == StopNode(
            node=state.nodes[2].id, shed=True, because=legacy("cpu is 83.1 % (limit 80.0 %)")
        )
        assert timeline.latest_operations() == {3: stop}
        events = timeline.events()
        assert [each.became for each in events.changes] == [Status.STOPPED]
        assert [each.rule for each in timeline.cycles(9)] == ["pressure", "idle", "idle", "idle"]
        assert len(timeline.past(NOW).cycles) == 4
        assert Ledger(database).settings().keys() == {"rewards_address", "node_cap", "node_storage"}


def test_a_landed_recording_can_be_planned_again(tmp_path: Path) -> None:
    with open_for_reading(build(tmp_path)) as database:
        for number in (1, 2, 3, 4):
            cycle = Timeline(database).cycle(number)
            assert cycle is not None
            assert cycle.recording is not None
            texts = {name: text for name, text in cycle.recording.settings if text}
            settings = resolve([Layer(name="recording", values=texts)], USER).settings
            assert decide(cycle.recording.observation, settings).rule
        seen = Timeline(database).last_reading()
    assert seen is not None
    assert [each.node.name for each in seen.nodes] == ["antnode0001", "antnode0002", "antnode0003"]


def _opened(opener: object, path: str) -> Database:
    return open_for_writing(path) if opener is open_for_writing else open_for_reading(path)
