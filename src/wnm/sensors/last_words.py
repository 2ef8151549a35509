"""What a node says of its own end: the file of its critical failures, what it printed, or the end of its log."""

import os
from datetime import datetime, timedelta
from posixpath import join

from wnm.core.node import Node, output_log
from wnm.node_kinds.kind import NodeKind
from wnm.sensors.node_files import LogReading, read_node_files
from wnm.system.files import last_lines

LONGEST = 300
PRINTED_LINES = 3
SEARCHED_LINES = 30
LOGGED_LINES = 2
# A row tells when a start was over; the process had begun to speak a little before.
START_SLACK = timedelta(seconds=30)


def last_words(node: Node, kind: NodeKind) -> str | None:
    """Why the node ended, if it said so before it ended itself, else what its program printed last.

    What was written before this process of the node began is not its own: one that is killed says nothing.
    """
    reason = critical_failure(node, kind)
    if reason:
        return reason
    return _printed(node, kind) or _logged(node, kind)


def _printed(node: Node, kind: NodeKind) -> str | None:
    if not _written_since(output_log(node), _beginning(node)):
        return None
    printed = last_lines(output_log(node), SEARCHED_LINES)
    fatal = kind.read_log(printed).fatal
    if fatal:
        return fatal[:LONGEST]
    end = " | ".join(printed[-PRINTED_LINES:])
    return f"it last printed: {end[-LONGEST:]}" if end else None


def _logged(node: Node, kind: NodeKind) -> str | None:
    """What the node's own log ends with: that is all there is where its service manager keeps what it prints."""
    log = read_node_files(kind, node.root_dir, node.log_dir).log
    if not isinstance(log, LogReading):
        return None
    path = join(node.log_dir, log.file_name)
    if not _written_since(path, _beginning(node)):
        return None
    if log.health.fatal:
        return log.health.fatal[:LONGEST]
    end = " | ".join(last_lines(path, LOGGED_LINES))
    return f"its log ends: {end[-LONGEST:]}" if end else None


def critical_failure(node: Node, kind: NodeKind, since: datetime | None = None) -> str | None:
    """What a node wrote of a failure that ends it; only if that was written at or after `since`.

    That is when its process began, unless given. A node clears its file when it starts, unless it fails before that,
    and not every release need do so. For a kind without such a file it is the last
    fatal line of its log.
    """
    if kind.last_words_file is None:
        log = read_node_files(kind, node.root_dir, node.log_dir).log
        fatal = log.health.fatal if isinstance(log, LogReading) else None
        return fatal[:LONGEST] if fatal else None
    path = join(node.log_dir, kind.last_words_file)
    if not _written_since(path, since or _beginning(node)):
        return None
    reason = last_lines(path, 1)
    return reason[0][:LONGEST] if reason else None


def _beginning(node: Node) -> datetime:
    """When the node's process began, as far as its row knows."""
    return (node.process_started_at or node.status_since) - START_SLACK


def _written_since(path: str, since: datetime) -> bool:
    try:
        return os.lstat(path).st_mtime >= since.timestamp()
    except OSError:
        return False
