"""One cycle, told from beginning to end: look, decide, write down, act, write down. Read this first."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from wnm.act.executor import TimeLimit, carry_out
from wnm.act.mending import mend
from wnm.act.steps import Hands
from wnm.core.action import NodeAction, Resurvey
from wnm.core.contracts import Clock
from wnm.core.decide.forced import BY_HAND
from wnm.core.decide.releases import passed_gates
from wnm.core.decision import Decision
from wnm.core.node import Node
from wnm.core.observation import Observation
from wnm.core.outcome import Outcome, Result, Retry
from wnm.core.recall import Recall
from wnm.core.settings import Settings
from wnm.node_kinds.kind import NodeKind
from wnm.observe.survey import survey
from wnm.sensors.host import read_counters
from wnm.storage.ledger import Ending, Ledger

LAST_PART_WITHOUT_STARTS = 1 / 5
RESERVE_FOR_WRITING_DOWN = 1 / 25

type Choose = Callable[[Observation, Settings], Decision]


class Machine(Struct, frozen=True, kw_only=True):
    """What a cycle works with: the hands, the kinds of node and the time; `began` is when this run began."""

    hands: Hands
    kinds: Mapping[str, NodeKind]
    clock: Clock
    began: float


class Wishes(Struct, frozen=True, kw_only=True):
    """The settings of this run, and their canonical texts, with which the cycle can be planned again."""

    settings: Settings
    texts: Mapping[str, str]


class Plan(Struct, frozen=True, kw_only=True):
    """A cycle up to the point where it would change something."""

    started_at: datetime
    known: tuple[Node, ...]
    seen: Observation
    decision: Decision


class Cycle(Struct, frozen=True, kw_only=True):
    """A whole cycle, under the number that it was written down with."""

    number: int
    plan: Plan
    outcomes: tuple[Outcome, ...]
    problems: tuple[str, ...]
    exit_code: int
    ended_at: datetime


def plan_cycle(recall: Recall, settings: Settings, machine: Machine, choose: Choose) -> Plan:
    """Look and decide; nothing is different afterwards. This is the whole of a dry run."""
    started_at = machine.clock.now()
    seen = survey(
        recall, settings, machine.hands.manager, machine.hands.firewall, machine.kinds, machine.clock
    )
    return Plan(started_at=started_at, known=recall.nodes, seen=seen, decision=choose(seen, settings))


def carry_through(ledger: Ledger, plan: Plan, wished: Wishes, machine: Machine) -> Cycle:
    """Write the intention down, act on it, write down what became of it."""
    actions = node_actions(plan.decision)
    # Nothing can be interrupted where nothing is done: an idle cycle is written down once, at its end.
    intention = ledger.intend(plan.seen, wished.texts, plan.decision, plan.started_at) if actions else None
    limit = time_limit(machine.began, wished.settings)
    outcomes = carry_out(
        actions,
        intention.rows if intention else {},
        machine.hands,
        clock=machine.clock,
        limit=limit,
        pause=wished.settings.pause_between_actions,
    )
    failures = mend(
        plan.decision.ports, passed_gates(plan.decision), machine.hands, clock=machine.clock, limit=limit
    )
    problems = machine.hands.manager.trim_logs(plan.known)
    ending = Ending(
        ended_at=machine.clock.now(),
        exit_code=exit_code(plan.decision, outcomes) or int(bool(failures)),
        counters=read_counters(machine.clock),
        history_days=wished.settings.history_days,
    )
    if intention is None:
        number = ledger.record_idle(plan.seen, wished.texts, plan.decision, plan.started_at, ending)
    else:
        number = intention.cycle_id
        ledger.conclude(intention, outcomes, ending)
    return Cycle(
        number=number,
        plan=plan,
        outcomes=outcomes,
        problems=(*failures, *problems),
        exit_code=ending.exit_code,
        ended_at=ending.ended_at,
    )


def node_actions(decision: Decision) -> Sequence[NodeAction]:
    """The actions that need hands; a survey has happened by the time it is decided."""
    return [action for action in decision.actions if not isinstance(action, Resurvey)]


def time_limit(began: float, settings: Settings) -> TimeLimit:
    """Nothing begins in the last fifth of the cycle, and a little of it is kept for writing down."""
    whole = settings.cycle_timeout.total_seconds()
    return TimeLimit(
        last_start=began + whole * (1 - LAST_PART_WITHOUT_STARTS),
        end=began + whole * (1 - RESERVE_FOR_WRITING_DOWN),
    )


def exit_code(decision: Decision, outcomes: Sequence[Outcome]) -> int:
    """3 when only the operator can make something go on, 1 when an action failed otherwise, else 0.

    What the ladder had no time for comes again by itself; what was asked for by hand does not.
    """
    bad = {Result.FAILED, Result.UNFINISHED} | ({Result.DEFERRED} if decision.rule == BY_HAND else set())
    failed = [outcome for outcome in outcomes if outcome.result in bad]
    if failed:
        return 3 if any(outcome.retry is Retry.OPERATOR for outcome in failed) else 1
    return 3 if any(held.remedy is not None for held in decision.held) else 0
