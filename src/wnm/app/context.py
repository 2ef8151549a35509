"""Holds what a command works with: what was asked, the layers of settings, the host, backends, clock and paths."""

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from wnm.app.invocation import Invocation
from wnm.app.sources import gather
from wnm.core.contracts import Clock
from wnm.core.errors import BadInput
from wnm.core.host import Host, data_folder
from wnm.core.layers import Layer, Resolved, resolve
from wnm.core.settings import Settings
from wnm.sensors.host import usable_cores
from wnm.system.clock import SystemClock
from wnm.system.host import host_facts
from wnm.system.logs import set_up_logging

if TYPE_CHECKING:
    from wnm.act.steps import Backends

DATABASE_NAME = "colony.db"
LOCK_NAME = "wnm_active"


class Wiring(Protocol):
    """The process managers and firewalls of this wnm, by the names that settings give them (`wnm.wiring`)."""

    def build(self, settings: Settings, clock: Clock) -> "Backends":
        """The two that these settings name. NeedsOperator if there is no such one."""

    def check(self, settings: Settings) -> None:
        """NeedsOperator if nodes could not be managed here with these settings, BadInput if they could not run."""

    def folders(self, settings: Settings) -> tuple[str, ...]:
        """The folders that nodes, their logs, their backed-up keys and their units go to."""

    def firewall_is_active(self) -> bool:
        """Whether a firewall that wnm can set up is switched on; False if it does not say."""


class Context(Struct, frozen=True, kw_only=True):
    """One command with everything that was given to it, wherever it was given, and what it may use.

    `began` is when it began, on the monotonic clock: a cycle's time counts from there.
    """

    asked: Invocation
    layers: tuple[Layer, ...]
    host: Host
    began: float
    wiring: Wiring
    clock: Clock = field(default_factory=SystemClock)

    @property
    def database_path(self) -> str:
        """The absolute path of the database, links resolved: one database has one lock."""
        path = database_file(self.asked.dbpath or f"{data_folder(self.host)}/{DATABASE_NAME}")
        return os.path.realpath(path)

    @property
    def lock_path(self) -> str:
        """The lock file, beside the database; a database with another name has a lock of its own."""
        path = Path(self.database_path)
        name = LOCK_NAME if path.name == DATABASE_NAME else f"{path.name}.{LOCK_NAME}"
        return str(path.with_name(name))

    def resolve(self, stored: Sequence[Layer] | None) -> Resolved:
        """The settings that all layers add up to; `stored` are the database's, None while there is none."""
        return resolve((*self.layers, *(stored or ())), self.host, check_address=checksum_error)


def database_file(text: str) -> str:
    """The absolute path that `--dbpath` means: a path, or an `sqlite:///` URL; `~` and `$VAR` count.

    Raises BadInput for URLs of other databases and for SQLite's special names.
    """
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):/", text)
    path = text
    if scheme is not None:
        if not text.startswith("sqlite:///"):
            raise BadInput(f"--dbpath {text}: expected a path or sqlite:///PATH")
        path = text.removeprefix("sqlite:///")
        if "?" in path:
            raise BadInput(f"--dbpath {text}: an sqlite:/// URL may not have a query")
    if not path or "\0" in path or path == ":memory:" or path.endswith("/"):
        raise BadInput(f"--dbpath {text!r} does not name a file")
    return os.path.abspath(os.path.expandvars(os.path.expanduser(path)))  # noqa: PTH100, PTH111


def checksum_error(address: str) -> str | None:
    """Say what is wrong with an address in mixed case (`0x` and 40 hexadecimal digits), None if its checksum is right.

    A letter is a capital where the Keccak-256 of the lower-case digits has a digit of 8 or more at its place:
    https://eips.ethereum.org/EIPS/eip-55. `resolve` only asks when an address is new.
    """
    from Crypto.Hash import keccak

    digits = address[2:].lower()
    marks = keccak.new(digest_bits=256, data=digits.encode("ascii")).hexdigest()
    pairs = zip(digits, marks, strict=False)
    if address[2:] == "".join([digit.upper() if int(mark, 16) >= 8 else digit for digit, mark in pairs]):
        return None
    return "its checksum is wrong, so a character is mistyped; copy it again from the wallet"


def build_context(asked: Invocation, wiring: Wiring) -> Context:
    """Collect the layers above the database and set up logging."""
    began = time.monotonic()
    try:
        folder = Path.cwd()
    except FileNotFoundError:
        folder = None  # the folder that we were started in has been removed
    host = host_facts(os.environ, usable_cores())
    found = gather(asked, host, folder=folder)
    set_up_logging(found.invocation.loglevel, found.invocation.log_format)
    return Context(asked=found.invocation, layers=found.layers, host=host, began=began, wiring=wiring)
