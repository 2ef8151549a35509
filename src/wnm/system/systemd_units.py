"""Reads all that systemd has of a unit: its drop-ins in files, its properties as loaded from the running systemd."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from wnm.core.errors import Transient, WnmError
from wnm.system.command import run
from wnm.system.files import open_regular

LARGEST_BYTES = 4 * 1024 * 1024
RUNNING = Path("/run/systemd/system")
PATIENCE = timedelta(seconds=10)
_BUS = "org.freedesktop.systemd1"


def all_drop_ins(path: Path, folders: Sequence[str]) -> list[tuple[str, bytes]]:
    """The drop-ins of a unit in every folder of units, those for all services too, in the order of their names.

    `folders` come with the strongest first: of two with one name that in the stronger folder counts, and one for the
    unit itself more than one for all. Transient if they cannot be read.
    """
    found: dict[str, bytes] = {}
    place = Path()
    try:
        for place in (
            Path(each, kind) for kind in ("service.d", f"{path.name}.d") for each in reversed(folders)
        ):
            for file in place.iterdir() if place.is_dir() else ():
                if not file.name.endswith(".conf"):
                    continue
                place = file
                # systemd takes such a link as an empty file, which hides one of its name in a weaker folder.
                if os.path.realpath(file) == os.devnull:
                    found[file.name] = b""
                    continue
                with open_regular(str(file)) as opened:
                    found[file.name] = opened.read(LARGEST_BYTES)
    except OSError as error:
        raise Transient(f"cannot read {place}: {error.strerror}") from error
    return sorted(found.items())


def loaded_properties(name: str, *, of_user: bool) -> Mapping[str, Any] | None:
    """All properties of the unit `name`, such as `antnode0001.service`, by their names on the bus.

    `of_user` asks the account's own systemd. None where systemd does not run or does not answer. A unit that is not
    loaded is loaded for this; nothing is started. See org.freedesktop.systemd1(5).
    """
    if not RUNNING.is_dir():
        return None
    # As systemd writes names in paths of the bus, see sd_bus_path_encode(3).
    escaped = re.sub(
        r"[^A-Za-z0-9]|^[0-9]", lambda found: "".join(f"_{byte:02x}" for byte in found[0].encode()), name
    )
    scope = ("--user",) if of_user else ()
    environment = {"XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}", **os.environ, "LC_ALL": "C"}
    target = (_BUS, f"/org/freedesktop/systemd1/unit/{escaped}", "org.freedesktop.DBus.Properties")
    found: dict[str, Any] = {}
    for interface in ("Unit", "Service"):
        call = ("busctl", *scope, "--json=short", "call", *target, "GetAll", "s", f"{_BUS}.{interface}")
        try:
            answer = json.loads(run(call, PATIENCE, environment).stdout)
            found |= {key: each["data"] for key, each in answer["data"][0].items()}
        except (WnmError, ValueError, LookupError, TypeError, AttributeError):
            return None
    return found
