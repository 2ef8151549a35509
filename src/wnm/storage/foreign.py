"""Keeps what other programs of this machine hand over: readings and reservations."""

from collections.abc import Iterable
from datetime import timedelta
from sqlite3 import Connection, Row

from wnm.core.observation import ForeignReading, Reservation
from wnm.storage import rows


def put_reservation(connection: Connection, reservation: Reservation) -> None:
    """Keep a reservation; one of the same owner is replaced."""
    columns = Reservation.__struct_fields__
    rows.put(connection, "reservation", [{name: getattr(reservation, name) for name in columns}])


def withdraw_reservation(connection: Connection, owner: str) -> None:
    """Forget the reservation of an owner, if there is one."""
    connection.execute("DELETE FROM reservation WHERE owner = ?", (owner,))


def reservations(connection: Connection) -> tuple[Reservation, ...]:
    """All reservations, also those whose time is over, by owner."""
    return tuple(map(_reservation, connection.execute("SELECT * FROM reservation ORDER BY owner")))


def put_readings(connection: Connection, source: str, readings: Iterable[ForeignReading]) -> None:
    """Replace all readings of a source by these."""
    connection.execute("DELETE FROM foreign_reading WHERE source = ?", (source,))
    rows.put(
        connection,
        "foreign_reading",
        (
            {
                "source": source,
                "key": each.key,
                "subject": each.subject,
                "value": each.value,
                "unit": each.unit,
                "at": each.at,
                "owner": each.owner,
                "interval_seconds": each.interval.total_seconds(),
            }
            for each in readings
        ),
    )


def readings(connection: Connection) -> tuple[ForeignReading, ...]:
    """All readings of others, also old ones, by source, key and subject."""
    found = connection.execute("SELECT * FROM foreign_reading ORDER BY source, key, subject")
    return tuple(map(_reading, found))


def _reservation(row: Row) -> Reservation:
    return Reservation(
        owner=row["owner"],
        cores=row["cores"],
        memory_bytes=row["memory_bytes"],
        disk_bytes=rows.json_of(dict[str, int], row["disk_bytes"], f"reservation of {row['owner']}"),
        until=rows.moment_or_none(row["until"]),
    )


def _reading(row: Row) -> ForeignReading:
    return ForeignReading(
        source=row["source"],
        key=row["key"],
        subject=row["subject"],
        value=row["value"],
        unit=row["unit"],
        at=rows.moment_of(row["at"]),
        owner=row["owner"],
        interval=timedelta(seconds=row["interval_seconds"]),
    )
