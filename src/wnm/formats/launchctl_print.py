"""What `launchctl print` writes about a domain and about a service.

`launchctl list` would be shorter, but it only knows the session of whoever asks: from cron or over ssh it does not
show what runs in the graphical session. `print` takes the domain by its name.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

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
    found = {}
    for line in block[1].splitlines():
        match = _SERVICE.fullmatch(line)
        if match:
            found[match[3]] = Service(
                pid=int(match[1]) or None,
                status=int(match[2]) if _NUMBER.fullmatch(match[2]) else None,
            )
    return found


def origin(text: str) -> str | None:
    """The file that a service was loaded from; None if the text does not say."""
    found = _PATH.search(text)
    return found[1] if found else None
