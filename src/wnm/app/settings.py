"""Checks the settings of a run, keeps those that changed, and notices that a database was copied to another machine."""

import logging
from posixpath import dirname

from wnm.app.context import Context
from wnm.core.errors import BadInput
from wnm.core.layers import Resolved
from wnm.core.observation import Identity, LedgerState
from wnm.core.settings import shown
from wnm.storage.ledger import Ledger
from wnm.system.removal import absent_folders

COPY_REMEDY = "if two machines now run from one image, make a database of its own on one of them: wnm --init"
log = logging.getLogger(__name__)


def check(context: Context, ledger: Ledger) -> tuple[Resolved, LedgerState]:
    """The settings and the legacy of earlier cycles, refused before anything changes if they do not fit.

    Only folders that the settings name may be touched, so those that hold nodes have to stay named.
    """
    resolved = context.resolve(ledger.layers())
    settings = resolved.settings
    context.wiring.check(settings)
    state = ledger.load()
    changed = {change.name for change in resolved.changes}
    for node in state.nodes:
        if "node_storage" in changed and dirname(node.root_dir) not in settings.node_storage:
            raise BadInput(
                f"node_storage: {node.name} is in {dirname(node.root_dir)}; keep that folder in the list"
            )
        if "log_storage" in changed and dirname(node.log_dir) != settings.log_storage:
            raise BadInput(
                f"log_storage: {node.name} logs in {dirname(node.log_dir)}; change it when there are no nodes"
            )
    return resolved, state


def keep_changes(ledger: Ledger, resolved: Resolved, context: Context) -> None:
    """Write down what was given and differs from what is stored, and log each of it."""
    if not resolved.changes:
        return
    ledger.note_absent(absent_folders(context.wiring.folders(resolved.settings)))
    kept = {change.name: change.new_text for change in resolved.changes}
    ledger.change_settings(kept, context.clock.now())
    for name, old, new in told_changes(resolved):
        log.info("%s: %s -> %s (%s)", name, old, new, resolved.origins[name])


def told_changes(resolved: Resolved) -> list[tuple[str, str, str]]:
    """The name of each setting that changes, and its old and new text as it may be shown."""
    return [
        (
            change.name,
            shown(change.name, change.old_text or "") or "default",
            shown(change.name, change.new_text) or "none",
        )
        for change in resolved.changes
    ]


def notice_copy(ledger: Ledger, system_id: str) -> None:
    """Say once that this machine is not the one that the database was made on; nothing else is done about it.

    A database that does not know its system yet remembers this one.
    """
    identity = ledger.identity()
    if identity.system_id is None:
        ledger.note(system_id=system_id)
    elif identity.is_copied_to(system_id) and identity.noticed_system_id != system_id:
        log.warning("%s: %s", copied(identity), COPY_REMEDY)
        ledger.note(noticed_system_id=system_id)


def copied(identity: Identity) -> str:
    """The words for a database that was made on another machine."""
    return f"the database was made on another machine (system {identity.system_id})"
