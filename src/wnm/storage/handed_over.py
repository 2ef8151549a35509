"""Keeps settings as rows with their origin, and what other programs of this machine hand over."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from sqlite3 import Connection

from msgspec.structs import asdict

from wnm.core.layers import DATABASE, FLEET, Layer
from wnm.core.observation import ForeignReading, Reservation
from wnm.storage import rows


def given_settings(connection: Connection) -> dict[str, str]:
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
    own = Layer(name=DATABASE, values=given_settings(connection))
    return (fleet, own) if fleet.values else (own,)


def change_settings(connection: Connection, changes: Mapping[str, str | None], at: datetime) -> None:
    """Keep the operator's settings; None forgets one. They outrank other wishes of a fleet from now on."""
    found = connection.execute("SELECT name FROM setting WHERE layer = ? OR outranks_fleet", (FLEET,))
    outranking = {row[0] for row in found}
    for name, text in changes.items():
        if text is None:
            connection.execute("DELETE FROM setting WHERE name = ? AND layer = ?", (name, DATABASE))
        else:
            put_settings(connection, {name: text}, at, outranks_fleet=name in outranking)


def give_back(connection: Connection, name: str) -> None:
    """Let the wish of a fleet for a setting count again, if there is or will be one."""
    rows.update(connection, "setting", {"outranks_fleet": 0}, "name = ?", [name])


def replace_wishes(connection: Connection, values: Mapping[str, str], revision: int, at: datetime) -> bool:
    """Replace all wishes of the fleet, none of them withdraws it; False if a later revision is there already."""
    (known,) = connection.execute("SELECT wish_revision FROM machine").fetchone()
    if known is not None and revision < known:
        return False
    connection.execute("DELETE FROM setting WHERE layer = ?", (FLEET,))
    put_settings(connection, values, at, layer=FLEET, revision=revision)
    rows.update(connection, "machine", {"wish_revision": revision})
    return True


def put_settings(
    connection: Connection,
    values: Mapping[str, str],
    at: object,
    *,
    layer: str = DATABASE,
    revision: int | None = None,
    outranks_fleet: bool = False,
) -> None:
    """Write the rows of settings."""
    rest = {"layer": layer, "revision": revision, "at": at, "outranks_fleet": outranks_fleet}
    rows.put(connection, "setting", [{"name": name, "text": text, **rest} for name, text in values.items()])


def put_reservation(connection: Connection, reservation: Reservation) -> None:
    """Keep a reservation; one of the same owner is replaced."""
    rows.put(connection, "reservation", [reservation])


def withdraw_reservation(connection: Connection, owner: str) -> None:
    """Forget the reservation of an owner, if there is one."""
    connection.execute("DELETE FROM reservation WHERE owner = ?", (owner,))


def reservations(connection: Connection) -> tuple[Reservation, ...]:
    """All reservations, also those whose time is over, by owner."""
    found = []
    for row in connection.execute("SELECT * FROM reservation ORDER BY owner"):
        name = f"reservation of {row['owner']}"
        disk_bytes = rows.json_of(dict[str, int], row["disk_bytes"], name)
        found.append(rows.value_of(Reservation, row, name, disk_bytes=disk_bytes))
    return tuple(found)


def put_readings(connection: Connection, source: str, readings: Iterable[ForeignReading]) -> None:
    """Replace all readings of a source by these."""
    connection.execute("DELETE FROM foreign_reading WHERE source = ?", (source,))
    found = []
    for each in readings:
        row = {**asdict(each), "source": source, "interval_seconds": each.interval.total_seconds()}
        del row["interval"]
        found.append(row)
    rows.put(connection, "foreign_reading", found)


def readings(connection: Connection) -> tuple[ForeignReading, ...]:
    """All readings of others, also old ones, by source, key and subject."""
    found = connection.execute("SELECT * FROM foreign_reading ORDER BY source, key, subject")
    return tuple(
        [
            rows.value_of(
                ForeignReading,
                row,
                f"reading of {row['source']}",
                interval=timedelta(seconds=row["interval_seconds"]),
            )
            for row in found
        ]
    )
