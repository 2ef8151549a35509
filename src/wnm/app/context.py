"""What every command begins with: the layers of settings, the host, and where the database and its lock are."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from wnm.app.addresses import checksum_error
from wnm.app.invocation import Invocation
from wnm.app.sources import gather
from wnm.core.host import Host, data_folder
from wnm.core.layers import Layer, Resolved, resolve
from wnm.sensors.host import usable_cores
from wnm.storage.location import database_path
from wnm.system.host import host_facts
from wnm.system.logs import set_up_logging

DATABASE_NAME = "colony.db"
LOCK_NAME = "wnm_active"


class Context(Struct, frozen=True, kw_only=True):
    """One command with everything that was given to it, wherever it was given.

    `began` is when it began, on the monotonic clock: a cycle's time counts from there.
    """

    asked: Invocation
    layers: tuple[Layer, ...]
    host: Host
    began: float

    @property
    def database_path(self) -> str:
        """The absolute path of the database, links resolved: one database has one lock."""
        path = database_path(self.asked.dbpath or f"{data_folder(self.host)}/{DATABASE_NAME}")
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


def begin(asked: Invocation) -> Context:
    """Collect the layers above the database and set up logging."""
    began = time.monotonic()
    host = host_facts(os.environ, usable_cores())
    gathered = gather(asked, host, folder=_working_folder())
    set_up_logging(gathered.invocation.loglevel, gathered.invocation.log_format)
    return Context(asked=gathered.invocation, layers=gathered.layers, host=host, began=began)


def _working_folder() -> Path | None:
    """Where .env is looked for; None when the folder that we were started in has been removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None
