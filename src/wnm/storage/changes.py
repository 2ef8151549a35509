"""Changes of nodes' states that no action made: written down with the cycle that saw them, and kept as long."""

from datetime import datetime

from sqlalchemy import Connection, insert

from wnm.core.decision import Decision
from wnm.storage import models


def note(connection: Connection, cycle: int, decision: Decision, at: datetime) -> None:
    """Write down the concluded changes of status; other news of nodes is no change."""
    rows = [
        {
            "cycle_id": cycle,
            "at": at,
            "node_id": int(each.after.id),
            "node_name": each.after.name,
            "was": each.before.status.value,
            "became": each.after.status.value,
            "because": each.after.because,
        }
        for each in decision.conclusions
        if each.before.status is not each.after.status
    ]
    if rows:
        connection.execute(insert(models.StateChange), rows)
