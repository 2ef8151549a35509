"""Shows `wnm watch`: a live view that reads what cycles recorded, and collects nothing itself."""

import os
import sys
from importlib.util import find_spec

from wnm.app.context import Context
from wnm.app.terminal import is_terminal
from wnm.core.errors import BadInput, NeedsOperator

INSTALL = "install it beside wnm: pipx inject wnm textual, or pip install textual where wnm is"


def watch(run: Context) -> int:
    """Show the live view until somebody quits it.

    BadInput where there is no terminal for it, NeedsOperator where Textual is missing.
    """
    drawn_on = is_terminal(sys.stdin) and is_terminal(sys.stdout) and sys.__stderr__ is not None
    if not drawn_on or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        raise BadInput("watch needs a terminal that can be drawn on: use wnm status, or wnm status --json")
    if find_spec("textual") is None:
        raise NeedsOperator("watch needs Textual, which is not installed", remedy=INSTALL)
    from wnm.tui.app import show

    return show(run)
