"""Reads from the last lines of a node's log how it is."""

import json
import re
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.release import tidy_version

LONGEST_QUOTE = 300
_LONGEST_LINE = 16 * 1024
# `[TIME LEVEL module 12] message` of antnode, `TIME  LEVEL module: message` of ant-node.
_LINE = re.compile(
    r"\[?(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z) {1,2}"
    r"(?:TRACE|DEBUG|INFO|WARN|ERROR) (?P<rest>.*)"
)
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Output of programs written in Rust when they give up; none of it is a log line.
_ENDINGS = (
    re.compile(r"The application panicked"),
    re.compile(r"thread '[^']*'(?: \([0-9]+\))? panicked at"),
    re.compile(r"Error:"),
    # Refused arguments; other lines that begin so may belong to a message.
    re.compile(r"error: (?:unexpected|unrecognized|invalid|the following required|a value is required)\b"),
)
# Since Rust 1.73 the reason is on the next line.
_REASON_FOLLOWS = re.compile(r"(?:thread .{0,200} panicked at .*:|The application panicked .*)")
_CAUSE = re.compile(r"\s{0,8}0: (?P<cause>.*)")


class LogHealth(Struct, frozen=True, kw_only=True):
    """The health that a log shows of the process that wrote its last lines; None or False where it does not say.

    `last_line_at` is when the last line that bears a time was written, `started_at` when the process began,
    with the `version` it named then. `listens` is True once its port is open. `refuses_data` is True from the
    moment it had no disk left until it stored something again. `fatal` is why it ended or cannot go on.
    """

    last_line_at: datetime | None = None
    started_at: datetime | None = None
    version: str | None = None
    listens: bool = False
    connected_peers: int | None = None
    stored_at: datetime | None = None
    refuses_data: bool = False
    fatal: str | None = None


def message(pattern: str) -> re.Pattern[str]:
    """A pattern that is found at the beginning of a message, wherever in a line that is."""
    return re.compile(rf"(?:^|: |\] ){pattern}")


class LogWords(Struct, frozen=True, kw_only=True):
    """The messages of one kind of node program that mean something, built by `message`.

    `started` may have a group `version`, `peers` has a group `peers`, `fatal` a group `why`.
    """

    started: re.Pattern[str]
    listens: re.Pattern[str]
    peers: re.Pattern[str]
    stored: re.Pattern[str]
    refuses: re.Pattern[str]
    fatal: re.Pattern[str]

    def read(self, lines: Sequence[str]) -> LogHealth:
        """Read the health from these lines, oldest first. Any text is safe; the time is linear in its length."""
        health = LogHealth()
        cause_follows, opening = False, ""
        for raw in lines:
            line = _ESCAPE.sub("", raw[:_LONGEST_LINE]).rstrip("\r\n")
            if not line.strip():
                continue
            if cause_follows and (cause := _CAUSE.fullmatch(line)):
                health = replace(health, fatal=_quoted(cause["cause"]))
            cause_follows, opened, opening = False, opening, ""
            parsed: tuple[datetime | None, str] | None = _parsed(line)
            if parsed is None and self.started.search(line) and not opened:
                parsed = (
                    health.last_line_at,
                    line,
                )  # the second line of a message that began with an empty one
            if parsed is not None:
                health = self._after(health, *parsed)
                continue
            why = None
            if opened:
                why = f"{opened} {line.strip()}"
            elif fatal := self.fatal.search(line):  # in a file that holds nothing else
                why = fatal["why"]
            elif any(ending.match(line) for ending in _ENDINGS):
                said = line.removeprefix("Error:").strip()
                why = said or "it ended with an error"
                cause_follows = not said
                opening = line if _REASON_FOLLOWS.fullmatch(line) else ""
            health = health if why is None else replace(health, fatal=_quoted(why))
        return health

    def _after(self, health: LogHealth, time: datetime | None, message: str) -> LogHealth:
        if started := self.started.search(message):
            # The lines of an earlier process say nothing about this one.
            version = started.groupdict().get("version")
            named = tidy_version(version) if version else None
            return LogHealth(last_line_at=time, started_at=time, version=named)
        health = replace(health, last_line_at=time)
        if self.listens.search(message):
            health = replace(health, listens=True)
        if peers := self.peers.search(message):
            health = replace(health, connected_peers=int(peers["peers"]))
        if self.stored.search(message):
            health = replace(health, stored_at=time, refuses_data=False)
        if self.refuses.search(message):
            health = replace(health, refuses_data=True)
        if fatal := self.fatal.search(message):
            health = replace(health, fatal=_quoted(fatal["why"]))
        return health


def _parsed(line: str) -> tuple[datetime, str] | None:
    """When a line was logged, and its message with what names the module before it; None for any other line."""
    try:
        if line.startswith("{"):
            fields = json.loads(line)
            written = fields["timestamp"]
            others = (f"{name}={value}" for name, value in fields.items() if name not in _JSON_FRAME)
            said = " ".join([str(fields.get("message", "")), *others])
        else:
            found = _LINE.fullmatch(line)
            if found is None:
                return None
            written, said = found["time"], found["rest"]
        time = datetime.fromisoformat(written)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return (time, said) if time.tzinfo is not None else None


_JSON_FRAME = frozenset({"timestamp", "level", "target", "message"})


def _quoted(text: str) -> str:
    return "".join(char for char in text if char.isprintable()).strip()[:LONGEST_QUOTE]
