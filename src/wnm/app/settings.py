"""Checks the settings of a run against the machine and its nodes, and keeps those that changed."""

import logging
from posixpath import dirname

from wnm.app.context import Context
from wnm.core.errors import BadInput
from wnm.core.layers import Resolved
from wnm.core.observation import LedgerState
from wnm.core.settings import shown
from wnm.storage.ledger import Ledger
from wnm.system.removal import absent_folders

log = logging.getLogger(__name__)


def check(context: Context, ledger: Ledger) -> tuple[Resolved, LedgerState]:
    """The settings and the legacy of earlier cycles, refused before anything changes if they do not fit."""
    resolved = context.resolve(ledger.layers())
    context.wiring.check(resolved.settings)
    state = ledger.load()
    _refuse_leaving_nodes(resolved, state)
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


def update_config(ledger: Ledger, resolved: Resolved, context: Context) -> None:
    """Keep what was given, and do nothing else."""
    if not resolved.changes:
        log.info("update_config: everything given is stored already")
    keep_changes(ledger, resolved, context)


def told_changes(resolved: Resolved) -> list[tuple[str, str, str]]:
    """The name of each setting that changes, and its old and new text as it may be shown."""
    return [
        (
            change.name,
            shown(change.name, change.old_text or "") or "default",
            shown(change.name, change.new_text or "") or "none",
        )
        for change in resolved.changes
    ]


def _refuse_leaving_nodes(resolved: Resolved, state: LedgerState) -> None:
    """Only folders that the settings name may be touched, so those that hold nodes have to stay named."""
    changed = {change.name for change in resolved.changes}
    settings = resolved.settings
    for node in state.nodes:
        if "node_storage" in changed and dirname(node.root_dir) not in settings.node_storage:
            raise BadInput(
                f"node_storage: {node.name} is in {dirname(node.root_dir)}; keep that folder in the list"
            )
        if "log_storage" in changed and dirname(node.log_dir) != settings.log_storage:
            raise BadInput(
                f"log_storage: {node.name} logs in {dirname(node.log_dir)}; change it when there are no nodes"
            )
