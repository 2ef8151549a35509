"""Reads from the lines of a node's log how it is: the whole of what it told so far, and the lines that are new."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.node_log import LogHealth, Proof
from wnm.core.release import tidy_version
from wnm.formats.program_output import ESCAPE

LONGEST_QUOTE = 300
_MOST_TROUBLES = 3
_MOST_ERRORS = 16
_LONGEST_KIND = 100
_LONGEST_LINE = 16 * 1024
# `[TIME LEVEL module 12] message` of antnode, `TIME  LEVEL module: message` of ant-node.
_LINE = re.compile(
    r"\[?(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z) {1,2}"
    r"(?P<level>TRACE|DEBUG|INFO|WARN|ERROR) (?P<rest>.*)"
)
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
# Ids, numbers, addresses and paths. A word without a digit, a slash or a quote is part of what is said.
_VARIABLE = re.compile(r"[\w./:-]*[0-9/][\w./:-]*|\"[^\"]*\"")
_FIGURE = re.compile(r"\b([a-z][a-z0-9_]{0,63})=([0-9]{1,18})\b")
_CAUSE = re.compile(r"\s{0,8}0: (?P<cause>.*)")


def message(pattern: str) -> re.Pattern[str]:
    """A pattern that is found at the beginning of a message, wherever in a line that is."""
    return re.compile(rf"(?:^|: |\] ){pattern}")


class LogWords(Struct, frozen=True, kw_only=True):
    """The messages of one kind of node program that mean something, built by `message`.

    `started` may have a group `version`, `peers` has a group `peers`, `fatal` a group `why`, `identity` a group
    `peer_id`, `second_port` a group `port`, `upgraded` one of its own name. What a kind does not say is None.
    `harmless` are warnings and errors of a healthy node, `own` the modules of the program itself, whose errors count.
    `counters` are the names under which a line with `summary` adds up what the node did, and what they count.
    """

    started: re.Pattern[str]
    listens: re.Pattern[str]
    peers: re.Pattern[str]
    stored: re.Pattern[str]
    refuses: re.Pattern[str]
    fatal: re.Pattern[str]
    ready: re.Pattern[str] | None = None
    replicates: re.Pattern[str] | None = None
    crippled: re.Pattern[str] | None = None
    stopping: re.Pattern[str] | None = None
    upgraded: re.Pattern[str] | None = None
    identity: re.Pattern[str] | None = None
    second_port: re.Pattern[str] | None = None
    harmless: re.Pattern[str] | None = None
    own: re.Pattern[str] | None = None
    summary: re.Pattern[str] | None = None
    counters: Mapping[str, str] = {}

    def read(self, lines: Sequence[str], so_far: LogHealth | None = None) -> LogHealth:
        """Return the health after these lines, oldest first, which follow those that `so_far` was read from.

        Any text is safe; the time is linear in its length.
        """
        health = so_far or LogHealth()
        cause_follows, opening = False, ""
        for raw in lines:
            line = ESCAPE.sub("", raw[:_LONGEST_LINE]).rstrip("\r\n")
            if not line.strip():
                continue
            if cause_follows and (cause := _CAUSE.fullmatch(line)):
                health = replace(health, fatal=_quoted(cause["cause"]))
            cause_follows, opened, opening = False, opening, ""
            parsed = _parsed(line)
            if opened and parsed is None:
                health = replace(health, fatal=_quoted(f"{opened} {line.strip()}"))
            elif parsed is not None:
                health = self._after(health, *parsed)
            elif self.started.search(line):  # the second line of a message that began with an empty one
                health = self._after(health, health.last_line_at, "INFO", line)
            elif fatal := self.fatal.search(line):  # in a file that holds nothing else
                health = replace(health, fatal=_quoted(fatal["why"]))
            elif any(ending.match(line) for ending in _ENDINGS):
                said = line.removeprefix("Error:").strip()
                health = replace(health, fatal=_quoted(said or "it ended with an error"))
                cause_follows = not said
                opening = line if _REASON_FOLLOWS.fullmatch(line) else ""
        return health

    def _after(self, health: LogHealth, time: datetime | None, level: str, message: str) -> LogHealth:
        if started := self.started.search(message):
            # The lines of an earlier process say nothing about this one, but that releases and networks are so.
            version = started.groupdict().get("version")
            named = tidy_version(version) if version else None
            return LogHealth(
                last_line_at=time,
                started_at=time,
                version=named,
                peer_id=health.peer_id,
                shown_before=tuple(
                    proof for proof in Proof if health.shows(proof) or proof in health.shown_before
                ),
                errors_before=tuple(dict.fromkeys([*health.errors, *health.errors_before]))[:_MOST_ERRORS],
            )
        news = {"last_line_at": time, **self._news(health, time, message)}
        if level in ("WARN", "ERROR") and not (self.harmless and self.harmless.search(message)):
            text = _quoted(message.partition(": ")[2] or message)
            news["troubles"] = (*health.troubles, text)[-_MOST_TROUBLES:]
            own = self.own is None or self.own.search(message) is not None
            if level == "ERROR" and own and len(health.errors) < _MOST_ERRORS:
                news["errors"] = tuple(dict.fromkeys([*health.errors, _kind_of(text)]))
        return replace(health, **news)

    def _news(self, health: LogHealth, time: datetime | None, message: str) -> dict[str, Any]:
        news: dict[str, Any] = {}
        for name, says in _MEANINGS.items():
            pattern: re.Pattern[str] | None = getattr(self, name)
            if pattern is None or (found := pattern.search(message)) is None:
                continue
            news |= says(time, found.groupdict())
            if name == "summary":
                news |= self._counted(health, time, message)
        return news

    def _counted(self, health: LogHealth, time: datetime | None, message: str) -> dict[str, Any]:
        """A summary: its counters are totals since the process began, which has been fully started since before it.

        All figures of one meaning are on one line.
        """
        totals: dict[str, int] = {}
        for name, figure in _FIGURE.findall(message):
            if (what := self.counters.get(name)) is not None:
                totals[what] = totals.get(what, 0) + int(figure)
        return {
            "counters": tuple(sorted({**dict(health.counters), **totals}.items())),
            "counters_at": time,
            "ready_at": health.ready_at or time,
            "replicates": True
            if health.replicates is None and "replication" in message
            else health.replicates,
        }


type _Meaning = Callable[[datetime | None, Mapping[str, str]], dict[str, Any]]
_MEANINGS: Mapping[str, _Meaning] = {
    "listens": lambda time, said: {"listens": True},
    "peers": lambda time, said: {"connected_peers": int(said["peers"]), "peers_at": time},
    "stored": lambda time, said: {"stored_at": time, "refuses_data": False},
    "refuses": lambda time, said: {"refuses_data": True},
    "fatal": lambda time, said: {"fatal": _quoted(said["why"])},
    "ready": lambda time, said: {"ready_at": time},
    "replicates": lambda time, said: {"replicates": True},
    "crippled": lambda time, said: {"replicates": False},
    "stopping": lambda time, said: {"stopping_at": time},
    "upgraded": lambda time, said: {"upgraded_to": tidy_version(said["upgraded"])},
    "identity": lambda time, said: {"peer_id": said["peer_id"]},
    "second_port": lambda time, said: {"second_port": int(said["port"])},
    "summary": lambda time, said: {},
}


def _kind_of(text: str) -> str:
    """What kind of message it is: the same for every node, moment, peer and path."""
    return _VARIABLE.sub("…", text)[:_LONGEST_KIND]


def _parsed(line: str) -> tuple[datetime, str, str] | None:
    """When a line was logged, its level, and its message behind the name of the module; None for any other line."""
    if line.startswith("{"):
        return _parsed_json(line)
    found = _LINE.fullmatch(line)
    time = _time(found["time"]) if found else None
    if found is None or time is None:
        return None
    return time, found["level"], found["rest"]


def _parsed_json(line: str) -> tuple[datetime, str, str] | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("timestamp"), str):
        return None
    time = _time(fields["timestamp"])
    if time is None:
        return None
    others = (f"{name}={value}" for name, value in fields.items() if name not in _JSON_FRAME)
    said = " ".join([str(fields.get("message", "")), *others])
    return time, str(fields.get("level", "")), f"{fields.get('target', '')}: {said}"


_JSON_FRAME = frozenset({"timestamp", "level", "target", "message", "node_version", "node_commit"})


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def _quoted(text: str) -> str:
    return "".join(char for char in text if char.isprintable()).strip()[:LONGEST_QUOTE]
