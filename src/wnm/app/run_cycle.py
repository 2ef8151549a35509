"""Runs a whole cycle: lock, look, decide, write down, act, write down, alert, publish. Read this first.

The lock is taken before anything heavy is imported. Of twelve runs that cron, people and a reboot start together, the
first gets it within a few milliseconds of work; the others are turned away without having loaded what a cycle needs.
Hence the imports inside of functions.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from wnm.app.context import Context
from wnm.app.invocation import Command, Report
from wnm.core.errors import Busy
from wnm.system.lock import only_one

if TYPE_CHECKING:
    from datetime import datetime

    from wnm.act.steps import Backends
    from wnm.core.action import Outcome
    from wnm.core.contracts import Clock
    from wnm.core.decision import Cycle, Decision, Plan
    from wnm.core.layers import Resolved
    from wnm.core.observation import LedgerState, Observation
    from wnm.core.settings import Settings
    from wnm.storage.ledger import Ledger

    type Choose = Callable[[Observation, Settings], Decision]

DEFAULT_SECONDS = 50.0
# The parts of a cycle's time after which nothing begins, and only what happened is written down.
LAST_START, LAST_MOMENT = 4 / 5, 24 / 25
TEARDOWN = "teardown"
UPDATE_CONFIG = "update_config"
log = logging.getLogger(__name__)


def run_cycle(context: Context) -> Report:
    """Carry out a cycle, as root where that is needed, then have sent what there is to tell, without the lock.

    Busy while another one runs; NeedsOperator without a database.
    """
    asked = context.asked
    if asked.force_action == TEARDOWN and not asked.dry_run:
        require_database(context.database_path)
        from wnm.app.teardown import tear_down

        return tear_down(context)
    if asked.dry_run:
        return with_rights(context)
    from wnm.alerts.cycle import send_alerts
    from wnm.app.log_file import log_path

    log_file = None if asked.log_file is None else log_path(asked.log_file)
    is_cycle = asked.command is Command.CYCLE
    try:
        report = with_rights(context)
    except Exception as error:
        # An operator who asks for something by hand sees the result.
        if is_cycle and not isinstance(error, Busy):
            send_alerts(context.database_path, "bad", error, log_file=log_file)
        raise
    good = report.exit_code == 0 and is_cycle
    send_alerts(context.database_path, "good" if good else "done", log_file=log_file)
    return report


def with_rights(context: Context) -> Report:
    """Carry it out in this process, or in one of root's if nodes are services of the system."""
    if context.host.is_root:
        return act_here(context)
    require_database(context.database_path)
    from wnm.app.elevate import act_as_root, needs_root

    return act_as_root(context) if needs_root(context) else act_here(context)


def act_here(context: Context) -> Report:
    """Carry it out in this process. Busy while another one does.

    Until the settings have said how long a cycle may take, their default holds.
    """
    watchdog = Watchdog(context)
    watchdog.allow(DEFAULT_SECONDS)
    try:
        require_database(context.database_path)
        if context.asked.dry_run:
            return _rehearse(context)
        with only_one(context.lock_path):
            report, absent_before = _cycle(context, watchdog)
        if absent_before is not None:
            from wnm.app.teardown import clear_away

            clear_away(absent_before, context.lock_path)
        return report
    finally:
        watchdog.timer.cancel()


def _cycle(context: Context, watchdog: "Watchdog") -> tuple[Report, tuple[str, ...] | None]:
    """One cycle, by the ladder or by hand. The caller holds the lock.

    The second is None unless everything was torn down: then it is what the machine lacked before wnm came.
    """
    from wnm.alerts.cycle import note_alerts
    from wnm.app.publish import publish, withdraw
    from wnm.app.settings import check, keep_changes, notice_copy
    from wnm.app.telling import tell
    from wnm.sensors.host import system_id
    from wnm.storage.database import open_for_writing
    from wnm.storage.ledger import Ledger

    with open_for_writing(context.database_path) as database:
        ledger = Ledger(database)
        resolved, state = check(context, ledger)
        settings = resolved.settings
        watchdog.allow(settings.cycle_timeout.total_seconds())
        if context.asked.force_action == UPDATE_CONFIG:
            if not resolved.changes:
                log.info("update_config: everything given is stored already")
            keep_changes(ledger, resolved, context)
            return Report(), None
        backends = context.wiring.build(settings, context.clock)
        plan = look_and_decide(state, settings, backends, context.clock, _choice(context))
        # Only now: a request that is refused must not leave its settings behind.
        keep_changes(ledger, resolved, context)
        notice_copy(ledger, system_id())
        cycle = _act(context, ledger, resolved, plan, backends)
        left = ledger.nodes()
        note_alerts(database, cycle, left, state, settings)
        is_over = context.asked.force_action == TEARDOWN and not left
        now = context.clock.now()
        problems = withdraw(settings) if is_over else publish(cycle, left, resolved, database, now)
        absent_before = ledger.absent_before() if is_over else None
        identity = ledger.identity().uuid if is_over else ""
    tell(cycle, left, problems, firewall_note=state.firewall_note)
    if is_over:
        from wnm.app.teardown import forget_everything

        known = [each.path for each in state.remembered.places]
        forget_everything(context.database_path, (*settings.node_storage, *known), identity)
    return Report(exit_code=cycle.exit_code), absent_before


def look_and_decide(
    state: "LedgerState", settings: "Settings", backends: "Backends", clock: "Clock", choose: "Choose"
) -> "Plan":
    """Look and decide; nothing is different afterwards. This is the whole of a dry run."""
    from wnm.core.decision import Plan
    from wnm.node_kinds.kinds import KINDS
    from wnm.observe.survey import survey

    started_at = clock.now()
    seen = survey(state, settings, backends.manager, backends.firewall, KINDS, clock)
    return Plan(started_at=started_at, known=state.nodes, seen=seen, decision=choose(seen, settings))


def _act(run: Context, ledger: "Ledger", resolved: "Resolved", plan: "Plan", backends: "Backends") -> "Cycle":
    """Write the intention down, act on it, write down what became of it."""
    from wnm.act.executor import TimeLimit
    from wnm.act.steps import carry_out_actions, healing_slots, reconcile
    from wnm.core.action import Resurvey
    from wnm.core.decide.upgrades import passed_gates
    from wnm.core.decision import Cycle
    from wnm.sensors.host import nodes_group, read_counters
    from wnm.storage.ledger import Ending

    settings, clock, decision = resolved.settings, run.clock, plan.decision
    texts = resolved.recorded_texts()
    actions = [action for action in decision.actions if not isinstance(action, Resurvey)]
    unmarked = _mark_places(ledger, plan, settings) if decision.places else ()
    # Nothing can be interrupted where nothing is done: an idle cycle is written down once, at its end.
    intention = ledger.intend(plan.seen, texts, decision, plan.started_at) if actions else None
    began, whole = run.began, settings.cycle_timeout.total_seconds()
    limit = TimeLimit(last_start=began + whole * LAST_START, end=began + whole * LAST_MOMENT)
    outcomes = carry_out_actions(
        actions,
        intention.rows if intention else {},
        backends,
        clock=clock,
        limit=limit,
        pause=settings.pause_between_actions,
        healing=healing_slots(settings, plan.seen.machine.usable_cores),
    )
    failures = reconcile(decision.ports, passed_gates(decision), backends, clock=clock, limit=limit)
    problems = (*unmarked, *failures, *backends.manager.trim_logs(plan.known))
    ending = Ending(
        ended_at=clock.now(),
        exit_code=exit_code(decision, outcomes) or int(bool(failures)),
        counters=read_counters(clock, nodes_group(settings.process_manager)),
        history_days=settings.history_days,
    )
    if intention is None:
        number = ledger.record_idle(plan.seen, texts, decision, plan.started_at, ending)
    else:
        number = intention.cycle_id
        ledger.conclude(intention, outcomes, ending)
        _note_additions(ledger, plan, outcomes, ending.ended_at)
    return Cycle(
        number=number,
        plan=plan,
        outcomes=outcomes,
        problems=problems,
        exit_code=ending.exit_code,
        ended_at=ending.ended_at,
    )


def _mark_places(ledger: "Ledger", plan: "Plan", settings: "Settings") -> "Sequence[str]":
    """Write the markers of new storage folders and remember what was decided of them; returns what went wrong.

    Transient if that was what somebody asked for.
    """
    news, identity = plan.decision.places, plan.seen.remembered.identity
    if identity is None:
        return ()
    from wnm.act.places import mark_all
    from wnm.core.backends import traits_of
    from wnm.core.decision import BY_HAND
    from wnm.core.errors import Transient

    passable = traits_of(settings.process_manager).runs_as_account
    done, problems = mark_all(news, identity, passable=passable)
    ledger.note_places(done)
    if problems and plan.decision.rule == BY_HAND:
        raise Transient("; ".join(problems))
    return problems


def _note_additions(ledger: "Ledger", plan: "Plan", outcomes: "Sequence[Outcome]", now: "datetime") -> None:
    """Remember of storage folders whether the nodes that were added there could be."""
    from wnm.core.action import AddNode, Result
    from wnm.core.places import after_additions_in

    ended = [
        (os.path.dirname(each.action.node.root_dir), each.error if each.result is Result.FAILED else None)  # noqa: PTH120
        for each in outcomes
        if isinstance(each.action, AddNode) and each.result in (Result.DONE, Result.FAILED)
    ]
    if ended:
        known = {each.path: each for each in plan.seen.remembered.places}
        known |= {each.place.path: each.place for each in plan.decision.places}
        ledger.note_places(after_additions_in(known.values(), ended, now))


def _rehearse(context: Context) -> Report:
    """The plan of a cycle, from the same observation that a real one has. Needs no lock and changes no byte."""
    from wnm.app.settings import check, told_changes
    from wnm.storage.database import open_for_reading
    from wnm.storage.ledger import Ledger
    from wnm.views.explain import plan_text

    with open_for_reading(context.database_path) as database:
        resolved, state = check(context, Ledger(database))
        lines = [f"would set {name}: {old} -> {new}" for name, old, new in told_changes(resolved)]
        if context.asked.force_action == UPDATE_CONFIG:
            return Report(text="\n".join(lines))
        backends = context.wiring.build(resolved.settings, context.clock)
        plan = look_and_decide(state, resolved.settings, backends, context.clock, _choice(context))
    lines.append(plan_text(plan.seen, plan.decision, resolved.settings))
    if context.asked.force_action == TEARDOWN:
        lines.append(f"\nthen, when no node is left, would delete {context.database_path}")
    return Report(text="\n".join(lines), exit_code=exit_code(plan.decision, ()))


def _choice(context: Context) -> "Choose":
    """Return the function that decides: the ladder, or one that does exactly what was asked for by hand."""
    asked = context.asked
    if asked.command is not Command.FORCE:
        from wnm.core.decide.ladder import decide

        return decide
    from wnm.core.decide.forced import ForcedAction, Request, forced

    request = Request(
        action=ForcedAction(asked.force_action or ""),
        names=asked.service_names,
        count=asked.count,
        storage=asked.storage,
        confirmed=asked.confirm or asked.dry_run,
    )
    return partial(forced, request=request)


def exit_code(decision: "Decision", outcomes: "Sequence[Outcome]") -> int:
    """3 when only the operator can make something go on, 1 when an action failed otherwise, else 0.

    Actions that the ladder had no time for come again by themselves; those asked for by hand do not.
    """
    from wnm.core.action import Result, Retry
    from wnm.core.decision import BY_HAND

    bad = {Result.FAILED, Result.UNFINISHED} | ({Result.DEFERRED} if decision.rule == BY_HAND else set())
    failed = [outcome.retry for outcome in outcomes if outcome.result in bad]
    if failed:
        return 3 if Retry.OPERATOR in failed else 1
    return 3 if [held for held in decision.held if held.remedy is not None] else 0


def require_database(path: str) -> None:
    """Without a database there is not even a lock file to be left behind."""
    if not os.path.lexists(path):
        from wnm.storage.errors import missing

        raise missing(path)


class Watchdog:
    """Ends this process so many seconds after the run began, unless it is called off before: nothing may hang for good.

    Its action stays written down as begun, and the next cycle finishes or undoes it.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.timer = threading.Timer(0, _give_up)

    def allow(self, seconds: float) -> None:
        """Give the run this time in all."""
        self.timer.cancel()
        left = self._context.began + seconds - self._context.clock.monotonic()
        self.timer = threading.Timer(max(0.0, left), _give_up, (seconds,))
        self.timer.daemon = True
        self.timer.start()


def _give_up(seconds: float) -> None:
    log.error("cycle_timeout: not done after %g s; the next cycle goes on from what is written down", seconds)
    logging.shutdown()
    os._exit(1)
