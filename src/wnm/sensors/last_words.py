"""What a node says of its own end: the file of its critical failures, the end of its log, or what it printed."""

import os
from datetime import datetime
from posixpath import join

from wnm.core.node import Node, output_log
from wnm.node_kinds.kind import NodeKind
from wnm.sensors.node_files import LogReading, read_node_files
from wnm.system.files import last_lines

LONGEST = 300
PRINTED_LINES = 3
SEARCHED_LINES = 30


def last_words(node: Node, kind: NodeKind) -> str | None:
    """Why the node ended, if it said so before it ended itself, else what its program printed last."""
    reason = critical_failure(node, kind)
    if reason:
        return reason
    printed = last_lines(output_log(node), SEARCHED_LINES)
    fatal = kind.read_log(printed).fatal
    if fatal:
        return fatal[:LONGEST]
    end = " | ".join(printed[-PRINTED_LINES:])
    return f"it last printed: {end[-LONGEST:]}" if end else None


def critical_failure(node: Node, kind: NodeKind, since: datetime | None = None) -> str | None:
    """What a node wrote of a failure that ends it; only if that was written at or after `since`.

    A node clears its file when it starts, unless it fails before that. For a kind without such a file it is the last
    fatal line of its log.
    """
    if kind.last_words_file is None:
        log = read_node_files(kind, node.root_dir, node.log_dir).log
        fatal = log.health.fatal if isinstance(log, LogReading) else None
        return fatal[:LONGEST] if fatal else None
    path = join(node.log_dir, kind.last_words_file)
    if since is not None and not _written_since(path, since):
        return None
    reason = last_lines(path, 1)
    return reason[0][:LONGEST] if reason else None


def _written_since(path: str, since: datetime) -> bool:
    try:
        return os.lstat(path).st_mtime >= since.timestamp()
    except OSError:
        return False
