"""A whole imagined machine under wnm: the real decisions and steps, with imagined hands and an imagined ledger."""

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import Struct

from wnm.act.steps import Hands, perform
from wnm.core.action import AddNode, NodeAction, OpenPort, PortChange, Resurvey
from wnm.core.decide.ladder import decide
from wnm.core.decide.releases import passed_gates
from wnm.core.decision import Decision
from wnm.core.errors import NeedsOperator, Permanent, ProgramFailed, WnmError
from wnm.core.node import Node, ProcessState
from wnm.core.observation import Observation, ProcessReading
from wnm.core.outcome import Outcome, Result, Retry
from wnm.core.settings import Settings
from wnm_sim.imagined_hands import ImaginedFirewall, ImaginedManager
from wnm_sim.memory_ledger import MemoryLedger
from wnm_sim.sight import observe
from wnm_sim.world import PowerCutError, World

MOST_STEPS_IN_TIME = 4

type Choose = Callable[[Observation, Settings], Decision]


class ImaginedCycle(Struct, frozen=True, kw_only=True):
    """One cycle. `outcomes` is None when the power went before its end, `decision` when it went before that."""

    seen: Observation
    decision: Decision | None
    outcomes: tuple[Outcome, ...] | None


@dataclass(slots=True)
class ImaginedMachine:
    """A world, the settings, and what wnm remembers."""

    world: World
    settings: Settings
    ledger: MemoryLedger = field(default_factory=MemoryLedger)

    def cycle(self, choose: Choose = decide, *, blind: bool = False) -> ImaginedCycle:
        """One whole cycle at this moment. A power cut is seen in the result and nowhere else."""
        seen = observe(self.world, self.ledger, self.settings, blind=blind)
        decision: Decision | None = None
        try:
            decision = choose(seen, self.settings)
            self.world.step()
            intended = self.ledger.intend(seen, decision)
            self.world.step()
            outcomes = tuple(self._carry_out(item.action, item.during) for item in intended)
            self._forget(passed_gates(decision))
            self._mend_ports(decision.ports)
            self.world.step()
            self.ledger.conclude(seen, intended, outcomes)
        except PowerCutError:
            return ImaginedCycle(seen=seen, decision=decision, outcomes=None)
        return ImaginedCycle(seen=seen, decision=decision, outcomes=outcomes)

    def _forget(self, passed: tuple[Node, ...]) -> None:
        for node in passed:
            try:
                ImaginedManager(self.world).forget_former_program(node)
            except WnmError:
                continue  # replaced by the next upgrade

    def _mend_ports(self, changes: tuple[PortChange, ...]) -> None:
        firewall = ImaginedFirewall(self.world)
        for change in changes:
            try:
                if isinstance(change, OpenPort):
                    firewall.open_port(change.port, change.comment)
                else:
                    firewall.close_port(change.port, change.comment)
            except WnmError:
                continue  # seen again by the next cycle

    def _carry_out(self, action: NodeAction, node: Node) -> Outcome:
        if self.world.steps_left is None and self.world.fails("finish"):
            return self._out_of_time(action, node)
        hands = Hands(manager=ImaginedManager(self.world), firewall=ImaginedFirewall(self.world))
        try:
            performed = perform(action, node, hands)
        except WnmError as error:
            return self._failed(action, node, hands, error)
        return Outcome(
            action=action,
            result=Result.DONE,
            ended_at=self.world.now,
            freed_bytes=performed.freed_bytes,
        )

    def _out_of_time(self, action: NodeAction, node: Node) -> Outcome:
        """An action that gets through some of its steps and is still busy when the cycle has to end."""
        self.world.steps_left = self.world.steps % MOST_STEPS_IN_TIME
        try:
            return self._carry_out(action, node)
        except PowerCutError:
            error = "the cycle's time was used up while it was under way"
            return Outcome(action=action, result=Result.UNFINISHED, ended_at=self.world.now, error=error)
        finally:
            self.world.steps_left = None

    def _failed(self, action: NodeAction, node: Node, hands: Hands, error: WnmError) -> Outcome:
        retry = Retry.SOON
        if isinstance(error, NeedsOperator):
            retry = Retry.OPERATOR
        elif isinstance(error, Permanent):
            retry = Retry.LATE
        status = hands.manager.get_status(node)
        runs: bool | None = isinstance(status, ProcessReading) and status.state is ProcessState.RUNNING
        if isinstance(action, AddNode) and node.root_dir in self.world.folders:
            runs = None  # Undoing it failed too: what is left has to be looked at.
        return Outcome(
            action=action,
            result=Result.FAILED,
            ended_at=self.world.now,
            error=str(error),
            retry=retry,
            running_after=runs,
            program_failed=isinstance(error, ProgramFailed),
        )


def node_actions(decision: Decision) -> tuple[NodeAction, ...]:
    """The actions of a decision that are about nodes."""
    return tuple(each for each in decision.actions if not isinstance(each, Resurvey))
