"""Keeps settings as rows: what the operator gave, and what a fleet wishes, which can be withdrawn."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from wnm.core.layers import DATABASE, FLEET, Layer
from wnm.storage import rows


def given(connection: Connection) -> dict[str, str]:
    """The settings that the operator gave, as canonical texts by name."""
    return dict(map(tuple, connection.execute("SELECT name, text FROM setting WHERE layer = ?", (DATABASE,))))


def layers(connection: Connection) -> tuple[Layer, ...]:
    """The layers that the database holds, highest first: wishes that are not outranked, then the operator's."""
    wishes = connection.execute(
        "SELECT name, text FROM setting WHERE layer = ? AND name NOT IN "
        "(SELECT name FROM setting WHERE layer = ? AND outranks_fleet)",
        (FLEET, DATABASE),
    )
    fleet = Layer(name=FLEET, values=dict(map(tuple, wishes)))
    own = Layer(name=DATABASE, values=given(connection))
    return (fleet, own) if fleet.values else (own,)


def change(connection: Connection, changes: Mapping[str, str | None], at: datetime) -> None:
    """Keep the operator's settings; None forgets one. They outrank other wishes of a fleet from now on."""
    wished = {row[0] for row in connection.execute("SELECT name FROM setting WHERE layer = ?", (FLEET,))}
    outranking = {row[0] for row in connection.execute("SELECT name FROM setting WHERE outranks_fleet")}
    for name, text in changes.items():
        if text is None:
            connection.execute("DELETE FROM setting WHERE name = ? AND layer = ?", (name, DATABASE))
        else:
            outranks = name in wished | outranking
            rows.put(connection, "setting", setting_rows({name: text}, at=at, outranks_fleet=outranks))


def give_back(connection: Connection, name: str) -> None:
    """Let the wish of a fleet for a setting count again, if there is or will be one."""
    rows.update(connection, "setting", {"outranks_fleet": 0}, "name = ?", [name])


def replace_wishes(connection: Connection, values: Mapping[str, str], revision: int, at: datetime) -> bool:
    """Replace all wishes of the fleet, none of them withdraws it; False if a later revision is there already."""
    (known,) = connection.execute("SELECT wish_revision FROM machine").fetchone()
    if known is not None and revision < known:
        return False
    connection.execute("DELETE FROM setting WHERE layer = ?", (FLEET,))
    rows.put(connection, "setting", setting_rows(values, layer=FLEET, revision=revision, at=at))
    rows.update(connection, "machine", {"wish_revision": revision})
    return True


def setting_rows(
    values: Mapping[str, str],
    *,
    at: object,
    layer: str = DATABASE,
    revision: int | None = None,
    outranks_fleet: bool = False,
) -> Iterator[dict[str, Any]]:
    """The rows of settings."""
    for name, text in values.items():
        yield {
            "name": name,
            "layer": layer,
            "text": text,
            "revision": revision,
            "at": at,
            "outranks_fleet": outranks_fleet,
        }
