"""The ledger of an imagined machine: the promises of the real one, kept in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.action import (
    AddNode,
    NodeAction,
    RemoveNode,
    Resurvey,
    StopNode,
    is_about_shuns,
    node_of,
)
from wnm.core.decision import Decision
from wnm.core.deeds import after, during
from wnm.core.lifecycle import retry_at
from wnm.core.node import Node, NodeId
from wnm.core.observation import Interrupted, Observation, Remembered, ShunAct
from wnm.core.outcome import Outcome, Result
from wnm.core.release import Release, after_outcomes, merged


class Intended(Struct, frozen=True, kw_only=True):
    """An action that was written down, with its node's row before the deed and during it."""

    operation_id: int
    action: NodeAction
    before: Node | None
    during: Node


@dataclass(slots=True)
class MemoryLedger:
    """Rows, operations that nobody concluded, and what else the next cycle needs. Every verb is all or nothing."""

    rows: dict[NodeId, Node] = field(default_factory=dict)
    unconcluded: dict[int, NodeAction] = field(default_factory=dict)
    remembered: Remembered = field(default_factory=Remembered)
    boot_id: str | None = None
    last_cycle_at: datetime | None = None
    operations: int = 0

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The rows by id."""
        return tuple(self.rows[number] for number in sorted(self.rows))

    @property
    def interrupted(self) -> tuple[Interrupted, ...]:
        """The operations that were begun and never concluded."""
        found = sorted(self.unconcluded.items())
        return tuple(Interrupted(operation_id=number, action=action) for number, action in found)

    def intend(self, seen: Observation, decision: Decision) -> tuple[Intended, ...]:
        """Write down what was concluded and what is about to be done."""
        self._learn(decision.releases)
        for conclusion in decision.conclusions:
            self.rows[conclusion.after.id] = conclusion.after
        for each in seen.interrupted:
            self.unconcluded.pop(each.operation_id, None)
        intended = []
        for action in decision.actions:
            if isinstance(action, Resurvey):
                continue
            before = self.rows.get(node_of(action))
            self.operations += 1
            item = Intended(
                operation_id=self.operations,
                action=action,
                before=before,
                during=during(action, before, seen.now),
            )
            intended.append(item)
            self.unconcluded[item.operation_id] = action
        for item in intended:
            self.rows[item.during.id] = item.during
            if is_about_shuns(item.action):
                act = ShunAct(node=item.during.id, at=seen.now)
                self.remembered = replace(self.remembered, shun_acts=(*self.remembered.shun_acts, act))
        return tuple(intended)

    def conclude(self, seen: Observation, intended: Sequence[Intended], outcomes: Sequence[Outcome]) -> None:
        """Write down what became of the actions; one outcome for each that was intended, in their order."""
        for item, outcome in zip(intended, outcomes, strict=True):
            row = after(outcome, item.during, item.before)
            if row is None:
                del self.rows[item.during.id]
            else:
                self.rows[row.id] = row
            if outcome.result is not Result.UNFINISHED:
                del self.unconcluded[item.operation_id]
            self._remember(item, outcome)
        self._count_additions(outcomes)
        judged = [(item.during, outcome) for item, outcome in zip(intended, outcomes, strict=True)]
        self._learn(after_outcomes(self.remembered.releases, judged))
        self.boot_id = seen.machine.boot_id
        self.last_cycle_at = seen.now

    def _learn(self, news: Sequence[Release]) -> None:
        self.remembered = replace(self.remembered, releases=merged(self.remembered.releases, news))

    def _remember(self, item: Intended, outcome: Outcome) -> None:
        if outcome.result is not Result.DONE:
            return
        if isinstance(item.action, StopNode) and item.action.shed:
            self.remembered = replace(self.remembered, last_shed_at=outcome.ended_at)
        if isinstance(item.action, RemoveNode) and outcome.freed_bytes is not None:
            self.remembered = replace(
                self.remembered,
                last_freed_bytes=outcome.freed_bytes,
                last_freed_at=outcome.ended_at,
                last_freed_mount_point=item.during.mount_point,
            )

    def _count_additions(self, outcomes: Sequence[Outcome]) -> None:
        added = [each for each in outcomes if isinstance(each.action, AddNode)]
        failed = [each for each in added if each.result is Result.FAILED]
        succeeded = any(each.result is Result.DONE for each in added)
        if failed:
            failures = 1 if succeeded else self.remembered.add_failures + 1
            self.remembered = replace(
                self.remembered,
                add_failures=failures,
                add_retry_at=retry_at(failures, failed[-1].ended_at, failed[-1].retry),
                add_last_error=failed[-1].error,
            )
        elif succeeded:
            self.remembered = replace(self.remembered, add_failures=0, add_retry_at=None, add_last_error=None)
