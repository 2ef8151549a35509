"""Writes an alert as receivers get it: JSON for webhooks and commands, a title and a text for people."""

import json

from wnm.core.alerts import Event, Message

SCHEMA = 1


def as_json(message: Message, host: str) -> str:
    """One object in ASCII.

    `{"schema": 1, "id", "event": "start"|"end"|"test", "key", "subject", "severity": "warning"|"critical", "text",
    "remedy": text or null, "host", "since", "at"}`, times as ISO 8601 in UTC. An `id` that
    arrives twice is the same message twice.
    """
    return json.dumps(
        {
            "schema": SCHEMA,
            "id": message.id,
            "event": message.event.value,
            "key": message.key,
            "subject": message.subject,
            "severity": message.severity.value,
            "text": message.text,
            "remedy": message.remedy,
            "host": host,
            "since": _iso(message.since.isoformat()),
            "at": _iso(message.at.isoformat()),
        }
    )


def title(message: Message, host: str) -> str:
    """`wnm on HOST: critical: disk-crisis`; an end says so."""
    what = "over" if message.event is Event.END else message.severity.value
    return f"wnm on {host}: {what}: {message.key}"


def text(message: Message) -> str:
    """Return the event, the remedy, and the id, a line each."""
    lines = [message.text]
    if message.remedy:
        lines.append(f"What to do: {message.remedy}")
    return "\n".join([*lines, f"[{message.id}]"])


def _iso(moment: str) -> str:
    return moment.replace("+00:00", "Z")
