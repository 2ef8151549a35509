"""What happened to nodes, as the ledger hands it to stories and histories."""

from collections.abc import Mapping

from wnm.core.history import ChangeRecord, OperationRecord
from wnm.core.past import PastCycle
from wnm.core.values import Value


class Events(Value, frozen=True, kw_only=True):
    """Actions and changes of state, each newest first, and the cycles that they belong to, by number.

    `earlier` is how many of both were left out because they were too many.
    """

    operations: tuple[OperationRecord, ...]
    changes: tuple[ChangeRecord, ...]
    cycles: Mapping[int, PastCycle]
    earlier: int = 0


NO_EVENTS = Events(operations=(), changes=(), cycles={})
