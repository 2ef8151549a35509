"""What is written for other programs after each cycle; nothing that goes wrong here is the cycle's concern."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from wnm.core.errors import WnmError

if TYPE_CHECKING:
    from wnm.core.layers import Resolved
    from wnm.core.settings import Settings
    from wnm.storage.database import Database
    from wnm.views.material import Material

log = logging.getLogger(__name__)


class Output(Struct, frozen=True, kw_only=True):
    """A file after each cycle: the setting that names it, what its beginning holds, and how its text is made."""

    setting: str
    marker: str
    render: "Callable[[Material, Database], str]"


def _exposition(material: "Material", database: "Database") -> str:
    from wnm.views.prometheus import text

    return text(material)


def _targets(material: "Material", database: "Database") -> str:
    from wnm.views.prometheus_targets import text

    return text(material)


def _page(material: "Material", database: "Database") -> str:
    from wnm.app.page import status_page

    return status_page(material, database)


OUTPUTS = (
    Output(setting="prometheus_textfile", marker="# Written by wnm", render=_exposition),
    Output(setting="prometheus_targets", marker='"__meta_written_by": "wnm"', render=_targets),
    Output(setting="status_page", marker="<!-- Written by wnm -->", render=_page),
)


def write_outputs(resolved: "Resolved", database: "Database", now: datetime) -> tuple[str, ...]:
    """Write every file that the settings ask for, from what is remembered; returns what went wrong, a line each."""
    wanted = _wanted(resolved.settings)
    if not wanted:
        return ()
    try:
        # Only now: a cycle without outputs must not pay for reports.
        from wnm.app.material import material

        made = material(database, resolved, now)
    except Exception as error:  # noqa: BLE001 - the cycle is over and written down: nothing may undo that
        return (_line("the files for other programs", error),)
    return _each(wanted, lambda output, path: _write(output, path, made, database))


def remove_outputs(settings: "Settings") -> tuple[str, ...]:
    """Take away what `write_outputs` wrote, when nothing is managed any more; returns what went wrong."""
    return _each(_wanted(settings), _remove)


def _wanted(settings: "Settings") -> list[tuple[Output, str]]:
    return [(each, path) for each in OUTPUTS if (path := getattr(settings, each.setting))]


def _each(wanted: list[tuple[Output, str]], work: Callable[[Output, str], None]) -> tuple[str, ...]:
    problems: list[str] = []
    for output, path in wanted:
        try:
            work(output, path)
        except Exception as error:  # noqa: BLE001 - one that cannot be made keeps neither the others nor the cycle
            problems.append(_line(output.setting, error))
    return tuple(problems)


def _write(output: Output, path: str, made: "Material", database: "Database") -> None:
    from wnm.system.publish import publish

    text = output.render(made, database)
    publish(path, f"{text}\n".encode(errors="replace"), marker=output.marker.encode())


def _remove(output: Output, path: str) -> None:
    from wnm.system.publish import withdraw

    withdraw(path, marker=output.marker.encode())


def _line(what: str, error: Exception) -> str:
    if isinstance(error, WnmError):
        return f"{what}: {error}"
    log.debug("%s", what, exc_info=error)
    return f"{what}: a bug in wnm, the cycle itself is done: {type(error).__name__}: {error}"
