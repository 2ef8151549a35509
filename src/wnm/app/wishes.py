"""Takes the wishes of a fleet for settings of this machine, and withdraws them."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from wnm.core.host import Host
from wnm.core.layers import FLEET, wish_refusal
from wnm.storage import handed_over
from wnm.storage.database import open_as_it_is
from wnm.storage.ledger import Ledger


class Taken(Struct, frozen=True, kw_only=True):
    """The result of storing wishes: `refused` says why by name; `is_outdated` if a later revision is there already."""

    refused: Mapping[str, str]
    is_outdated: bool


def put(database_path: str, revision: int, values: Mapping[str, str], host: Host, at: datetime) -> Taken:
    """Keep these wishes, texts by name, in the place of all earlier ones; no wishes withdraw all.

    They form the layer above the database, so below whatever is given at the machine. Wishes that may not be made,
    cannot be read or are less cautious than the machine's own settings are refused one by one. One short
    transaction, beside running cycles. NeedsOperator for a database that is missing or of another revision.
    """
    with open_as_it_is(database_path) as database:
        own = [layer for layer in Ledger(database).layers() if layer.name != FLEET]
        found = {name: wish_refusal(name, text, own, host) for name, text in values.items()}
        refused = {name: reason for name, reason in found.items() if reason is not None}
        kept = {name: text for name, text in values.items() if name not in refused}
        is_kept = database.write(
            lambda connection: handed_over.replace_wishes(connection, kept, revision, at)
        )
    return Taken(refused=refused, is_outdated=not is_kept)


def withdraw(database_path: str, revision: int, at: datetime) -> None:
    """Withdraw all wishes: the values below show again."""
    with open_as_it_is(database_path) as database:
        database.write(lambda connection: handed_over.replace_wishes(connection, {}, revision, at))


def give_back(database_path: str, name: str) -> None:
    """Let the fleet's wish for a setting count again that was set at the machine meanwhile."""
    with open_as_it_is(database_path) as database:
        database.write(lambda connection: handed_over.give_back(connection, name))


def note_synced(database_path: str, cycle: int) -> None:
    """Remember that the fleet has fetched everything up to this cycle: until then nothing of it is forgotten."""
    with open_as_it_is(database_path) as database:
        Ledger(database).note(synced_through=cycle)
