"""Finds the database file: apart from the rest, because the lock beside it is taken before anything heavy is loaded."""

import os
import re

from wnm.core.errors import BadInput


def database_path(text: str) -> str:
    """The absolute path that `--dbpath` means: a path, or an `sqlite:///` URL; `~` and `$VAR` count.

    Raises BadInput for URLs of other databases and for SQLite's special names.
    """
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):/", text)
    path = text
    if scheme is not None:
        if not text.startswith("sqlite:///"):
            raise BadInput(f"--dbpath {text}: expected a path or sqlite:///PATH")
        path = text.removeprefix("sqlite:///")
        if "?" in path:
            raise BadInput(f"--dbpath {text}: an sqlite:/// URL may not have a query")
    if not path or "\0" in path or path == ":memory:" or path.endswith("/"):
        raise BadInput(f"--dbpath {text!r} does not name a file")
    return os.path.abspath(os.path.expandvars(os.path.expanduser(path)))  # noqa: PTH100, PTH111
