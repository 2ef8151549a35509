"""Writes and reads property lists of launchd, and reads what `launchctl print` says.

`launchctl list` would be shorter, but it only knows the session of whoever asks: from cron or over ssh it does not
show what runs in the graphical session. `print` takes the domain by its name.
"""

import math
import plistlib
import re
from collections.abc import Mapping
from typing import Literal
from xml.parsers.expat import ExpatError

from msgspec import Struct

from wnm.core.contracts import Unit
from wnm.core.errors import Permanent

type Session = Literal["Aqua", "Background"]
"""The session of an agent: the graphical one of its user, or the background."""

LABEL_PREFIX = "com.autonomi."
OWN_KEY = "com.autonomi.wnm"
"""launchd ignores a key that it does not know; this one says for which unit wnm wrote the file."""

THROTTLE_SECONDS = 10
OPEN_FILES = 10_240
UMASK = 0o077
# When wnm and launchd both count to the same number, nobody knows afterwards who ended the program.
LATER_THAN_OURS_SECONDS = 2

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NUMBERED_NAME = re.compile(r"(.*[^0-9])([0-9]{4}|[1-9][0-9]{4,})")
_NUMBERED_LABEL = re.compile(r"(.*[^0-9])-(0|[1-9][0-9]*)")


class Written(Struct, frozen=True, kw_only=True):
    """The content of a property list; `unit` and `working_dir` are None if wnm did not write it."""

    label: str | None = None
    argv: tuple[str, ...] = ()
    unit: str | None = None
    working_dir: str | None = None


def label_of(name: str, prefix: str = LABEL_PREFIX) -> str:
    """The label of a unit: `com.autonomi.antnode-1` for `antnode0001`, else the prefix and its name.

    No two names have the same label. Permanent for what is no name, and for a name that looks like the label of
    a numbered one.
    """
    if not _NAME.fullmatch(name):
        raise Permanent(f"{name!r} cannot be the name of an agent: only letters, digits, - and _")
    numbered = _NUMBERED_NAME.fullmatch(name)
    label = prefix + (f"{numbered[1]}-{int(numbered[2])}" if numbered else name)
    if unit_name_of(label, prefix) != name:
        raise Permanent(f"{name} cannot be the name of an agent: {label} is {unit_name_of(label, prefix)}'s")
    return label


def unit_name_of(label: str, prefix: str = LABEL_PREFIX) -> str | None:
    """The name of the unit whose label this is; None if no unit has it."""
    short = label.removeprefix(prefix)
    match = _NUMBERED_LABEL.fullmatch(short)
    names = [f"{match[1]}{int(match[2]):04d}"] if match else []
    return next((each for each in (*names, short) if short != label and _NAME.fullmatch(each)), None)


def plist_bytes(unit: Unit, label: str, session: Session) -> bytes:
    """The property list of a unit: text that people can read, unless a value has characters that XML cannot carry.

    Permanent if launchd has no way to pass a value on.
    """
    content = {
        "Label": label,
        "ProgramArguments": list(unit.argv),
        "WorkingDirectory": unit.working_dir,
        "EnvironmentVariables": dict(unit.environment),
        "StandardOutPath": unit.log_file,
        "StandardErrorPath": unit.log_file,
        "RunAtLoad": True,
        # Whatever its exit code: a node that replaced its own program ends with 0 and has to come back.
        "KeepAlive": True,
        "ThrottleInterval": THROTTLE_SECONDS,
        "ExitTimeOut": math.ceil(unit.stop_grace.total_seconds()) + LATER_THAN_OURS_SECONDS,
        # Background would slow down its disk and put it on the efficient cores, and Adaptive is the same for a
        # program without XPC. Interactive would let it compete with the person at the screen.
        "ProcessType": "Standard",
        # macOS gives 256 otherwise. It is the most that every macOS grants; the hard limit is left as it is.
        "SoftResourceLimits": {"NumberOfFiles": OPEN_FILES},
        "Umask": UMASK,
        # One kind of session only: with several, a login would load it a second time beside the one that runs.
        "LimitLoadToSessionType": session,
        OWN_KEY: {"unit": unit.name, "working_dir": unit.working_dir},
    }
    values = [*unit.argv, *(text for pair in unit.environment for text in pair), unit.name]
    values += [label, unit.working_dir, unit.log_file]
    for value in values:
        if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise Permanent(f"{unit.name}: launchd cannot pass on {value!r}")
    # XML has no control characters, and a carriage return in it would come back as a line feed.
    readable = all(value.replace("\n", "").replace("\t", "").isprintable() for value in values)
    return plistlib.dumps(content, fmt=plistlib.FMT_XML if readable else plistlib.FMT_BINARY, sort_keys=False)


def read_plist(content: bytes) -> Written | None:
    """Parse a property list; None if it is not one."""
    try:
        found = plistlib.loads(content)
    except (ValueError, ExpatError, AttributeError, LookupError, TypeError, RecursionError):
        return None
    if not isinstance(found, Mapping):
        return None
    own, words = found.get(OWN_KEY), found.get("ProgramArguments")
    own = own if isinstance(own, Mapping) else {}
    values = {"label": found.get("Label"), "unit": own.get("unit"), "working_dir": own.get("working_dir")}
    argv = tuple(word for word in words if isinstance(word, str)) if isinstance(words, list) else ()
    return Written(
        argv=argv, **{name: value if isinstance(value, str) else None for name, value in values.items()}
    )


_SERVICES = re.compile(r"^[ \t]*services = \{[ \t]*\n(.*?)^[ \t]*\}[ \t]*$", re.MULTILINE | re.DOTALL)
_SERVICE = re.compile(r"[ \t]*([0-9]+)[ \t]+(\S+)[ \t]+(\S+)[ \t]*")
_PATH = re.compile(r"^\tpath = (.*)$", re.MULTILINE)
_NUMBER = re.compile(r"-?[0-9]+")


class Service(Struct, frozen=True, kw_only=True):
    """A loaded service: its process, and how the one before ended (negative: the signal; None: never, or not said)."""

    pid: int | None
    status: int | None


def services(text: str) -> Mapping[str, Service]:
    """The services of a domain by label. ValueError if the text does not list them."""
    block = _SERVICES.search(text)
    if not block:
        raise ValueError("it lists no services")
    return {
        match[3]: Service(
            pid=int(match[1]) or None, status=int(match[2]) if _NUMBER.fullmatch(match[2]) else None
        )
        for match in map(_SERVICE.fullmatch, block[1].splitlines())
        if match
    }


def origin(text: str) -> str | None:
    """The file that a service was loaded from; None if the text does not say."""
    found = _PATH.search(text)
    return found[1] if found else None
