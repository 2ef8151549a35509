"""The commands that change the machine: a cycle, a rehearsal of one, and what is asked for by hand."""

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from posixpath import dirname

from wnm.cli.invocation import Command
from wnm.cli.run import Run
from wnm.core.decide.forced import ForcedAction, Request, forced
from wnm.core.decide.ladder import decide
from wnm.core.decision import Decision
from wnm.core.errors import BadInput
from wnm.core.layers import Resolved
from wnm.core.node import Node
from wnm.core.observation import Observation
from wnm.core.outcome import Result
from wnm.core.recall import Recall
from wnm.core.settings import SPECS, Settings
from wnm.cycle import Choose, Cycle, Wishes, plan_cycle, run_cycle
from wnm.record.database import open_for_reading, open_for_writing
from wnm.record.ledger import Ledger
from wnm.report.cycle_line import cycle_line
from wnm.report.explain import plan_text
from wnm.system.clock import SystemClock
from wnm.wiring import build_machine, check_buildable

UPDATE_CONFIG = "update_config"
log = logging.getLogger(__name__)


def act(run: Run) -> int:
    """One cycle, by the ladder or by hand. The caller holds the lock."""
    with open_for_writing(run.database_path) as database:
        ledger = Ledger(database)
        resolved = run.resolve(ledger.settings())
        settings = resolved.settings
        check_buildable(settings)
        recall = ledger.recall()
        _refuse_leaving_nodes(resolved, recall)
        machine = build_machine(settings, SystemClock())
        with _bounded(settings):
            if run.asked.force_action == UPDATE_CONFIG:
                return _update_config(ledger, resolved)
            wishes = Wishes(settings=settings, texts={name: resolved.text(name) for name in SPECS})
            cycle = run_cycle(ledger, recall, wishes, machine, _keeping(_choice(run), ledger, resolved))
            _tell(cycle, ledger.nodes())
    if run.asked.force_action == ForcedAction.TEARDOWN and cycle.exit_code == 0:
        _forget_everything(run)
    return cycle.exit_code


def rehearse(run: Run) -> int:
    """The plan of a cycle, from the same observation that a real one has. Needs no lock and changes no byte."""
    with open_for_reading(run.database_path) as database:
        ledger = Ledger(database)
        resolved = run.resolve(ledger.settings())
        recall = ledger.recall()
        _refuse_leaving_nodes(resolved, recall)
        machine = build_machine(resolved.settings, SystemClock())
        for change in resolved.changes:
            print(f"would set {change.name}: {change.old_text or 'default'} -> {change.new_text}")
        if run.asked.force_action == UPDATE_CONFIG:
            return 0
        plan = plan_cycle(recall, resolved.settings, machine, _choice(run))
    print(plan_text(plan.seen, plan.decision, resolved.settings))
    return 0


def _choice(run: Run) -> Choose:
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


def _keeping(choose: Choose, ledger: Ledger, resolved: Resolved) -> Choose:
    """The same choice; settings that were given are kept once it did not refuse what was asked for."""

    def choose_and_keep(seen: Observation, settings: Settings) -> Decision:
        decision = choose(seen, settings)
        _keep_changes(ledger, resolved)
        return decision

    return choose_and_keep


def _keep_changes(ledger: Ledger, resolved: Resolved) -> None:
    if not resolved.changes:
        return
    ledger.change_settings({change.name: change.new_text for change in resolved.changes})
    for change in resolved.changes:
        origin = resolved.origins[change.name]
        log.info("%s: %s -> %s (%s)", change.name, change.old_text or "default", change.new_text, origin)


def _update_config(ledger: Ledger, resolved: Resolved) -> int:
    if not resolved.changes:
        raise BadInput("--force_action update_config: nothing given differs from what is stored")
    _keep_changes(ledger, resolved)
    return 0


@contextmanager
def _bounded(settings: Settings) -> Iterator[None]:
    """However a disk or a service manager hangs, this process is gone when the cycle's time is over.

    What it was doing stays written down as begun, and the next cycle finishes or undoes it.
    """
    seconds = settings.cycle_timeout.total_seconds()

    def give_up() -> None:
        log.error(
            "cycle_timeout: not done after %g s; the next cycle goes on from what is written down", seconds
        )
        logging.shutdown()
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _tell(cycle: Cycle, nodes: Sequence[Node]) -> None:
    """One line when all is well; one more for everything that went wrong or needs somebody."""
    for problem in cycle.problems:
        log.warning("%s", problem)
    for outcome in cycle.outcomes:
        if outcome.result is not Result.DONE:
            log.error("%s: %s", outcome.result, outcome.error)
    for held in cycle.plan.decision.held:
        if held.remedy is not None:
            log.error("cannot %s, which waits for %s: %s", held.what, held.waiting_for, held.remedy)
    log.info("%s", cycle_line(cycle.plan.decision, cycle.outcomes, nodes))


def _forget_everything(run: Run) -> None:
    """After a teardown there is nothing left to manage: the database goes, the backed-up keys stay."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{run.database_path}{suffix}").unlink(missing_ok=True)
    log.info("everything is removed, %s too; backed-up keys stay", run.database_path)
