"""Takes readings that other programs measured on this machine, such as those of GPUs and containers."""

from collections.abc import Iterable

from wnm.core.observation import ForeignReading
from wnm.storage import handed_over
from wnm.storage.database import open_as_it_is


def put(database_path: str, source: str, readings: Iterable[ForeignReading]) -> None:
    """Keep these readings in the place of all that the source gave before; none of them takes them away.

    One short transaction, beside running cycles. NeedsOperator for a database that is missing or of another revision.
    """
    found = tuple(readings)
    with open_as_it_is(database_path) as database:
        database.write(lambda connection: handed_over.put_readings(connection, source, found))
