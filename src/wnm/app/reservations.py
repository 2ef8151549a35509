"""Takes reservations of parts of this machine: growth leaves them free."""

from wnm.core.errors import BadInput
from wnm.core.observation import Reservation
from wnm.storage import handed_over
from wnm.storage.database import open_as_it_is


def put(database_path: str, reservation: Reservation) -> None:
    """Keep a reservation; an earlier one of the same owner is replaced. BadInput for an amount below zero.

    One short transaction, beside running cycles. NeedsOperator for a database that is missing or of another revision.
    """
    amounts = (reservation.cores, reservation.memory_bytes, *reservation.disk_bytes.values())
    if not reservation.owner or any(amount < 0 for amount in amounts):
        raise BadInput(f"a reservation of {reservation.owner!r} needs an owner and amounts from 0 on")
    with open_as_it_is(database_path) as database:
        database.write(lambda connection: handed_over.put_reservation(connection, reservation))


def withdraw(database_path: str, owner: str) -> None:
    """Forget the reservation of an owner, if there is one."""
    with open_as_it_is(database_path) as database:
        database.write(lambda connection: handed_over.withdraw_reservation(connection, owner))
