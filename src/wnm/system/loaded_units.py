"""Asks the running systemd for the properties of a service, as it has loaded it."""

import json
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from wnm.core.errors import WnmError
from wnm.system.command import run

RUNNING = Path("/run/systemd/system")
PATIENCE = timedelta(seconds=10)
_BUS = "org.freedesktop.systemd1"


def loaded_properties(name: str, *, of_user: bool) -> Mapping[str, Any] | None:
    """All properties of the unit `name`, such as `antnode0001.service`, by their names on the bus.

    `of_user` asks the account's own systemd. None where systemd does not run or does not answer. A unit that is not
    loaded is loaded for this; nothing is started. See org.freedesktop.systemd1(5).
    """
    if not RUNNING.is_dir():
        return None
    # As systemd writes names in paths of the bus, see sd_bus_path_encode(3).
    path = f"/org/freedesktop/systemd1/unit/{re.sub(r'[^A-Za-z0-9]|^[0-9]', _escaped, name)}"
    scope = ("--user",) if of_user else ()
    environment = {"XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}", **os.environ, "LC_ALL": "C"}
    found: dict[str, Any] = {}
    for interface in ("Unit", "Service"):
        call = ("call", _BUS, path, "org.freedesktop.DBus.Properties", "GetAll", "s", f"{_BUS}.{interface}")
        try:
            answer = json.loads(run(("busctl", *scope, "--json=short", *call), PATIENCE, environment).stdout)
            found |= {key: each["data"] for key, each in answer["data"][0].items()}
        except (WnmError, ValueError, LookupError, TypeError, AttributeError):
            return None
    return found


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"_{byte:02x}" for byte in found[0].encode())
