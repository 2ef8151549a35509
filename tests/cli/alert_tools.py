"""What tests of alerts share: an operator's outbox, and time that passes quickly."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.cli.operator import Operator, Result
from tests.waiting import eventually

CRISIS = ("--crisis_bytes", "900TB")
CALM = ("--crisis_bytes", "0")


def sql(operator: Operator, statement: str, *values: object) -> list[Any]:
    """Run a statement when no sender is about."""
    eventually(lambda: not lock(operator).exists())
    with closing(sqlite3.connect(operator.database)) as connection:
        rows = connection.execute(statement, values).fetchall()
        connection.commit()
        return rows


def lock(operator: Operator) -> Path:
    return operator.database.with_name("colony.db.alerting")


def notes(operator: Operator) -> Path:
    return operator.database.with_name("colony.db.alerts")


def earlier(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="microseconds")


def calm_down(operator: Operator) -> Result:
    """Cycles without the crisis, and as if that had been so for an hour."""
    operator.cycle(*CALM)
    sql(operator, "UPDATE alert SET gone_since = ?, sightings = 3 WHERE ended_at IS NULL", earlier(1))
    return operator.cycle()


def try_again(operator: Operator) -> None:
    """As if the pause before the next try were over."""
    sql(operator, "UPDATE alert_message SET next_try_at = ?", earlier(0.1))


def waiting(operator: Operator) -> list[dict[str, Any]]:
    result = operator.run("alerts", "--json")
    assert result.code == 0, result
    found: list[dict[str, Any]] = json.loads(result.out)["waiting"]
    return found


def settle(operator: Operator) -> None:
    """Nothing is on its way any more."""
    eventually(lambda: not lock(operator).exists() and not waiting(operator))
