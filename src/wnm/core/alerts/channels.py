"""Where messages go, and names for these places that give no secret away."""

import shlex
from collections.abc import Mapping, Sequence
from enum import StrEnum
from hashlib import sha256
from posixpath import basename
from typing import Any
from urllib.parse import urlsplit

from wnm.core.host import Host
from wnm.core.settings import SPECS
from wnm.core.values import Value

# These settings mean the same on every machine.
_ANY_HOST = Host(platform="linux", is_root=False, user="", home="/", environ={}, usable_cores=1.0)


class Kind(StrEnum):
    """How a message is handed over."""

    WEBHOOK = "webhook"
    APPRISE = "apprise"
    COMMAND = "command"


class Channel(Value, frozen=True, kw_only=True):
    """One receiver. `target` may hold tokens and is told to nobody; `name` stands for it everywhere."""

    kind: Kind
    target: tuple[str, ...]
    name: str


class Addresses(Value, frozen=True, kw_only=True):
    """The receivers of messages, each once, and the address that is asked for after a good cycle."""

    channels: tuple[Channel, ...] = ()
    dead_man_url: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.channels)


def addresses(urls: Sequence[str], command: Sequence[str], dead_man_url: str | None) -> Addresses:
    """What the settings of the same names say."""
    found = [_of_url(url) for url in urls]
    if command:
        name = f"command {basename(command[0])} #{_mark(shlex.join(command))}"
        found.append(Channel(kind=Kind.COMMAND, target=tuple(command), name=name))
    return Addresses(channels=tuple({each.name: each for each in found}.values()), dead_man_url=dead_man_url)


def addresses_in(texts: Mapping[str, str]) -> Addresses:
    """The same from settings as the database holds them; ValueError if they are not of this wnm's making."""

    def value(name: str) -> Any:
        spec = SPECS[name]
        return spec.form.read(texts[name], _ANY_HOST) if name in texts else spec.default

    return addresses(value("alert_urls"), value("alert_command"), value("dead_man_url"))


def _of_url(url: str) -> Channel:
    parts = urlsplit(url)
    if parts.scheme.lower() in ("http", "https"):
        name = f"{parts.scheme.lower()}://{parts.hostname}/… #{_mark(url)}"
        return Channel(kind=Kind.WEBHOOK, target=(url,), name=name)
    # What looks like the host of such an address is often the token.
    return Channel(kind=Kind.APPRISE, target=(url,), name=f"{parts.scheme}://… #{_mark(url)}")


def _mark(secret: str) -> str:
    """Enough to tell two addresses of one host apart, and far too little to guess either."""
    return sha256(secret.encode(errors="surrogateescape")).hexdigest()[:6]
