"""The report of earnings, which alone reads the earnings ledger."""

import sys

from wnm.app.context import Context
from wnm.storage.database import Database
from wnm.storage.earnings import Earnings
from wnm.system.clock import SystemClock
from wnm.views.earnings import NAME as EARNINGS
from wnm.views.earnings import only_of, render_earnings

__all__ = ["EARNINGS", "report_earnings"]


def report_earnings(run: Context, database: Database) -> int:
    """Print it in the format that was asked for, of the named nodes only if any are named."""
    records = Earnings(database).all()
    if run.asked.service_names:
        records = tuple(only_of(records, run.asked.service_names))
    sys.stdout.write(render_earnings(run.asked.report_format or "text", records, SystemClock().now()) + "\n")
    return 0
