"""The commands that change the machine: a cycle, a rehearsal of one, and what is asked for by hand."""

import logging
from functools import partial
from pathlib import Path
from posixpath import dirname

from msgspec import Struct

from wnm.alerts.cycle import note_alerts
from wnm.alerts.fallback import forget_fallback
from wnm.app.context import Context
from wnm.app.identity import notice_copy
from wnm.app.invocation import Command
from wnm.app.publish import publish, withdraw
from wnm.app.telling import tell
from wnm.app.watchdog import Watchdog
from wnm.core.decide.forced import ForcedAction, Request, forced
from wnm.core.decide.ladder import decide
from wnm.core.errors import BadInput
from wnm.core.layers import Resolved
from wnm.core.recall import Recall
from wnm.core.settings import SECRET, SPECS, shown
from wnm.cycle import Choose, Wishes, carry_through, exit_code, plan_cycle
from wnm.sensors.host import system_id
from wnm.storage.database import open_for_reading, open_for_writing
from wnm.storage.ledger import Ledger
from wnm.system.clock import SystemClock
from wnm.system.traces import absent_folders
from wnm.views.explain import plan_text
from wnm.wiring import build_machine, check_buildable, places_of

UPDATE_CONFIG = "update_config"
log = logging.getLogger(__name__)


class Done(Struct, frozen=True, kw_only=True):
    """What is left to do after a cycle, outside of its lock.

    `absent_before` is None unless everything was torn down: then it is what the machine lacked before wnm came.
    """

    exit_code: int
    absent_before: tuple[str, ...] | None = None


def act(run: Context, watchdog: Watchdog) -> Done:
    """One cycle, by the ladder or by hand. The caller holds the lock."""
    clock = SystemClock()
    with open_for_writing(run.database_path) as database:
        ledger = Ledger(database)
        resolved, recall = _checked(run, ledger)
        settings = resolved.settings
        watchdog.allow(settings.cycle_timeout.total_seconds(), clock.monotonic())
        if run.asked.force_action == UPDATE_CONFIG:
            _update_config(ledger, resolved)
            return Done(exit_code=0)
        machine = build_machine(settings, clock, began=run.began)
        plan = plan_cycle(recall, settings, machine, _choice(run))
        # Only now: a request that is refused must not leave its settings behind.
        _keep_changes(ledger, resolved)
        notice_copy(ledger, system_id())
        # A recorded cycle is passed on when something went wrong, and nothing is decided from these.
        texts = {name: "" if name in SECRET else resolved.text(name) for name in SPECS}
        wishes = Wishes(settings=settings, texts=texts)
        cycle = carry_through(ledger, plan, wishes, machine)
        left, absent_before = ledger.nodes(), ledger.absent_before()
        note_alerts(database, cycle, left, recall, settings)
        is_over = run.asked.force_action == ForcedAction.TEARDOWN and not left
        problems = withdraw(settings) if is_over else publish(cycle, left, resolved, database, clock.now())
    tell(cycle, left, firewall_note=recall.firewall_note)
    for problem in problems:
        log.warning("%s", problem)
    if is_over:
        _forget_everything(run)
        return Done(exit_code=cycle.exit_code, absent_before=absent_before)
    return Done(exit_code=cycle.exit_code)


def rehearse(run: Context) -> int:
    """The plan of a cycle, from the same observation that a real one has. Needs no lock and changes no byte."""
    with open_for_reading(run.database_path) as database:
        resolved, recall = _checked(run, Ledger(database))
        for change in resolved.changes:
            old, new = (shown(change.name, text or "") for text in (change.old_text, change.new_text))
            print(f"would set {change.name}: {old or 'default'} -> {new or 'none'}")
        if run.asked.force_action == UPDATE_CONFIG:
            return 0
        machine = build_machine(resolved.settings, SystemClock(), began=run.began)
        plan = plan_cycle(recall, resolved.settings, machine, _choice(run))
    print(plan_text(plan.seen, plan.decision, resolved.settings))
    if run.asked.force_action == ForcedAction.TEARDOWN:
        print(f"\nthen, when no node is left, would delete {run.database_path}")
    return exit_code(plan.decision, ())


def _checked(run: Context, ledger: Ledger) -> tuple[Resolved, Recall]:
    """The settings and the legacy of earlier cycles, refused before anything changes if they do not fit."""
    resolved = run.resolve(ledger.layers())
    check_buildable(resolved.settings)
    recall = ledger.recall()
    _refuse_leaving_nodes(resolved, recall)
    return resolved, recall


def _choice(run: Context) -> Choose:
    if run.asked.command is not Command.FORCE:
        return decide
    request = Request(
        action=ForcedAction(run.asked.force_action or ""),
        names=run.asked.service_names,
        count=run.asked.count,
        confirmed=run.asked.confirm or run.asked.dry_run,
    )
    return partial(forced, request=request)


def _refuse_leaving_nodes(resolved: Resolved, recall: Recall) -> None:
    """Only folders that the settings name may be touched, so those that hold nodes have to stay named."""
    changed = {change.name for change in resolved.changes}
    settings = resolved.settings
    for node in recall.nodes:
        if "node_storage" in changed and dirname(node.root_dir) not in settings.node_storage:
            raise BadInput(
                f"node_storage: {node.name} is in {dirname(node.root_dir)}; keep that folder in the list"
            )
        if "log_storage" in changed and dirname(node.log_dir) != settings.log_storage:
            raise BadInput(
                f"log_storage: {node.name} logs in {dirname(node.log_dir)}; change it when there are no nodes"
            )


def _keep_changes(ledger: Ledger, resolved: Resolved) -> None:
    if not resolved.changes:
        return
    ledger.note_absent(absent_folders(places_of(resolved.settings)))
    kept = {change.name: change.new_text for change in resolved.changes}
    ledger.change_settings(kept, SystemClock().now())
    for change in resolved.changes:
        origin = resolved.origins[change.name]
        old, new = (shown(change.name, text or "") for text in (change.old_text, change.new_text))
        log.info("%s: %s -> %s (%s)", change.name, old or "default", new or "none", origin)


def _update_config(ledger: Ledger, resolved: Resolved) -> None:
    if not resolved.changes:
        log.info("update_config: everything given is stored already")
    _keep_changes(ledger, resolved)


def _forget_everything(run: Context) -> None:
    """After a teardown there is nothing left to manage: the database goes, the backed-up keys stay."""
    forget_fallback(run.database_path)
    # The database last: what SQLite keeps beside it would be mixed into a new one of the same name.
    for suffix in ("-wal", "-shm", ""):
        Path(f"{run.database_path}{suffix}").unlink(missing_ok=True)
    log.info("everything is removed, %s too; backed-up keys stay", run.database_path)
