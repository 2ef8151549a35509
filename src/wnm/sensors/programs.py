"""Node programs on disk: which file it is, and what it says it is when asked once."""

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wnm.core.observation import ProgramReading, Unseen
from wnm.node_kinds.kind import NodeKind
from wnm.node_kinds.kinds import KINDS
from wnm.system.command import CommandFailed, run
from wnm.system.files import stamp

_LONGEST_QUOTE = 60


def read_program(
    path: str,
    remembered: ProgramReading | None,
    *,
    timeout: timedelta,
    kinds: Mapping[str, NodeKind] = KINDS,
) -> ProgramReading | Unseen:
    """The program at `path` (absolute). It is started, with `--version`, only when its file has changed.

    Unseen when there is no executable regular file; a reading with an Unseen version when the program does
    not say within `timeout` what it is, or may not be asked now because `timeout` is zero. Every reason names
    the path. A program whose version is not known is asked again the next time: being slow once is no
    property of a file.
    """
    try:
        mark, changed_at = _mark_of_program(path)
    except (OSError, ValueError) as error:
        return Unseen(reason=f"{path}: {getattr(error, 'strerror', None) or error}")
    if (
        remembered is not None
        and (remembered.path, remembered.stamp) == (path, mark)
        and not isinstance(remembered.version, Unseen)
    ):
        return replace(remembered, changed_at=changed_at)
    reading = ProgramReading(path=path, stamp=mark, version=Unseen(reason=""), changed_at=changed_at)
    if timeout <= timedelta(0):
        return replace(reading, version=Unseen(reason=f"{path} was not asked yet"))
    try:
        output = run((path, "--version"), timeout).stdout
    except CommandFailed as error:
        return replace(reading, version=Unseen(reason=str(error)))
    for kind in kinds.values():
        if recognised := kind.parse_version_output(output):
            name, version = recognised
            return replace(reading, version=version, kind=name)
    reason = f"{path} --version does not name a known node program: {_quoted(output)}"
    return replace(reading, version=Unseen(reason=reason))


def _mark_of_program(path: str) -> tuple[str, datetime]:
    """The stamp of the file and when it was written. Raises OSError, also for what cannot be run."""
    seen = Path(path).stat()
    if not stat.S_ISREG(seen.st_mode):
        raise OSError("not a regular file")
    if not os.access(path, os.X_OK):
        raise OSError("not executable")
    return stamp(path), datetime.fromtimestamp(seen.st_mtime, UTC)


def _quoted(output: str) -> str:
    lines = output.split("\n", 1)[0].strip()
    return ascii(lines if len(lines) <= _LONGEST_QUOTE else f"{lines[:_LONGEST_QUOTE]}...")
