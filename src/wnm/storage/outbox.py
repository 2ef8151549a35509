"""The outbox as the sender of messages has it: in the database of whatever wnm wrote it, beside running cycles."""

from wnm.core.errors import NeedsOperator
from wnm.storage.checks import revision_of
from wnm.storage.database import Database, open_for_writing
from wnm.storage.models import HEAD, SCHEMA


def open_as_it_is(path: str) -> Database:
    """The database for short transactions. The caller need not hold the lock of cycles.

    NeedsOperator if it would have to be migrated, besides all that `open_for_writing` raises.
    """
    if revision_of(path, SCHEMA) != HEAD:
        raise NeedsOperator(f"{path} is of an older wnm", remedy="let the next cycle see to it")
    return open_for_writing(path)
