"""Reads what a node's files tell: its key, its store, the end of its log, and why it ended."""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice
from posixpath import join
from typing import NamedTuple

from msgspec import Struct

from wnm.core.node import Node, output_log
from wnm.core.node_log import KeptLog, LogHealth, Proof
from wnm.core.observation import Unseen
from wnm.formats.program_output import essential
from wnm.node_kinds.kind import NodeKind
from wnm.system.files import allocated_bytes, last_lines, opened

LOG_TAIL_BYTES = 64 * 1024
MOST_ENTRIES = 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class StoreReading(Struct, frozen=True, kw_only=True):
    """The data that a node keeps: the bytes on its disk, None where counting would take too long.

    `changed_at` is when anything in it was last written, added or removed.
    """

    bytes: int | None
    changed_at: datetime


class LogReading(Struct, frozen=True, kw_only=True):
    """The end of a node's newest log file; `file_bytes` is how long that file was."""

    file_name: str
    file_bytes: int
    health: LogHealth


class FilesReading(Struct, frozen=True, kw_only=True):
    """A node's files. Each part is None where there is nothing, and Unseen where it cannot be read."""

    identity_at: datetime | Unseen | None
    store: StoreReading | Unseen | None
    log: LogReading | Unseen | None


def read_node_files(
    kind: NodeKind, root_dir: str, log_dir: str, *, since_bytes: int | None = None
) -> FilesReading:
    """Look at the files of one node; takes a few milliseconds whatever is in its folders.

    A node may write what it likes there, so no link is followed, nothing but regular files is opened, and at
    most 64 KiB of one log file are read. With `since_bytes` only what the log holds after its first so many
    bytes counts; a file shorter than that is another one and counts whole.
    """
    return FilesReading(
        identity_at=_guarded(root_dir, lambda: _identity_at(root_dir, kind.identity_file_name)),
        store=_guarded(root_dir, lambda: _store(root_dir, kind.store_files)),
        log=_guarded(log_dir, lambda: _log(log_dir, kind, since_bytes)),
    )


def _guarded[T](folder: str, read: Callable[[], T | Unseen | None]) -> T | Unseen | None:
    try:
        return read()
    except FileNotFoundError:
        return None
    except OSError as error:
        # A link where there should be none is ELOOP, and ENOTDIR where a folder should be.
        followed = error.errno in (errno.ELOOP, errno.ENOTDIR)
        why = "a link or a file is in the way" if followed else error.strerror or str(error)
        return Unseen(reason=f"{folder}: {why}")
    except (ValueError, OverflowError) as error:
        return Unseen(reason=f"{folder}: {error}")


def _identity_at(root_dir: str, name: str) -> datetime | Unseen:
    with opened(root_dir, _FOLDER) as folder:
        seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(seen.st_mode):
        return Unseen(reason=f"{root_dir}/{name} is not a regular file")
    return datetime.fromtimestamp(seen.st_mtime, UTC)


class _Extent(NamedTuple):
    """Something in the store: its bytes, how many entries that were, when it was last changed (seconds)."""

    bytes: int
    entries: int
    changed: float


def _store(root_dir: str, places: tuple[str, ...]) -> StoreReading | None:
    extents = []
    with opened(root_dir, _FOLDER) as root:
        for place in places:
            *folders, name = place.split("/")
            with suppress(FileNotFoundError), ExitStack() as stack:
                folder = root
                for each in folders:
                    folder = stack.enter_context(opened(each, _FOLDER, folder))
                seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(seen.st_mode):
                    extents.append(_Extent(allocated_bytes(seen), 1, seen.st_mtime))
                else:
                    inner = stack.enter_context(opened(name, _FOLDER, folder))  # a link is refused here
                    extents.append(_folder_extent(inner, MOST_ENTRIES))
    if not extents:
        return None
    too_many = any(each.entries > MOST_ENTRIES for each in extents)
    return StoreReading(
        bytes=None if too_many else sum(each.bytes for each in extents),
        changed_at=datetime.fromtimestamp(max(each.changed for each in extents), UTC),
    )


def _folder_extent(folder: int, most: int) -> _Extent:
    """All that is in a folder, until there are more entries than `most`.

    A folder changes when a file is added or removed, so the folders in it are looked at before what they hold.
    """
    seen = os.fstat(folder)
    total, entries, changed = allocated_bytes(seen), 0, seen.st_mtime
    folders = []
    with os.scandir(folder) as found:
        for entry in found:
            if entries > most:
                break
            with suppress(FileNotFoundError):
                each = entry.stat(follow_symlinks=False)
                entries += 1
                changed = max(changed, each.st_mtime)
                if stat.S_ISDIR(each.st_mode):
                    folders.append(entry.name)
                else:
                    total += allocated_bytes(each)
    for name in folders:
        if entries > most:
            break
        with suppress(FileNotFoundError), opened(name, _FOLDER, folder) as inner:
            inside = _folder_extent(inner, most - entries)
            total, entries = total + inside.bytes, entries + inside.entries
            changed = max(changed, inside.changed)
    return _Extent(total, entries, changed)


def _newest(folder: int, pattern: str) -> str | None:
    """The regular file of this pattern that was written last; of those written together, the last by name."""
    newest: tuple[float, str] | None = None
    with os.scandir(folder) as found:
        for entry in islice(found, MOST_ENTRIES):
            if fnmatchcase(entry.name, pattern) and entry.is_file(follow_symlinks=False):
                written = (entry.stat(follow_symlinks=False).st_mtime, entry.name)
                newest = written if newest is None else max(newest, written)
    return newest[1] if newest else None


def _log(log_dir: str, kind: NodeKind, since_bytes: int | None) -> LogReading | None:
    with opened(log_dir, _FOLDER) as folder:
        name = _newest(folder, kind.log_files)
        if name is None:
            return None
        with opened(name, _FILE, folder) as file:
            seen = os.fstat(file)
            if not stat.S_ISREG(seen.st_mode):
                raise OSError(f"{name} is not a regular file")
            since = since_bytes if since_bytes is not None and since_bytes <= seen.st_size else 0
            begin = max(since, seen.st_size - LOG_TAIL_BYTES)
            text = os.pread(file, min(LOG_TAIL_BYTES, seen.st_size - begin), begin)
    if begin > since:
        text = text.partition(b"\n")[2]  # most likely half a line
    health = kind.log_words.read(text.decode(errors="replace").split("\n"))
    return LogReading(file_name=name, file_bytes=seen.st_size, health=health)


def follow_log(kind: NodeKind, node: Node, kept: KeptLog | None) -> KeptLog | Unseen | None:
    """Read on in a node's log from where the last look ended: at most 64 KiB of a file, whatever was written since.

    The rest of an older file comes first, then the newest one. Of more than that the beginning counts, where a start
    is, and the end. Without a last look it is the end of the newest file. None where there is no log.
    """
    seen = _guarded(node.log_dir, lambda: _follow(kind, node, kept))
    return kept if seen is None else seen


def _follow(kind: NodeKind, node: Node, kept: KeptLog | None) -> KeptLog | None:
    with opened(node.log_dir, _FOLDER) as folder:
        name = _newest(folder, kind.log_files)
        if name is None:
            return None
        parts: list[bytes] = []
        begin = None
        if kept is not None and kept.file_name != name:
            with suppress(OSError):
                parts.append(_from(folder, kept.file_name, kept.offset, kept.inode)[0])
            begin = 0
        elif kept is not None:
            begin = kept.offset
        text, end, inode = _from(folder, name, begin, kept.inode if kept and kept.file_name == name else None)
    parts.append(text)
    lines = [line for part in parts for line in part.decode(errors="replace").split("\n")]
    health = kind.log_words.read(lines, kept.health if kept is not None else None)
    return KeptLog(node=node.id, file_name=name, inode=inode, offset=end, health=health)


def _from(folder: int, name: str, begin: int | None, inode: int | None) -> tuple[bytes, int, int]:
    """Return the whole lines of a file from `begin` on (None: its last ones), where they end, and the file's inode.

    A file that is shorter than that, or another one than `inode`, is read from its beginning.
    """
    with opened(name, _FILE, folder) as file:
        seen = os.fstat(file)
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(f"{name} is not a regular file")
        if begin is None:
            begin = max(0, seen.st_size - LOG_TAIL_BYTES)
        elif begin > seen.st_size or inode not in (None, seen.st_ino):
            begin = 0
        most = LOG_TAIL_BYTES
        if seen.st_size - begin <= most:
            text = os.pread(file, most, begin)
            whole = text.rfind(b"\n") + 1 or (len(text) if len(text) == most else 0)
            return text[:whole], begin + whole, seen.st_ino
        head = os.pread(file, most // 2, begin)
        tail = os.pread(file, most // 2, seen.st_size - most // 2)
        end = seen.st_size - len(tail) + (tail.rfind(b"\n") + 1 or len(tail))
        tail = tail.partition(b"\n")[2]
        return head[: head.rfind(b"\n") + 1] + tail[: tail.rfind(b"\n") + 1], end, seen.st_ino


LONGEST = 300
PRINTED_LINES = 3
SEARCHED_LINES = 30
LOGGED_LINES = 2
TOLD_TO_STOP = "its log says that it was told to stop"
# A row tells when a start was over; the process had begun to speak a little before.
START_SLACK = timedelta(seconds=30)


def end_message(node: Node, kind: NodeKind) -> str | None:
    """Return why the node ended, if it said so before it ended itself, else its program's last output.

    Lines from before this process of the node began are not its own: one that is killed says nothing.
    """
    reason = critical_failure(node, kind)
    if reason:
        return reason
    fatal, end = None, ""
    if _written_since(output_log(node), _beginning(node)):
        printed = last_lines(output_log(node), SEARCHED_LINES)
        fatal, end = kind.log_words.read(printed).fatal, " | ".join(essential(printed)[-PRINTED_LINES:])
    if fatal or end:
        return fatal[:LONGEST] if fatal else f"it last printed: {end[-LONGEST:]}"
    # The end of the node's own log is the only trace where its service manager keeps the output.
    log = read_node_files(kind, node.root_dir, node.log_dir).log
    if isinstance(log, LogReading):
        path = join(node.log_dir, log.file_name)
        if _written_since(path, _beginning(node)):
            fatal, troubles = log.health.fatal, " | ".join(log.health.troubles[-LOGGED_LINES:])
            end = " | ".join(essential(last_lines(path, LOGGED_LINES)))
            fatal = fatal or _told_end(log.health)
            if fatal is None and troubles:
                fatal = f"the last that its log complains of: {troubles}"
    if fatal:
        return fatal[:LONGEST]
    return f"its log ends: {end[-LONGEST:]}" if end else None


def _told_end(health: LogHealth) -> str | None:
    """Return what a log tells of an end that was no failure, or that came before the node could be told anything."""
    if health.upgraded_to is not None:
        return f"it stopped to go on as {health.upgraded_to}, which it had put in the place of its program"
    if health.stopping_at is not None:
        return TOLD_TO_STOP
    # Before its full start a signal kills it, and nothing is written down.
    begun = health.started_at is not None and Proof.STARTED in health.shown_before
    if begun and health.ready_at is None and not health.troubles:
        return "it was killed before it was fully started"
    return None


def critical_failure(node: Node, kind: NodeKind, since: datetime | None = None) -> str | None:
    """Return the failure that ended a node, as it wrote it; only if it was written at or after `since`.

    The default is when its process began. A node clears its file when it starts, unless it fails before that,
    and not every release need do so. For a kind without such a file it is the last
    fatal line of its log.
    """
    reason = None
    if kind.failure_file is None:
        log = read_node_files(kind, node.root_dir, node.log_dir).log
        reason = log.health.fatal if isinstance(log, LogReading) else None
    else:
        path = join(node.log_dir, kind.failure_file)
        if _written_since(path, since or _beginning(node)):
            reason = "".join(last_lines(path, 1))
    return reason[:LONGEST] if reason else None


def _beginning(node: Node) -> datetime:
    """When the node's process began, as far as its row knows."""
    return (node.process_started_at or node.status_since) - START_SLACK


def _written_since(path: str, since: datetime) -> bool:
    try:
        return os.lstat(path).st_mtime >= since.timestamp()
    except OSError:
        return False
