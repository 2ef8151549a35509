"""The commands that only read: reports, status, explain, replay, doctor. They need no lock and change no byte."""

import sys
from collections.abc import Callable

from wnm.cli.checkup import look_around
from wnm.cli.invocation import Command
from wnm.cli.material import material
from wnm.cli.run import Run
from wnm.core.decide.ladder import decide
from wnm.core.errors import BadInput
from wnm.core.layers import resolve
from wnm.record.database import open_for_reading
from wnm.report.material import Material, only
from wnm.system.clock import SystemClock


def read(run: Run) -> int:
    """Run one of the commands that only read."""
    if run.asked.command is Command.REPLAY:
        return _replay(run)
    with open_for_reading(run.database_path) as database:
        found = _material(run, database)
    return _COMMANDS[run.asked.command](run, found)
