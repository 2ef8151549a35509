"""Lists the process managers and what decisions and defaults need to know of each, so that none is known by its name.

How each is built stands in its row in `wnm.wiring`, which has the same names.
"""

from collections.abc import Mapping

from msgspec import Struct


class Traits(Struct, frozen=True, kw_only=True):
    """The capabilities of a process manager.

    `system_services`: nodes are services of the whole system, in the system's folders, and only root may change
    them. `runs_as_account`: nodes run as an account of their own.
    """

    system_services: bool = False
    runs_as_account: bool = False


PROCESS_MANAGERS: Mapping[str, Traits] = {
    "systemd": Traits(system_services=True, runs_as_account=True),
    "systemd+user": Traits(),
    "setsid": Traits(),
    "launchd": Traits(),
}
ALIASES: Mapping[str, str] = {"systemd+sudo": "systemd", "setsid+user": "setsid", "launchd+user": "launchd"}
"""Names that other managers and earlier versions have for them."""
_NONE = Traits()


def traits_of(process_manager: str | None) -> Traits:
    """Its traits; those of a name that is not known, or of none, are all false."""
    return PROCESS_MANAGERS.get(process_manager or "", _NONE)
