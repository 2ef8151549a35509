"""Notices that a database was copied to another machine, as when the image of a machine is cloned."""

import logging

from wnm.core.observation import Identity
from wnm.storage.ledger import Ledger

REMEDY = "if two machines now run from one image, make a database of its own on one of them: wnm --init"
log = logging.getLogger(__name__)


def notice_copy(ledger: Ledger, system_id: str) -> None:
    """Say once that this machine is not the one that the database was made on; nothing else is done about it.

    A database that does not know its system yet remembers this one.
    """
    identity = ledger.identity()
    if identity.system_id is None:
        ledger.note(system_id=system_id)
    elif identity.is_copied_to(system_id) and identity.noticed_system_id != system_id:
        log.warning("%s: %s", copied(identity), REMEDY)
        ledger.note(noticed_system_id=system_id)


def copied(identity: Identity) -> str:
    """The words for a database that was made on another machine."""
    return f"the database was made on another machine (system {identity.system_id})"
