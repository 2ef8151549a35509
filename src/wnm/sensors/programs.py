"""Reads which node program a file is, asking it once what it is."""

import os
import pwd
import stat
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from wnm.core.observation import ProgramReading, Unseen
from wnm.node_kinds.kind import NodeKind
from wnm.node_kinds.kinds import KINDS, kind_of_version_output
from wnm.system.command import CommandFailed, run
from wnm.system.files import stamp_of

_LONGEST_QUOTE = 60


def read_program(
    path: str,
    remembered: ProgramReading | None,
    *,
    timeout: timedelta,
    user: str | None = None,
    kinds: Mapping[str, NodeKind] = KINDS,
) -> ProgramReading | Unseen:
    """The program at `path` (absolute). It is started, with `--version`, only when its file has changed.

    Unseen when there is no executable regular file; a reading with an Unseen version when the program does
    not say within `timeout` what it is, or may not be asked now because `timeout` is zero. Every reason names
    the path. A program whose version is not known is asked again the next time: being slow once is no
    property of a file. `user` is the account to ask it as; without it root asks as the file's owner, since what
    somebody else can write must not run as root.
    """
    try:
        seen = os.stat(path)  # noqa: PTH116 - of every node in every cycle
        if not stat.S_ISREG(seen.st_mode):
            raise OSError("not a regular file")
        if not seen.st_mode & 0o111 or not os.access(path, os.X_OK):
            raise OSError("not executable")
        if user is None and os.geteuid() == 0 and seen.st_uid != 0:
            user = pwd.getpwuid(seen.st_uid).pw_name
    except KeyError:
        return Unseen(reason=f"{path}: owned by user {seen.st_uid}, who has no account")
    except (OSError, ValueError) as error:
        return Unseen(reason=f"{path}: {getattr(error, 'strerror', None) or error}")
    mark, changed_at = stamp_of(seen), datetime.fromtimestamp(seen.st_mtime, UTC)
    if (
        remembered is not None
        and (remembered.path, remembered.stamp) == (path, mark)
        and not isinstance(remembered.version, Unseen)
    ):
        return replace(remembered, changed_at=changed_at)
    kind, version, why = None, None, f"{path} was not asked yet"
    if timeout > timedelta(0):
        try:
            output = run((path, "--version"), timeout, user=user).stdout
            kind, version = kind_of_version_output(output, kinds) or (None, None)
            first = output.split("\n", 1)[0].strip()
            quoted = ascii(first if len(first) <= _LONGEST_QUOTE else f"{first[:_LONGEST_QUOTE]}...")
            why = f"{path} --version does not name a known node program: {quoted}"
        except CommandFailed as error:
            why = str(error)
    said = Unseen(reason=why) if version is None else version
    return ProgramReading(path=path, stamp=mark, version=said, changed_at=changed_at, kind=kind)
