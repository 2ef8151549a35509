"""Actions, complete when decided, so that carrying them out chooses nothing, and their outcomes."""

from collections.abc import Iterable
from enum import StrEnum

from wnm.core.node import Node, NodeId
from wnm.core.reasons import Reason
from wnm.core.values import Moment, Value


class ProgramChoice(Value, frozen=True, kw_only=True):
    """The program file that a node gets a copy of, and the version it says it is."""

    path: str
    version: str
    stamp: str


class AddNode(Value, frozen=True, kw_only=True):
    """Create this node's folders and program copy, open its port and start it."""

    node: Node
    program: ProgramChoice
    because: Reason


class AdoptNode(Value, frozen=True, kw_only=True):
    """Manage a node whose folder is there already; `former` is its row when its folder was elsewhere before."""

    node: Node
    because: Reason
    former: Node | None = None


class _OnNode(Value, frozen=True, kw_only=True):
    node: NodeId
    because: Reason


class StartNode(_OnNode, frozen=True, kw_only=True):
    """Start a stopped node; `program`, when given, replaces its copy first."""

    program: ProgramChoice | None


class StopNode(_OnNode, frozen=True, kw_only=True):
    """End a node's process and keep its data. `shed` marks a stop that relieves pressure."""

    shed: bool


class RestartNode(_OnNode, frozen=True, kw_only=True):
    """End a node's process and start it again.

    `silent` marks one that had stopped answering, `shunned` one that its peers shun.
    """

    silent: bool
    shunned: bool = False


class UpgradeNode(_OnNode, frozen=True, kw_only=True):
    """Replace a node's program copy and restart it on it."""

    program: ProgramChoice


class RollBackNode(_OnNode, frozen=True, kw_only=True):
    """Put a node's former program back and restart it on that: it failed the gate of the one it has."""


class RetireNode(_OnNode, frozen=True, kw_only=True):
    """End a node's process; it is removed when `delay_remove` has passed.

    `shunned` marks one that is given up because its peers shun it.
    """

    shunned: bool = False


class RemoveNode(_OnNode, frozen=True, kw_only=True):
    """Remove a node for good: process, unit, firewall rule, folders (after its key is backed up), row."""


class DisableNode(_OnNode, frozen=True, kw_only=True):
    """End a node's process and leave the node alone until it is enabled again."""


class EnableNode(_OnNode, frozen=True, kw_only=True):
    """Manage a disabled node again."""


class Resurvey(Value, frozen=True, kw_only=True):
    """Take every node for what was seen of it in this cycle and start all timers again."""

    because: Reason


class OpenPort(Value, frozen=True, kw_only=True):
    """Open a port for a node that is there already; the rule carries `comment`."""

    port: int
    comment: str
    because: Reason


class ClosePort(Value, frozen=True, kw_only=True):
    """Take away the rule with this comment for this port."""

    port: int
    comment: str
    because: Reason


type PortChange = OpenPort | ClosePort
type NodeAction = (
    AddNode
    | AdoptNode
    | StartNode
    | StopNode
    | RestartNode
    | UpgradeNode
    | RollBackNode
    | RetireNode
    | RemoveNode
    | DisableNode
    | EnableNode
)
type Action = NodeAction | Resurvey


def port_comment(name: str) -> str:
    """The comment by which a firewall rule is known as that of the node of this name."""
    return f"wnm {name}"


def is_about_shuns(action: Action) -> bool:
    """Whether the policy for shunned nodes decided it."""
    return isinstance(action, RestartNode | RetireNode) and action.shunned


def node_of(action: NodeAction) -> NodeId:
    """The id of the node that an action is about."""
    return action.node.id if isinstance(action, AddNode | AdoptNode) else action.node


def nodes_in(actions: Iterable[Action]) -> set[NodeId]:
    """The ids of the nodes that actions are about."""
    return {node_of(action) for action in actions if not isinstance(action, Resurvey)}


class Result(StrEnum):
    """The result of an action. DEFERRED was never begun; UNFINISHED outlived the cycle and is resolved by the next."""

    DONE = "done"
    FAILED = "failed"
    DEFERRED = "deferred"
    UNFINISHED = "unfinished"


class Retry(StrEnum):
    """When a failed action may be tried again for the same node."""

    SOON = "soon"
    LATE = "late"
    OPERATOR = "operator"


class Outcome(Value, frozen=True, kw_only=True):
    """One action's end.

    `error` is one line for people when it failed. `running_after` is what the process manager said of the
    node after a failure, None when it could not be asked. `freed_bytes` is what a removal gave back.
    `program_failed`: the node could not be started on the program that the action gave it. `left_over`: it failed, and
    what it had made could not be taken away again.
    """

    action: NodeAction
    result: Result
    ended_at: Moment
    error: str | None = None
    retry: Retry = Retry.SOON
    running_after: bool | None = None
    freed_bytes: int | None = None
    note: str | None = None
    program_failed: bool = False
    left_over: bool = False
